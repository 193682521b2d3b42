"""What kinds of failure there are that have a destination left alone, and which of them need a person."""

from __future__ import annotations

import enum


class PauseKind(enum.StrEnum):
    """What kind of failure has a destination left alone."""

    AWAY = "away"
    """it does not answer, or the line was cut"""
    LOGIN = "login"
    """it does not take our key, or not this user"""
    HOST_KEY = "host_key"
    """it shows another host key than the pinned ones"""
    SESSION = "session"
    """it does not let us in for another reason"""
    FOLDER = "folder"
    """it lets us in, and its folder is not there, or not ours to use"""
    REFUSED = "refused"
    """it lets us in, and says no to something else, or that it failed"""
    SETTINGS = "settings"
    """a key of ours cannot be used, or something else that the configuration names"""
    MACHINE = "machine"
    """this machine stood in the way"""
    OTHER = "other"
    """an earlier version noted it, without its kind"""

    @property
    def needs_person(self) -> bool:
        """Whether it stays so until somebody mends it, here or at the receiver, however often it is tried again."""
        return self in _PERSONS_KINDS


_PERSONS_KINDS = frozenset(
    {PauseKind.LOGIN, PauseKind.HOST_KEY, PauseKind.SESSION, PauseKind.FOLDER, PauseKind.SETTINGS}
)
