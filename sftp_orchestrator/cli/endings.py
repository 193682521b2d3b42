"""How each command ends: a line for each exit code, for ``--help`` and ``docs/reference/commands.md``."""

from __future__ import annotations

from sftp_orchestrator.errors import ExitCode

_USAGE = "wrong usage or configuration"
_SEEN = "of a wrong one, all is shown by the one that was gone by last"
_UNFIT = f"a file is missing, or fits no feed or several, or no feed is called so; {_USAGE}"
_LEDGER = "the ledger cannot be used"
_INTERRUPTED = "interrupted"

ALL = {
    ExitCode.DONE: "done",
    ExitCode.NOT_ALL_DELIVERED: "something was quarantined, held or not delivered, or this machine stood in the way",
    ExitCode.USAGE: _USAGE,
    ExitCode.RECEIVER: "the receiver could not be reached or refused us",
    ExitCode.INTERRUPTED: _INTERRUPTED,
}
_DECISION = {
    ExitCode.DONE: "it goes on",
    ExitCode.NOT_ALL_DELIVERED: (
        f"a part is uncertain: resolve comes first; its failed_rows.csv was changed, and would be lost; or {_LEDGER}"
    ),
    ExitCode.USAGE: f"it is delivered or discarded, or there is no such id; {_USAGE}",
}
BY_COMMAND = {
    "init": {
        ExitCode.DONE: "everything is in place, and the receiver lets us in",
        ExitCode.NOT_ALL_DELIVERED: "a sample is nothing that could be sent; a folder, ledger or gpg cannot be used",
        ExitCode.USAGE: "an answer is missing or wrong, a key cannot be used, or a file is there and would be changed",
        ExitCode.RECEIVER: "the receiver could not be reached or refused us, such as before it knows our public key",
        ExitCode.INTERRUPTED: f"{_INTERRUPTED}; what was not written in full is taken away",
    },
    "run": {
        ExitCode.DONE: "stopped by SIGTERM; with --once, all is delivered or there was nothing to do",
        ExitCode.NOT_ALL_DELIVERED: "something was quarantined or held, or waits; or this machine stood in the way,"
        " such as by a full disk",
        ExitCode.USAGE: f"a key cannot be used; {_USAGE}",
        ExitCode.RECEIVER: "with --once, a receiver could not be reached or refused us",
        ExitCode.INTERRUPTED: "stopped by SIGINT; with --once, also by SIGTERM",
    },
    "run-now": {
        ExitCode.DONE: "the daemon is asked, and begins within seconds",
        ExitCode.NOT_ALL_DELIVERED: f"no daemon runs, and nothing was asked; or {_LEDGER}",
        ExitCode.USAGE: f"there is no such destination or feed, or the feed does not go there; {_USAGE}",
    },
    "plan": {
        ExitCode.DONE: "every file would be delivered, in full or but for rows that its feed bears",
        ExitCode.NOT_ALL_DELIVERED: "a file would be quarantined or held, or cannot be read",
        ExitCode.USAGE: _UNFIT,
        ExitCode.INTERRUPTED: _INTERRUPTED,
    },
    "validate": {
        ExitCode.DONE: "no row would be refused, whatever is warned of",
        ExitCode.NOT_ALL_DELIVERED: (
            "a row would be refused, even one that its feed bears; a file would, or cannot be read"
        ),
        ExitCode.USAGE: _UNFIT,
        ExitCode.INTERRUPTED: _INTERRUPTED,
    },
    "infer": {
        ExitCode.DONE: "an entry is printed, however doubtful",
        ExitCode.NOT_ALL_DELIVERED: "a file is nothing that could be sent, or cannot be read",
        ExitCode.USAGE: "a file is missing, or the files have not the same columns, delimiter or encoding; wrong usage",
        ExitCode.INTERRUPTED: _INTERRUPTED,
    },
    "schema show": {
        ExitCode.DONE: "whatever it shows",
        ExitCode.NOT_ALL_DELIVERED: _LEDGER,
        ExitCode.USAGE: f"there is no such destination, and never was; {_USAGE}",
    },
    "schema accept": {
        ExitCode.DONE: "the types are those of its destination from now on",
        ExitCode.NOT_ALL_DELIVERED: f"its feed is gone, or a part of it is uncertain; or {_LEDGER}",
        ExitCode.USAGE: f"it contradicts nothing, or there is no such id; {_USAGE}",
    },
    "check": {
        ExitCode.DONE: "everything is in place, whatever is warned of",
        ExitCode.NOT_ALL_DELIVERED: "a folder, the ledger or gpg cannot be used",
        ExitCode.USAGE: f"a secret or key cannot be used; {_USAGE}",
        ExitCode.RECEIVER: "with --connect, a receiver could not be reached or refused us",
        ExitCode.INTERRUPTED: _INTERRUPTED,
    },
    "health": {
        ExitCode.DONE: "it does",
        ExitCode.NOT_ALL_DELIVERED: "a station is stuck, or no daemon answers",
        ExitCode.USAGE: f"web.listen is null; {_USAGE}",
    },
    "notify test": {
        ExitCode.DONE: "every channel took it",
        ExitCode.USAGE: f"a channel's URL or secret cannot be used, or none is configured; {_USAGE}",
        ExitCode.RECEIVER: "a channel could not be reached or did not take it",
    },
    "status": {
        ExitCode.DONE: "whatever it shows",
        ExitCode.NOT_ALL_DELIVERED: _LEDGER,
        ExitCode.USAGE: f"{_USAGE}: {_SEEN}",
        ExitCode.INTERRUPTED: "with --watch, Ctrl-C; q ends it with 0",
    },
    "history": {
        ExitCode.DONE: "whatever it shows",
        ExitCode.NOT_ALL_DELIVERED: _LEDGER,
        ExitCode.USAGE: f"there is no such id; {_USAGE}: {_SEEN}",
    },
    "retry": _DECISION,
    "release": _DECISION
    | {ExitCode.USAGE: f"it is delivered or discarded, or nothing of it is new, or there is no such id; {_USAGE}"},
    "discard": {
        ExitCode.DONE: "it is given up",
        ExitCode.NOT_ALL_DELIVERED: (
            f"a part is uncertain: resolve comes first; what became of one is to be looked up: retry comes first; some"
            f" of it was delivered, and the rest is on its way; or {_LEDGER}"
        ),
        ExitCode.USAGE: (
            f"it is delivered without refused rows that are kept, or discarded; or there is no such id; {_USAGE}"
        ),
    },
    "resolve": {
        ExitCode.DONE: "it goes on",
        ExitCode.NOT_ALL_DELIVERED: f"its feed or destination is not in the configuration any more; or {_LEDGER}",
        ExitCode.USAGE: f"nothing of it is uncertain, or there is no such id; {_USAGE}",
    },
    "config sample": {ExitCode.DONE: "done"},
    "config schema": {ExitCode.DONE: "done"},
    "config show": {ExitCode.DONE: "done", ExitCode.USAGE: f"{_USAGE}, a line for each error"},
    "sandbox": {
        ExitCode.DONE: "stopped by SIGTERM or SIGINT",
        ExitCode.NOT_ALL_DELIVERED: "the port, the folder or gpg cannot be used",
        ExitCode.USAGE: "wrong usage",
    },
    "demo": {
        ExitCode.DONE: "everything is as it should be",
        ExitCode.NOT_ALL_DELIVERED: "something is not, your own file was kept back, or gpg cannot be used",
        ExitCode.USAGE: "the options do not go together, or a column of your file is not known; wrong usage",
        ExitCode.INTERRUPTED: _INTERRUPTED,
    },
}
"""By the command's full name. What is not listed does not happen, but for a signal that ends the process."""


def render(endings: dict[ExitCode, str]) -> str:
    """Return ``endings`` as the epilog of a command: a line each. Pure."""
    return "\n".join(f"{code.value} {when}" for code, when in endings.items())
