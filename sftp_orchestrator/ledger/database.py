"""Opens the ledger's database: SQLite in the workspace or PostgreSQL by URL, brought to the newest schema."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator import failpoints, files
from sftp_orchestrator.config.ledger_url import SQLITE, hide_password, hide_password_in
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.ledger.transactions import Deadlock
from sftp_orchestrator.workspace import Workspace, give_to_owner

LEDGER_FILE = "ledger.db"
BUSY_TIMEOUT_SECONDS = 10
"""How long one process waits for another's transaction, or for the server: ours last milliseconds, and a stop that
finds us waiting has 30 s for all it has to do."""
LOOK_TIMEOUT_SECONDS = 5
"""How long somebody waits for a server who only wants to look: the ledger is not all of his answer."""
EXAMINE_SECONDS = 10
"""How long a database elsewhere may take to let us in when it is only looked at."""
_MIGRATING = 7_330_214_159_073_601
"""The advisory lock of PostgreSQL that a migration holds; a number of our own."""
_DEADLOCK = "40P01"
"""The SQLSTATE of it in PostgreSQL; SQLite has one writer."""
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p"})
_MIGRATIONS = Path(__file__).parent / "migrations"
_REVISION_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What the ledger's database was found to be."""

    place: str
    """the file and the kind of its file system, or the URL without its password"""
    revision: str | None
    """of its schema; None where there is no ledger yet"""
    newest: str
    """the revision that this version works with"""


def open_database(url: str, workspace: Path) -> sa.Engine:
    """Return an engine on the ledger, made or migrated where needed; may be repeated.

    SQLite runs in WAL mode with ``synchronous=FULL``: a move that was committed survives a power cut.

    Raises:
        LocalFault: it cannot be opened, is no ledger, is that of a newer version, is a file on a network file system,
            where WAL does not work, or is empty beside files of ours that an earlier one knew.
    """
    if url == SQLITE:
        path = workspace / LEDGER_FILE
        if not path.exists():
            require_never_used(str(path), workspace)
        engine = _open_sqlite(path)
    else:
        engine = _open_postgresql(url, timeout_seconds=BUSY_TIMEOUT_SECONDS)
    try:
        _migrate(engine, workspace)
        if url == SQLITE:
            # The files beside it (-wal, -shm) follow by themselves: SQLite gives them the owner of this one.
            give_to_owner(workspace / LEDGER_FILE)
    except LocalFault:
        engine.dispose()
        raise
    return engine


def open_for_reading(url: str, workspace: Path) -> sa.Engine | None:
    """Return an engine on a ledger that is there; nothing is written, not even a file beside the database.

    None where there is no ledger yet, or one of another version.

    Raises:
        LocalFault: it cannot be read, is no ledger, or is gone, and files that it knew are still here.
    """
    if url == SQLITE:
        engine = _open_sqlite_for_reading(workspace / LEDGER_FILE)
    else:
        engine = _open_postgresql(url, timeout_seconds=LOOK_TIMEOUT_SECONDS)
    if engine is None:
        require_never_used(str(workspace / LEDGER_FILE), workspace)
        return None
    try:
        revision = _get_revision(engine)
        if revision is None:
            require_never_used(_name(engine), workspace)
        is_current = revision == _get_newest()
    except LocalFault:
        engine.dispose()
        raise
    if is_current:
        return engine
    engine.dispose()
    return None


def _open_sqlite_for_reading(path: Path) -> sa.Engine | None:
    log = path.with_name(f"{path.name}-wal")
    with files.as_local_fault("read", f"ledger {path}", hint="call it as the daemon's user"):
        if not path.exists():
            return None
        # While the log is there somebody may be writing, and its index is read as it stands. Without it nobody is:
        # only a database that is said to be immutable is opened without a log and an index of its own.
        mode = "mode=ro&readonly_shm=1" if log.exists() else "immutable=1"
    location = f"file:{urllib.parse.quote(str(path))}?{mode}"
    return _make_engine(_locate(path), creator=lambda: sqlite3.connect(location, uri=True), poolclass=sa.pool.NullPool)


