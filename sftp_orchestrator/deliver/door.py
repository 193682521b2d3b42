"""The last door: what leaves is looked at once more, against the configuration as it is now."""

from __future__ import annotations

from sftp_orchestrator.config.model import Destination
from sftp_orchestrator.destination import manifest, names
from sftp_orchestrator.errors import DecisionNeeded, LocalFault
from sftp_orchestrator.ledger.records import Part


def require_fit(part: Part, destination: Destination) -> None:
    """Return where data and manifest of ``part`` are what ``destination`` takes; may be repeated. Pure.

    Raises:
        DecisionNeeded: the manifest is not valid or not of this data, the size is not below the limit, or the part was
            made for another setting of ``encryption``. Nothing may leave.
    """
    try:
        manifest.check(part.manifest, part.data_name)
    except LocalFault as error:
        raise _refuse(part, f"its manifest is not valid: {error.cause}") from error
    encrypted = destination.encryption is not None
    if part.data_name.endswith(names.ENCRYPTED_SUFFIX) != encrypted:
        wanted = "encrypted" if encrypted else "plain"
        raise _refuse(part, f"the destination takes {wanted} files, and this one was made otherwise")
    limit = destination.limits.encrypted_bytes if encrypted else destination.limits.plain_bytes
    if part.size is None or part.size >= limit:
        raise _refuse(part, f"it has {part.size} bytes, and must stay below {limit}")


def _refuse(part: Part, cause: str) -> DecisionNeeded:
    return DecisionNeeded(
        "send", part.data_name, cause, hint="retried it is made anew, unless manifests of it have left"
    )
