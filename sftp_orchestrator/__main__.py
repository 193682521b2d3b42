"""``python -m sftp_orchestrator``: the same as the command ``sftp-orchestrator``."""

from sftp_orchestrator.cli import main

main()
