"""What the name of a column says: who, what, when, a property of the system's, a code. Tables, and pure functions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from sftp_orchestrator.destination import clevertap
from sftp_orchestrator.inference import languages

IDENTITY = "identity"
IDENTITY_NAMES = (
    *("identity", "userid", "customerid", "clientid", "memberid", "subscriberid", "contactid", "profileid", "personid"),
    *("custid", "usernumber", "customernumber", "clientnumber", "membernumber", "subscribernumber", "userkey"),
    *("customerkey", "accountid", "loyaltyid", "crmid", "externalid", "externaluserid", "internalid", "uid", "uuid"),
    *("guid", "accountnumber"),
)
"""Names of columns that say who, the surest first; in English (``translate``), small, letters and digits alone."""
ROW_LIKE_NAMES = frozenset({"internalid", "externalid", "uid", "uuid", "guid"})
"""They may also be the row's own."""
EMAIL_NAMES = (
    *("email", "emailaddress", "mail", "emailid", "mailaddress", "useremail", "customeremail", "emailadresse"),
    *("mailadresse", "adresseemail", "adressemail", "courriel", "correo", "correoelectronico", "indirizzoemail"),
)
PHONE_NAMES = (
    *("phone", "phonenumber", "phoneno", "mobile", "mobilenumber", "mobileno", "mobilephone", "msisdn", "telephone"),
    *("cellphone", "cell", "tel", "whatsapp", "whatsappnumber", "customerphone", "userphone", "telefon", "handy"),
    *("telefonnummer", "handynummer", "mobilnummer", "telefono", "telefone", "celular", "cellulare", "telefoon"),
    *("telefoonnummer", "rufnummer"),
)
LIKELY_IDENTITY_NAMES = ("username", "login", "user", "customer", "client", "member", "subscriber")
"""They may say who, and may be a name that several people have."""
ROW_NAMES = ("id",)
"""In a file of profiles it says who, in one of events rather which event."""
OTHER_IDENTITY_NAMES = {
    clevertap.OBJECT_ID: ("objectid", "clevertapid", "ctid"),
    "fbId": ("fbid", "facebookid"),
    "gpId": ("gpid", "googleid", "googleplusid"),
}
EVENT_NAMES = ("evtname", "eventname", "event", "eventtype", "evt")
WEAK_EVENT_NAMES = ("action", "actionname", "actiontype", "activity", "activityname", "activitytype")
"""They may say what happened, and may be a property."""
TIME_NAMES = (
    *("ts", "timestamp", "eventtime", "eventts", "eventtimestamp", "time", "occurredat", "happenedat", "epoch"),
    *("epochseconds", "unixtime", "unixtimestamp", "eventdate", "eventdatetime", "eventat"),
)
"""Names of columns that say when an event happened, the surest first."""
PROFILE_NAMES = {
    "Name": ("name", "fullname", "displayname", "customername", "contactname"),
    "Email": EMAIL_NAMES,
    "Phone": PHONE_NAMES,
    "Gender": ("gender", "sex"),
    "Employed": ("employed", "isemployed"),
    "Education": ("education", "educationlevel"),
    "Married": ("married", "ismarried"),
    "DOB": ("dob", "dateofbirth", "birthdate", "birthday", "birthdayd"),
    "Age": ("age",),
    "Tz": ("tz", "timezone"),
    "Photo": ("photo", "photourl", "avatar", "avatarurl", "picture", "pictureurl"),
    **{flag: (flag.replace("-", "").lower(),) for flag in clevertap.SYSTEM_PROPERTIES if "-" in flag},
}
"""Properties of a profile that the receiver knows, and how columns for them are called."""

_CODE_WORDS = frozenset(
    {
        *(
            "id",
            "ids",
            "uid",
            "uuid",
            "guid",
            "code",
            "zip",
            "zipcode",
            "postcode",
            "postal",
            "plz",
            "sku",
            "ean",
            "gtin",
        ),
        *(
            "isbn",
            "iban",
            "bic",
            "ssn",
            "barcode",
            "pin",
            "ref",
            "reference",
            "token",
            "hash",
            "key",
            "phone",
            "mobile",
        ),
        *("msisdn", "fax", "tel", "telephone", "imei", "serial"),
    }
)
"""At the end of a name they say a code."""
_CODE_FIRST_WORDS = frozenset({"id", "phone", "tel", "zip"})
_NUMBER_WORDS = frozenset({"number", "no", "nr"})
"""At the end of a name they say a code: ``order_number``; elsewhere they count."""
_DATE_WORDS = frozenset({"at", "on", "date", "day", "time", "timestamp", "ts", "datetime", "since", "until", "epoch"})
_FLAG_FIRST_WORDS = frozenset({"is", "has", "was", "can", "did", "opt", "opted", "allow", "allows"})
_FLAG_WORDS = frozenset(
    {
        *("flag", "bool", "boolean", "enabled", "active", "verified", "consent", "subscribed", "optin", "optout"),
        *("deleted", "confirmed", "paid", "allowed"),
    }
)
_REFUSED = re.compile(rf"[\s(\[]*[{re.escape(clevertap.REFUSED_PROPERTY_CHARACTERS)}]+[\s)\]]*")
"""With the brackets around them: ``price ($)`` is a price."""


