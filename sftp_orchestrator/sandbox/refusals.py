"""The receiver's ways to say no, and the vendor's words for them.

The words are those in *Imports via SFTP* and *Imports: FAQs*; where the vendor has none, ``vendor`` is None.
"""

from __future__ import annotations

NO_DATA_FILE = "No data file found"
UNREADABLE = "File couldn't be read"
INFRA_ERROR = "Internal infra error"
INCORRECT_MANIFEST = "Incorrect details in manifest file"
IDENTITY_MANDATORY = (
    "Atleast one of identity / fbId / gpId / objectId is mandatory under 1024 chars to identify the user"
)
EVENT_NAME_MANDATORY = "Event name is mandatory"


class Ignored(Exception):  # noqa: N818 - no error of ours: it is the sender's
    """A manifest is met with silence; ``reason`` is for the log alone."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Refusal(Exception):  # noqa: N818 - no error of ours: it is the sender's
    """A manifest and its data are refused: ``reason`` in our words, ``vendor`` in the vendor's."""

    def __init__(self, reason: str, *, vendor: str | None) -> None:
        self.reason = reason
        self.vendor = vendor
        super().__init__(reason, vendor)
