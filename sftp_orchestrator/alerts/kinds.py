"""The kinds of alerts in words: what one is, what follows from it, how its end is told, and where to read on."""

from __future__ import annotations

from dataclasses import dataclass

from sftp_orchestrator.config.alerting import AlertKind

_PAGE = "{page}"
"""In ``alerts.docs_url``, where a page's path belongs."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Where to read on in the documentation."""

    page: str
    """its path there, without an ending"""
    title: str
    heading: str | None = None

    def __str__(self) -> str:
        where = f"“{self.title}” ({self.page})"
        return where if self.heading is None else f"{where}, “{self.heading}”"

    def locate(self, docs_url: str) -> str:
        """Return its address: on the site that ``make docs`` makes, unless ``{page}`` says where a page is. Pure."""
        pattern = docs_url if _PAGE in docs_url else f"{docs_url.rstrip('/')}/{_PAGE}.html"
        address = pattern.replace(_PAGE, self.page)
        return address if self.heading is None else f"{address}#{self.heading.lower().replace(' ', '-')}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The words of one kind."""

    one: str
    """what one of them is, after its number"""
    many: str
    means: str
    """what follows from it"""
    over: str
    """what one of them is once it is over, after its name"""
    all_over: str
    """the same of many, after their number"""
    read: Reading


KINDS = {
    AlertKind.QUARANTINED: Kind(
        one="file is quarantined",
        many="files are quarantined",
        means="What breaks a rule is not sent until somebody mends it or gives it up.",
        over="is not quarantined any more",
        all_over="files are not quarantined any more",
        read=Reading(page="how-to/on-call", title="On call", heading="Quarantined"),
    ),
    AlertKind.HELD: Kind(
        one="file is held",
        many="files are held",
        means="Only a person can say how it goes on.",
        over="is not held any more",
        all_over="files are not held any more",
        read=Reading(page="how-to/on-call", title="On call", heading="Held"),
    ),
    AlertKind.UNCERTAIN: Kind(
        one="file is uncertain",
        many="files are uncertain",
        means="Nobody can tell whether the receiver took a part of it. Events are not sent again before a person has"
        " looked there.",
        over="is not uncertain any more",
        all_over="files are not uncertain any more",
        read=Reading(page="how-to/on-call", title="On call", heading="Uncertain"),
    ),
    AlertKind.REFUSED_ROWS: Kind(
        one="file was delivered without all of its rows",
        many="files were delivered without all of their rows",
        means="The good rows were sent. Those that break a rule are kept, to be corrected or given up. Of each feed"
        " this is told once a day at most.",
        over="has no refused rows any more",
        all_over="files have no refused rows any more",
        read=Reading(page="how-to/on-call", title="On call", heading="Rows refused"),
    ),
    AlertKind.RETRIES_EXHAUSTED: Kind(
        one="delivery fails",
        many="deliveries fail",
        means="Nothing is lost, and it is tried again by itself.",
        over="goes through again",
        all_over="deliveries go through again",
        read=Reading(page="how-to/on-call", title="On call", heading="The receiver is away or says no"),
    ),
    AlertKind.FILE_MISSING: Kind(
        one="expected file is missing",
        many="expected files are missing",
        means="None came by the time that its feed says. Ask who drops it; it ends by itself when one comes.",
        over="has a file again",
        all_over="feeds have their files again",
        read=Reading(page="how-to/on-call", title="On call", heading="A file is missing"),
    ),
    AlertKind.NOT_TAKEN: Kind(
        one="feed has complete files that cannot be taken",
        many="feeds have complete files that cannot be taken",
        means="They stay in staging, and are taken by themselves once what stands in the way is out of it.",
        over="has no such files any more",
        all_over="feeds have no such files any more",
        read=Reading(page="how-to/on-call", title="On call", heading="A file is not taken"),
    ),
    AlertKind.KEY_EXPIRING: Kind(
        one="OpenPGP key expires soon",
        many="OpenPGP keys expire soon",
        means="Once it has expired nothing can be encrypted, and deliveries stop: get the receiver's new public key and"
        " its new key_id in time.",
        over="has a key that is good for long",
        all_over="destinations have keys that are good for long",
        read=Reading(page="how-to/encrypt", title="Encrypt"),
    ),
    AlertKind.DISK_LOW: Kind(
        one="disk runs short",
        many="disks run short",
        means="Deliveries go on. Nothing is lost when it fills up, but nothing is taken in then.",
        over="has room again",
        all_over="disks have room again",
        read=Reading(page="how-to/on-call", title="On call", heading="The disk is full"),
    ),
    AlertKind.CONFIGURATION: Kind(
        one="configuration was refused",
        many="configurations were refused",
        means="The daemon goes on with the one that it read before. Nothing of what was changed is in effect.",
        over="is in effect",
        all_over="configurations are in effect",
        read=Reading(page="how-to/on-call", title="On call", heading="A configuration was refused"),
    ),
}


OURS = Reading(page="how-to/on-call", title="On call", heading="This machine stands in the way")
"""Where to read on, in place of ``read``, where files cannot be read or planned."""
IN_NEED = (
    "Nothing is lost, and it is tried again by itself; but where the receiver does not let us in, or not use its"
    " folder, somebody has to mend that first."
)
"""What it means in place of ``means``, where a destination fails until a person mends something."""
WITHOUT_SOURCE = frozenset(
    {AlertKind.FILE_MISSING, AlertKind.NOT_TAKEN, AlertKind.KEY_EXPIRING, AlertKind.DISK_LOW, AlertKind.CONFIGURATION}
)
