"""What names the configuration where no option does."""

from __future__ import annotations

VARIABLE = "SFTP_ORCHESTRATOR_CONFIG"
"""The environment variable that names the configuration file where ``--config`` does not."""
