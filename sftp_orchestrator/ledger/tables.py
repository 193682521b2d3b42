"""The ledger's tables. Migrations in ``migrations/`` replayed give exactly these; a test holds it."""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

from sftp_orchestrator.ledger.states import PartState, SourceState

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


MAX_SCHEDULE_CHARACTERS = 100


class UtcDateTime(sa.types.TypeDecorator[datetime.datetime]):
    """A moment in UTC: aware in Python, stored without a zone, so that both databases read the same."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: sa.Dialect) -> Any:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """Take an aware moment to UTC."""
        return None if value is None else value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime.datetime | None:  # noqa: ANN401, ARG002 - SQLAlchemy's signature
        """Return an aware moment in UTC."""
        return None if value is None else value.replace(tzinfo=datetime.UTC)


class Unsigned64(sa.types.TypeDecorator[int]):
    """A number of 64 bits without a sign, as an inode may have; the databases have only signed ones to store it in."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Take the upper half of the numbers to the negative ones, as two's complement does."""
        return value - 2**64 if value is not None and value >= 2**63 else value

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> int | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Return the number without a sign."""
        return None if value is None else value % 2**64


def _one_of(column: str, states: type[SourceState | PartState]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{state.value}'" for state in states)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


# SQLite numbers rows by itself only in a column declared INTEGER, PostgreSQL wants BIGINT for the same.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

ROWS_LEFT_OUT = sa.text("(refused_rows > 0 OR duplicate_rows > 0)")
"""Of a source not all rows are sent. A query finds the index on it by these very words."""

UNFINISHED = sa.text("(finished_at IS NULL)")
"""Of a run that is under way, or was cut short. As above."""

DELIVERED_AT_IS_KNOWN = sa.text("(delivered_at IS NOT NULL)")
"""Of a delivered part."""

OUTCOME = sa.text("(part IS NULL AND \"after\" IN ('delivered', 'quarantined', 'held'))")
"""A move by which a source comes to its end, or stands aside. As above."""

CLAIM = sa.Table(
    "claim",
    METADATA,
    sa.Column("source_id", sa.String(20), primary_key=True),
    sa.Column("feed", sa.String(40), nullable=False),
    sa.Column("type", sa.String(10), nullable=False),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("relative_path", sa.LargeBinary, nullable=False),
    sa.Column("device", Unsigned64, nullable=False),
    sa.Column("inode", Unsigned64, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("marker", sa.String(60)),
    comment="the intent to claim a file: written before the rename, gone when the source's row is there",
)

SOURCE = sa.Table(
    "source",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(20), nullable=False, unique=True),
    sa.Column("feed", sa.String(40), nullable=False),
    sa.Column("type", sa.String(10), nullable=False),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("relative_path", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("claimed_at", UtcDateTime, nullable=False),
    sa.Column("changed_at", UtcDateTime, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("mtime_ns", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), index=True),
    sa.Column("records", sa.BigInteger),
    sa.Column("refused_rows", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("duplicate_rows", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("is_rewritten", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("header_bytes", sa.LargeBinary),
    sa.Column("plan_key", sa.String(64)),
    sa.Column("earliest_ts", sa.BigInteger),
    sa.Column("sendings", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_at", UtcDateTime),
    sa.Column("wanted_at", UtcDateTime),
    sa.Column("released", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("lacks_configuration", sa.Boolean, nullable=False, server_default=sa.false()),
    _one_of("state", SourceState),
    # Nearly all sources are archived: who asks for the last of them must not sort them all.
    sa.Index("ix_source_state_changed_at", "state", "changed_at"),
    sa.Index("ix_source_relative_path", "relative_path"),
    sa.Index("ix_source_feed_destination_claimed_at", "feed", "destination", "claimed_at"),
    # Few sources have such rows: to find them must not mean to read all of them, nor to sum them to read any.
    sa.Index(
        "ix_source_rows_left_out",
        *("changed_at", "feed", "state", "refused_rows", "duplicate_rows"),
        sqlite_where=ROWS_LEFT_OUT,
        postgresql_where=ROWS_LEFT_OUT,
    ),
    sqlite_autoincrement=True,
)

PART = sa.Table(
    "part",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("source.id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("of", sa.Integer, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("start", sa.BigInteger, nullable=False),
    sa.Column("end", sa.BigInteger, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("data_name", sa.String(200), nullable=False, unique=True),
    sa.Column("manifest_name", sa.String(200), nullable=False, unique=True),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.Column("size", sa.BigInteger),
    sa.Column("delivered_at", UtcDateTime),
    _one_of("state", PartState),
    sa.Index("ix_part_state_source_id", "state", "source_id"),
    # What was delivered in the last hours is summed by it alone.
    sa.Index(
        "ix_part_delivered_at_size",
        *("delivered_at", "size"),
        sqlite_where=DELIVERED_AT_IS_KNOWN,
        postgresql_where=DELIVERED_AT_IS_KNOWN,
    ),
)

LEFTOVER = sa.Table(
    "leftover",
    METADATA,
    sa.Column("data_name", sa.String(200), primary_key=True),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("source_id", sa.ForeignKey("source.id"), nullable=False),
    comment="data that may lie at a receiver and belongs to no part any more: to be removed there",
)

PAUSE = sa.Table(
    "pause",
    METADATA,
    sa.Column("destination", sa.String(40), primary_key=True),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("refusals", sa.Integer, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("until", UtcDateTime, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("signature", sa.String(64), nullable=False),
    sa.Column("kind", sa.String(12), nullable=False, server_default="other"),
    comment="destinations whose last runs failed as a whole, and until when each is left alone",
)

HISTORY = sa.Table(
    "history",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("source_id", sa.ForeignKey("source.id"), nullable=False, index=True),
    sa.Column("part", sa.Integer),
    sa.Column("before", sa.String(12)),
    sa.Column("after", sa.String(12), nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("by", sa.String(80), nullable=False),
    # With the part, which is none: else SQLite would look at each row to see that.
    sa.Index("ix_history_at_after_part", "at", "after", "part", sqlite_where=OUTCOME, postgresql_where=OUTCOME),
    comment="every move, in order; rows are only ever added",
    sqlite_autoincrement=True,
)

ROWS_GIVEN_UP = sa.Table(
    "rows_given_up",
    METADATA,
    sa.Column("source_id", sa.ForeignKey("source.id"), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    comment="delivered sources whose refused rows a person gave up",
)

RUN = sa.Table(
    "run",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("trigger", sa.String(20), nullable=False),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("verdict", sa.String(20)),
    sa.Column("delivered", sa.Integer),
    sa.Column("not_delivered", sa.Integer),
    sa.Column("destination", sa.String(40)),
    sa.Index("ix_run_unfinished", "started_at", sqlite_where=UNFINISHED, postgresql_where=UNFINISHED),
    sqlite_autoincrement=True,
)

TICK = sa.Table(
    "tick",
    METADATA,
    sa.Column("schedule", sa.String(MAX_SCHEDULE_CHARACTERS), primary_key=True),
    sa.Column("due_at", UtcDateTime, primary_key=True),
    sa.Column("taken_at", UtcDateTime, nullable=False),
    comment="one row a cron tick that was taken; its key is what keeps a tick from being taken twice",
)

RUN_REQUEST = sa.Table(
    "run_request",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("feed", sa.String(40)),
    sa.Column("asked_at", UtcDateTime, nullable=False),
    sa.Column("by", sa.String(80), nullable=False),
    comment="runs that a person asked for and that have not ended yet",
    sqlite_autoincrement=True,
)

MISSING_FILE = sa.Table(
    "missing_file",
    METADATA,
    sa.Column("feed", sa.String(40), primary_key=True),
    sa.Column("due_at", UtcDateTime, primary_key=True),
    sa.Column("noticed_at", UtcDateTime, nullable=False),
    sa.Column("arrived_at", UtcDateTime),
    sa.Column("source_id", sa.String(20)),
    comment="deadlines by which no file of a feed had come; its key is what keeps one from being told of twice",
)

UNTAKEN = sa.Table(
    "untaken",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("relative_path", sa.LargeBinary, nullable=False),
    sa.Column("feed", sa.String(40), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    comment="complete files that the last scan could not claim, the first of them, for people to see",
)

FORGOTTEN = sa.Table(
    "forgotten",
    METADATA,
    sa.Column("feed", sa.String(40), primary_key=True),
    sa.Column("state", sa.String(12), primary_key=True),
    sa.Column("sources", sa.BigInteger, nullable=False),
    sa.Column("refused_rows", sa.BigInteger, nullable=False),
    sa.Column("duplicate_rows", sa.BigInteger, nullable=False),
    comment="sums over sources that are past ledger.keep_days: what is counted never falls",
)

DELIVERED = sa.Table(
    "delivered",
    METADATA,
    sa.Column("feed", sa.String(40), primary_key=True),
    sa.Column("destination", sa.String(40), primary_key=True),
    sa.Column("sources", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("records", sa.BigInteger, nullable=False),
    sa.Column("last_at", UtcDateTime, nullable=False),
    comment="sums over everything that was delivered, forgotten or not: nobody reads all sources to tell them",
)

ALERT = sa.Table(
    "alert",
    METADATA,
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("subject", sa.String(60), primary_key=True),
    sa.Column("level", sa.String(10), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("first_told_at", UtcDateTime),
    sa.Column("told_at", UtcDateTime),
    sa.Column("over_at", UtcDateTime),
    comment="what is worth an alert now, and when it was told: a restart neither repeats nor forgets one",
)

ALERT_MESSAGE = sa.Table(
    "alert_message",
    METADATA,
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("made_at", UtcDateTime, nullable=False),
    sa.Column("is_good", sa.Boolean, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    comment="alerts on their way: one row for each channel that did not take it yet",
    sqlite_autoincrement=True,
)

PROPERTY = sa.Table(
    "property",
    METADATA,
    sa.Column("destination", sa.String(40), primary_key=True),
    sa.Column("kind", sa.String(10), primary_key=True),
    sa.Column("name", sa.String(120), primary_key=True),
    sa.Column("type", sa.String(10), nullable=False),
    sa.Column("date_format", sa.String(40)),
    sa.Column("column", sa.Text, nullable=False),
    sa.Column("source_id", sa.ForeignKey("source.id"), nullable=False),
    sa.Column("since", UtcDateTime, nullable=False),
    sa.Column("accepted_by", sa.String(80)),
    comment="the type that a property has at a destination, by what was delivered first or accepted by a person",
)
