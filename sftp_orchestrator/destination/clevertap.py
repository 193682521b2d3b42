"""What CleverTap demands of names and values, as its pages say (*Imports via SFTP*, *Imports: FAQs*, *CSV Upload*)."""

from __future__ import annotations

import enum

PLAIN_LIMIT_BYTES = 5_000_000_000
"""A data file must stay below this (CleverTap, *Imports via SFTP*)."""
ENCRYPTED_LIMIT_BYTES = 1_000_000_000
"""The same for the encrypted ``.csv.asc`` as uploaded (CleverTap, *File Upload Encryption*)."""


class DataType(enum.StrEnum):
    """A property's type as the manifest spells it."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    LONG = "LONG"
    FLOAT = "FLOAT"
    BOOLEAN = "BOOLEAN"
    DATE = "DATE"


class FeedType(enum.StrEnum):
    """What the rows of a feed are."""

    PROFILE = "profile"
    EVENT = "event"


DATE_FORMATS = (
    "dd/MM/yyyy HH:mm:ss",
    "MM/dd/yyyy HH:mm:ss",
    "yyyy/dd/MM HH:mm:ss",
    "yyyy/MM/dd HH:mm:ss",
    "dd MMM yyyy HH:mm:ss",
    "dd/MM/yyyy",
    "MM/dd/yyyy",
    "yyyy/dd/MM",
    "yyyy/MM/dd",
    "dd MMM yyyy",
    "yyyy-MM-dd",
    "yyyy-MM-dd'T'HH:mm:ss",
    "UNIX",
)
"""The date formats CleverTap documents; case-sensitive (*Imports via SFTP* and *Imports: FAQs*)."""

IDENTITIES = ("identity", "objectId", "fbId", "gpId")
"""At least one of these properties must be there, and non-empty in each row."""
OBJECT_ID = "objectId"
EVENT_NAME = "evtName"
TIME = "ts"
"""When an event happened, in epoch seconds only; absent = when processed."""
OPERATION_SUFFIX = ".operation"
"""A column of this ending says what to do with the value of the column that it is named after (profiles)."""
OPERATIONS = ("$add", "$remove", "$set", "$delete")
ADDING_OPERATIONS = ("$add", "$set")
MAX_MULTI_VALUES = 100
"""Values of one property of one user; what becomes of more is not documented."""
CHARGED = "Charged"
CHARGED_ITEMS = "Items"
"""Nested items of a ``Charged`` event are not supported over SFTP."""

MAX_IDENTITY_CHARACTERS = 1023
"""An identity stays under 1024 characters."""
MAX_OBJECT_ID_CHARACTERS = 64
MAX_EVENT_NAME_CHARACTERS = 512
MAX_EVENT_TYPES = 512
"""Different event names of a whole account."""
MAX_VALUE_CHARACTERS = 512
MAX_PROPERTY_NAME_CHARACTERS = 120
MAX_EVENT_PROPERTIES = 100
"""Over SFTP; identities, event name and time do not count."""
MAX_PROFILE_PROPERTIES = 256
"""Custom profile keys; the system's own do not count."""

REFUSED_IDENTITIES = (
    *("undefined", "null", "na", "n/a", "0", "nil", "-1", "infinity", "-infinity", "inf", "-inf", "nan", "-nan"),
    *("empty", "xxxxxx", "none", "test", "blank"),
)
"""Compared case-insensitively and trimmed."""
REFUSED_EVENTS = (
    *("Notification Sent", "Notification Viewed", "Notification Clicked", "Notification Delivered"),
    *("Notification Replied", "Notification Bounced", "UTM Visited", "App Launched", "App Uninstalled"),
    *("App Version Changed", "Stayed", "Reply Sent", "Experiment Rendered", "Reachable By", "Identity Reset"),
    *("Identity Set", "Identity Error", "Geocluster Entered", "Geocluster Exited", "SCOutgoing", "SCIncoming"),
    *("SCEnd", "SCCampaignOptOut", "wzrk_d", "wzrk_fetch"),
)
"""The system's own; compared case-insensitively."""
SUSPECT_EVENTS = (
    *("App Installed", "Push Impressions", "State Transitioned", "Session Concluded", "Channel Unsubscribed"),
    *("Control Group", "Webhook Delivered"),
)
"""The system's too, and not refused as far as its pages say."""
REFUSED_PROPERTY_CHARACTERS = "%><!|&.:;$'\"\\#"
REFUSED_EVENT_CHARACTERS = "%><!|&.:;$'\"\\"

SYSTEM_PROPERTIES = (
    *("Name", "Email", "Phone", "Gender", "Employed", "Education", "Married", "DOB", "Age", "Tz", "Photo"),
    *("MSG-sms", "MSG-email", "MSG-whatsapp", "MSG-push", "MSG-dndSMS", "MSG-dndPhone", "MSG-dndWhatsApp"),
    "MSG-dndEmail",
)
"""Profile properties with a meaning of their own; they do not count as custom keys."""
FLAG_PREFIX = "MSG-"
KNOWN_VALUES = {
    "Gender": ("M", "F"),
    "Employed": ("Y", "N"),
    "Married": ("Y", "N", "true", "false", "1", "0"),
    "Education": ("Graduate", "College", "School"),
}
"""What the system's properties may hold, case-insensitively; other values are taken and mean nothing."""
