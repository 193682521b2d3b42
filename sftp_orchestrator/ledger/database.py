"""Opens the ledger's database: SQLite in the workspace or PostgreSQL by URL, brought to the newest schema."""

from __future__ import annotations

import sqlite3
import urllib.parse
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.script import ScriptDirectory

from sftp_orchestrator import files
from sftp_orchestrator.errors import LocalFault
from sftp_orchestrator.workspace import give_to_owner

LEDGER_FILE = "ledger.db"
BUSY_TIMEOUT_SECONDS = 30
"""How long one process waits for another's transaction; ours last milliseconds."""
LOOK_TIMEOUT_SECONDS = 5
"""How long somebody waits for a server who only wants to look: the ledger is not all of his answer."""
_NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p"})
_MIGRATIONS = Path(__file__).parent / "migrations"


def open_database(url: str, workspace: Path) -> sa.Engine:
    """Return an engine on the ledger, made or migrated where needed; may be repeated.

    SQLite runs in WAL mode with ``synchronous=FULL``: a move that was committed survives a power cut.

    Raises:
        LocalFault: the file cannot be opened, is no ledger, or lies on a network file system, where WAL does not work.
    """
    engine = _open_sqlite(workspace / LEDGER_FILE) if url == "sqlite" else _open_postgresql(url)
    sa.event.listen(engine, "handle_error", _translate)
    try:
        _migrate(engine)
        if url == "sqlite":
            # The files beside it (-wal, -shm) follow by themselves: SQLite gives them the owner of this one.
            give_to_owner(workspace / LEDGER_FILE)
    except LocalFault:
        engine.dispose()
        raise
    return engine


def open_for_reading(url: str, workspace: Path) -> sa.Engine | None:
    """Return an engine on a ledger that is there; nothing is written, not even a file beside the database.

    None where there is no ledger, or one of another version.

    Raises:
        LocalFault: it cannot be read, or is no ledger.
    """
    if url == "sqlite":
        engine = _open_sqlite_for_reading(workspace / LEDGER_FILE)
    else:
        engine = _open_postgresql(url, connect_timeout=LOOK_TIMEOUT_SECONDS)
    if engine is None:
        return None
    sa.event.listen(engine, "handle_error", _translate)
    try:
        is_current = _is_current(engine)
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
    return sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(location, uri=True), poolclass=sa.pool.NullPool
    )


def _translate(context: sa.engine.ExceptionContext) -> None:
    """Turn the database's errors into ours, here alone; a broken unique key stays, its caller knows what it means."""
    error = context.original_exception
    if context.engine is None or isinstance(context.sqlalchemy_exception, sa.exc.IntegrityError):
        return
    raise LocalFault(
        "use",
        f"ledger {context.engine.url.render_as_string(hide_password=True)}",
        (str(error).splitlines() or [type(error).__name__])[0],
        hint="nothing was changed; free space or permissions, or restore it from a backup: it is never started empty",
    ) from error


def _open_sqlite(path: Path) -> sa.Engine:
    kind = get_file_system(path.parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise LocalFault(
            "open",
            f"ledger {path}",
            f"SQLite's write-ahead log does not work on {kind}",
            hint="put the workspace on a local disk, or set ledger.url to a PostgreSQL database",
        )
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_SECONDS})
    sa.event.listen(engine, "connect", _set_up_connection)
    sa.event.listen(engine, "begin", _begin_at_once)
    return engine


def _set_up_connection(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 would open transactions by its own rules; ours begin when we say so.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_at_once(connection: sa.Connection) -> None:
    # IMMEDIATE takes the write lock first: no transaction of ours fails half-way because another was quicker.
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get("read_only") else "BEGIN IMMEDIATE")


def _open_postgresql(url: str, **arguments: int) -> sa.Engine:
    with_driver = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return sa.create_engine(with_driver, pool_pre_ping=True, connect_args=arguments)


def _is_current(engine: sa.Engine) -> bool:
    """Return whether the schema is the newest."""
    script = ScriptDirectory(str(_MIGRATIONS))
    with engine.connect() as connection:
        known = sa.inspect(connection).has_table("alembic_version")
        at = connection.scalar(sa.text("SELECT version_num FROM alembic_version")) if known else None
    return at == script.get_current_head()


def _migrate(engine: sa.Engine) -> None:
    if _is_current(engine):
        return
    settings = AlembicConfig()
    settings.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")


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


def count_all(connection: sa.Connection, table: sa.Table, column: sa.Column[Any]) -> dict[str, int]:
    """Return how many rows of ``table`` have each value of ``column``."""
    rows = connection.execute(sa.select(column, sa.func.count()).select_from(table).group_by(column))
    return {str(value): int(number) for value, number in rows}