def examine_database(url: str, workspace: Path) -> Condition:
    """Return what the ledger's database is. Nothing is made, migrated or written; may be repeated.

    Raises:
        LocalFault: ``open_database`` would fail, as far as can be told.
    """
    newest = _get_newest()
    path = workspace / LEDGER_FILE
    if url == SQLITE:
        place = f"{path}, SQLite on {_require_local(path) or 'an unknown kind of file system'}"
        if not path.exists():
            require_never_used(str(path), workspace)
            return Condition(place=place, revision=None, newest=newest)
        if not os.access(path, os.W_OK):
            raise LocalFault(
                "use", f"ledger {path}", "we may not write to it", hint="it must belong to the daemon's user"
            )
        # Without the pragmas that ours set: the first of them writes.
        engine = _make_engine(_locate(path), connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    else:
        engine = _open_postgresql(url, timeout_seconds=EXAMINE_SECONDS)
        place = _name(engine)
    try:
        revision = _get_revision(engine)
        if revision is None:
            require_never_used(_name(engine), workspace)
            if url != SQLITE:
                _require_creatable(engine)
    finally:
        engine.dispose()
    return Condition(place=place, revision=revision, newest=newest)


def _make_engine(place: sa.URL, **options: Any) -> sa.Engine:
    engine = sa.create_engine(place, **options)
    sa.event.listen(engine, "handle_error", _translate)
    return engine


def _translate(context: sa.engine.ExceptionContext) -> None:
    """Turn the database's errors into ours, here alone; a broken unique key stays, its caller knows what it means."""
    error = context.original_exception
    if context.engine is None or isinstance(context.sqlalchemy_exception, sa.exc.IntegrityError):
        return
    hint = "nothing was changed; free space or permissions, or restore it from a backup: it is never started empty"
    if context.connection is None and context.engine.dialect.name != SQLITE:
        hint = "check ledger.url, and that the database runs and lets us in"
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    # psycopg hands on how Python counts the errors of the network.
    cause = hide_password_in(re.sub(r"\[Errno -?[0-9]+\] ", "", first_line), _write_url(context.engine))
    if getattr(error, "sqlstate", None) == _DEADLOCK:
        raise Deadlock("use", f"ledger {_name(context.engine)}", cause, hint="the same can be done again") from error
    raise LocalFault("use", f"ledger {_name(context.engine)}", cause, hint=hint) from error


def _name(engine: sa.Engine) -> str:
    """Return the path of the file, or the URL as a person writes it: without the driver, and without the password."""
    return str(engine.url.database) if engine.dialect.name == SQLITE else hide_password(_write_url(engine))


def _write_url(engine: sa.Engine) -> str:
    return engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)


def _locate(path: Path) -> sa.URL:
    # Not as text: a path may hold what means something in a URL.
    return sa.URL.create(SQLITE, database=str(path))


def _open_sqlite(path: Path) -> sa.Engine:
    _require_local(path)
    with files.as_local_fault(
        "open", f"ledger {path}", hint="it must be a file of ours, in a folder that we may write"
    ):
        # Made by us before SQLite does, which would let others read it; the files beside it get the mode of this one.
        if not path.exists():
            path.touch(mode=files.WORK_MODE)
        elif path.stat().st_mode & 0o077:
            path.chmod(files.WORK_MODE)
    engine = _make_engine(_locate(path), connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    sa.event.listen(engine, "connect", _set_up_connection)
    sa.event.listen(engine, "begin", _begin_at_once)
    return engine


def _require_local(path: Path) -> str | None:
    """Return the kind of file system that ``path`` lies on, or would lie on; raises where SQLite cannot live there."""
    kind = get_file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise LocalFault(
            "open",
            f"ledger {path}",
            f"SQLite's write-ahead log does not work on {kind}",
            hint="put the workspace on a local disk, or set ledger.url to a PostgreSQL database",
        )
    return kind


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 would open transactions by its own rules; ours begin when we say so.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_at_once(connection: sa.Connection) -> None:
    # IMMEDIATE takes the write lock first: no transaction of ours fails half-way because another was quicker.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("read_only") else "BEGIN IMMEDIATE")


def _open_postgresql(url: str, *, timeout_seconds: int) -> sa.Engine:
    place = sa.make_url(url).set(drivername="postgresql+psycopg")
    # What the URL says counts more.
    arguments = {} if "connect_timeout" in place.query else {"connect_timeout": timeout_seconds}
    return _make_engine(place, pool_pre_ping=True, connect_args=arguments)


def _migrate(engine: sa.Engine, workspace: Path) -> None:
    revision = _get_revision(engine)
    if revision == _get_newest():
        return
    if revision is None:
        require_never_used(_name(engine), workspace)
    # Reading its library takes as long as a whole command; a ledger that is up to date needs none of it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    settings = Config()
    settings.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection, _free_to_rebuild_tables(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            # SQLite lets one write at a time anyhow. Whoever comes second finds nothing left to do.
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATING)))
        settings.attributes["connection"] = connection
        with failpoints.around("ledger.migrate"):
            command.upgrade(settings, "head")