def fold(header: str) -> str:
    """Return a name as the tables have it: small, without accents, letters and digits alone."""
    return re.sub(r"[\W_]+", "", _strip_accents(header.casefold()))


def _strip_accents(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))


def translate(header: str) -> str:
    """Return the name of a column that says who as the tables have it, in English whatever language it is of."""
    return languages.translate_person(fold(header))


def split(header: str) -> list[str]:
    """Return the words of a name, small: ``orderID``, ``order_id`` and ``Order Id`` are the same."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", header)
    return [word for word in re.split(r"[\W_]+", _strip_accents(spaced.casefold())) if word]


def is_code(header: str) -> bool:
    """Return whether the name says a code: its digits are no number to reckon with."""
    return _is_surely_code(header) or _is_numbered(header)


def is_perhaps_code(header: str) -> bool:
    """Return whether the name says a code by nothing but a word for a number, which may count: ``page_no``."""
    return _is_numbered(header) and not _is_surely_code(header) and not languages.is_thing(split(header))


def _is_surely_code(header: str) -> bool:
    words, folded = split(header), fold(header)
    return bool(words) and (
        words[-1] in _CODE_WORDS
        or words[0] in _CODE_FIRST_WORDS
        or folded in {*PHONE_NAMES, *IDENTITY_NAMES}
        or languages.is_number_of_person(folded)
    )


def _is_numbered(header: str) -> bool:
    words = split(header)
    return bool(words) and ((len(words) > 1 and words[-1] in _NUMBER_WORDS) or languages.is_number(words[-1]))


def is_date(header: str) -> bool:
    """Return whether the name says a day or a time."""
    words = split(header)
    in_english = bool(words) and (words[-1] in _DATE_WORDS or words[0] in {"date", "ts", "time"} or is_time(header))
    return in_english or languages.is_date(words)


def is_time(header: str) -> bool:
    """Return whether the name says when an event happened."""
    return fold(header) in TIME_NAMES


def is_flag(header: str) -> bool:
    """Return whether the name says yes or no."""
    words = split(header)
    return bool(words) and (words[0] in _FLAG_FIRST_WORDS or any(word in _FLAG_WORDS for word in words))


def make_property_name(header: str, position: int, taken: Collection[str]) -> str:
    """Return a name that the receiver takes for the property, the header itself where it does; none of ``taken``."""
    visible = "".join(char if char.isprintable() else " " for char in header)
    name = " ".join(visible.split())
    if _REFUSED.search(name):
        name = re.sub(r"_{2,}", "_", _REFUSED.sub("_", name)).strip("_ ")
    name = name[: clevertap.MAX_PROPERTY_NAME_CHARACTERS].rstrip() or f"column_{position + 1}"
    return _make_different(name, taken)


def explain_new_name(header: str, reserved: Collection[str]) -> str:
    """Return why the property cannot have the column's own name."""
    if bad := sorted(set(header) & set(clevertap.REFUSED_PROPERTY_CHARACTERS)):
        return f"a new name: the receiver refuses {' '.join(bad)} in one"
    if len(header) > clevertap.MAX_PROPERTY_NAME_CHARACTERS:
        return f"a new name: the receiver takes {clevertap.MAX_PROPERTY_NAME_CHARACTERS} characters"
    if header in reserved:
        return f"a new name: '{header}' means something else to the receiver"
    if not header.isprintable() or header != " ".join(header.split()):
        return "a new name: its own has spaces too many, or what cannot be seen"
    return "a new name: another column has it"


def _make_different(name: str, taken: Collection[str]) -> str:
    candidate, number = name, 2
    while candidate in taken:
        ending = f"_{number}"
        candidate, number = name[: clevertap.MAX_PROPERTY_NAME_CHARACTERS - len(ending)] + ending, number + 1
    return candidate
