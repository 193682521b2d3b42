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
EVENT_NAME_RESTRICTED = "Event name belongs to CleverTap restricted system events"
TOO_MANY_EVENT_PROPERTIES = "Cannot have more than 100 event properties"
OPERATION_UNKNOWN = "Profile operation must be one of $add, $set, $remove, $delete"


class Ignored(Exception):  # noqa: N818 - no error of ours: it is the sender's
    """A manifest is met with silence; ``reason`` is for the log alone."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Refusal(Exception):  # noqa: N818 - no error of ours: it is the sender's
    """A manifest and its data are refused: ``reason`` in our words, ``vendor`` in the vendor's.

    ``rules`` are the identifiers of the rules of ``rules.rule.Rule`` that the file breaks as a whole, where it is that.
    """

    def __init__(self, reason: str, *, vendor: str | None, rules: tuple[str, ...] = ()) -> None:
        self.reason = reason
        self.vendor = vendor
        self.rules = rules
        super().__init__(reason, vendor, rules)
