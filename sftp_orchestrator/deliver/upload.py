"""Puts one data file at the receiver and makes sure that it lies there in full."""

from __future__ import annotations

from sftp_orchestrator.config.model import Verify
from sftp_orchestrator.deliver.remote import Content, Progress, Remote
from sftp_orchestrator.errors import ReceiverRefused, Transient

TEMPORARY_SUFFIX = ".uploading"
"""Ends neither in .csv nor in .manifest, so that no receiver takes it for a file of ours."""


async def upload(
    remote: Remote, name: str, content: Content, *, verify: Verify, rename: bool, progress: Progress | None = None
) -> None:
    """Put the data file ``content`` under ``name`` and verify it; may be repeated with the same name.

    Raises:
        Transient, Unreachable: try again.
        ReceiverRefused: the receiver says no, or does not show the file although ``verify`` requires it.
    """
    # A try before this one may have left the name there, and rename never overwrites (SFTP v3).
    if rename and await get_shown_size(remote, name, verify=verify) is not None:
        await remote.remove(name)
    await put(remote, name, content, rename=rename, progress=progress)
    await require_size(remote, name, content.size, verify=verify)


async def put(remote: Remote, name: str, content: Content, *, rename: bool, progress: Progress | None = None) -> None:
    """Put ``content`` under ``name``; with ``rename`` under a temporary name first, and ``name`` must not be there."""
    if not rename:
        await remote.put(name, content, progress)
        return
    await remote.put(name + TEMPORARY_SUFFIX, content, progress)
    await remote.rename(name + TEMPORARY_SUFFIX, name)


async def remove(remote: Remote, name: str, *, rename: bool) -> bool:
    """Remove what ``put`` may have left under ``name``; return whether there was anything. May be repeated."""
    found = await remote.remove(name)
    return (await remote.remove(name + TEMPORARY_SUFFIX) or found) if rename else found


async def get_shown_size(remote: Remote, name: str, *, verify: Verify) -> int | None:
    """Return the size that the receiver shows of ``name``, None where it shows nothing. May be repeated.

    A receiver that does not let us look shows nothing, unless ``verify`` is ``required``.

    Raises:
        ReceiverRefused: it does not let us look, and ``verify`` is ``required``.
    """
    try:
        return await remote.get_size(name)
    except ReceiverRefused as error:
        if verify is not Verify.REQUIRED:
            return None
        raise type(error)(
            error.operation,
            error.subject,
            error.cause,
            hint="if it shows nothing to us, set verify: best_effort",
        ) from error


async def require_size(remote: Remote, name: str, size: int, *, verify: Verify) -> None:
    """Return when the receiver shows ``name`` with ``size`` bytes, as far as ``verify`` asks for it. May be repeated.

    Raises:
        Transient: it shows another size.
        ReceiverRefused: it shows nothing, and ``verify`` is ``required``.
    """
    if verify is Verify.NEVER:
        return
    found = await get_shown_size(remote, name, verify=verify)
    if found is None and verify is Verify.REQUIRED:
        raise ReceiverRefused(
            "verify",
            name,
            "the receiver does not show it after the upload",
            hint="if it takes files away at once, set verify: best_effort",
        )
    if found is not None and found != size:
        raise Transient("verify", name, f"the receiver shows {found} bytes, {size} were sent")
