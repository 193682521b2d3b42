"""How a person calls us: what we print is to be typed as it stands, with the configuration that was named."""

from __future__ import annotations

import re

COMMAND = "sftp-orchestrator"
_MENTION = re.compile(rf"(?<![\w/.-]){COMMAND}(?= [a-z])")


def spell_out(text: str, command: str) -> str:
    """Return ``text`` with our commands in it as they are to be typed here, such as with ``--config FILE``. Pure."""
    return _MENTION.sub(lambda _: command, text)