def _get_newest() -> str:
    return _list_revisions()[-1]


def _list_revisions() -> list[str]:
    """Return what this version knows, the newest last: each is what its file's name begins with."""
    return sorted(path.name[:_REVISION_DIGITS] for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _get_revision(engine: sa.Engine) -> str | None:
    """Return the revision of the schema, None where there is none yet; raises where this version does not know it."""
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    if found is not None and found not in _list_revisions():
        cause = f"a newer version of this program made it: schema {found}, this version knows up to {_get_newest()}"
        raise LocalFault("use", f"ledger {_name(engine)}", cause, hint="install that version again")
    return None if found is None else str(found)


def require_never_used(name: str, workspace: Path) -> None:
    """Raise ``LocalFault`` where the ledger ``name`` has nothing in it, and the workspace holds files all the same.

    It was lost, or cut to nothing, or another one is named now: a new one would send what went, and forget what waits.
    """
    ours = Workspace(root=workspace)
    with files.as_local_fault("look into", f"workspace {workspace}", hint="it must be a folder of ours"):
        used = [folder for folder in (ours.work, ours.quarantine, ours.archive) if _has_entries(folder)]
    if used:
        names = ", ".join(f"{folder.name}/" for folder in used)
        raise LocalFault(
            "open",
            f"ledger {name}",
            f"it is missing or empty, and workspace {workspace} holds files of an earlier one in {names}",
            hint="restore it from a backup, or set ledger.url back; to begin anew, first move these folders elsewhere",
        )


def _has_entries(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _require_creatable(engine: sa.Engine) -> None:
    """Raise where the first start could not make its tables in a PostgreSQL database."""
    with engine.connect() as connection:
        if connection.scalar(sa.text("SELECT has_schema_privilege(current_schema(), 'CREATE')")):
            return
    hint = "a database owner grants it: GRANT CREATE ON SCHEMA public TO the user in ledger.url"
    raise LocalFault("use", f"ledger {_name(engine)}", "we may not make tables in it", hint=hint)


@contextlib.contextmanager
def _free_to_rebuild_tables(connection: sa.Connection) -> Iterator[None]:
    """Let SQLite rebuild a table that others refer to: its only way to change a CHECK (lang_altertable.html, 7)."""
    session = connection.connection.driver_connection
    if not isinstance(session, sqlite3.Connection):
        yield
        return
    # Within a transaction this pragma does nothing; it belongs to the connection, which others get after us.
    session.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        session.execute("PRAGMA foreign_keys=ON")


def get_file_system(folder: Path) -> str | None:
    """Return the type of the file system that ``folder`` lies on, as Linux names it; None where it cannot be told."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    best: tuple[int, str | None] = (0, None)
    for line in lines:
        before, _, after = line.partition(" - ")
        mount = before.split()[4].encode().decode("unicode_escape")
        if folder.resolve().is_relative_to(mount) and len(mount) >= best[0]:
            best = (len(mount), after.split()[0])
    return best[1]


def measure(engine: sa.Engine) -> int:
    """Return how many bytes the database takes: SQLite's file and its log, or what PostgreSQL says. May be repeated."""
    if engine.dialect.name == SQLITE:
        path = Path(str(engine.url.database))
        sizes = 0
        for part in (path, path.with_name(f"{path.name}-wal")):
            # The log comes and goes.
            with contextlib.suppress(FileNotFoundError):
                sizes += part.stat().st_size
        return sizes
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)


def count_all(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> dict[str, int]:
    """Return how many rows of ``table`` have each value of ``column``."""
    rows = connection.execute(sa.select(column, sa.func.count()).select_from(table).group_by(column))
    return {str(value): int(number) for value, number in rows}
