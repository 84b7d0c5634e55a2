"""The tables of the read models. Declarations only: whoever keeps them has the database.

Every row belongs to a build: a rebuild fills a new one beside the old, and readers change over in one step. Compound
values are JSON text, times milliseconds since 1970.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

METADATA: Final = MetaData()

# Grows when a table changes its shape: everything is then made anew from the log.
LAYOUT: Final = 3


def _key(name: str, kind: Any = Text) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _table(name: str, *columns: Any) -> Table:
    return Table(name, METADATA, _key("build", Integer), *columns)


def _text(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default="")


def _number(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _flag(name: str) -> Column[Any]:
    return Column(name, Boolean, nullable=False, server_default="0")


def _moment(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=True)


# --- how far each build of each read model has come ---------------------------------------------------------------

LAYOUTS: Final = Table("read_model_layout", METADATA, _key("layout", Integer))
BUILDS: Final = Table(
    "read_model_builds", METADATA, _key("model"), _key("build", Integer),
    _text("state"), _number("fold"), _number("made_ms"),
)  # fmt: skip
POSITIONS: Final = Table(
    "read_model_positions", METADATA, _key("model"), _key("build", Integer), _key("topic"), _key("partition", Integer),
    _number("next_offset"),
)  # fmt: skip
NOTES: Final = Table(
    "read_model_notes", METADATA, _key("model"), _key("build", Integer), _key("pair_key"), _text("note")
)

# --- the run log: one row per run, and what each run dealt with ---------------------------------------------------

RUNS: Final = _table(
    "runs", _key("started_ms", BigInteger), _key("direction"), _key("owner"),
    _number("processed"), _number("synced"), _number("errors"),
    _number("created"), _number("updated"), _number("deleted"),
    Index("runs_of_owner", "build", "owner", "started_ms"),
)  # fmt: skip
# Few runs have errors: whoever asks for those alone reads no others.
Index(
    "runs_with_errors",
    RUNS.c.build,
    RUNS.c.started_ms,
    sqlite_where=RUNS.c.errors > 0,
    postgresql_where=RUNS.c.errors > 0,
)
RUN_HOURS: Final = _table(
    "run_hours", _key("hour_ms", BigInteger), _number("processed"), _number("synced"), _number("errors")
)
RUN_RECORDS: Final = _table(
    "run_records", _key("partition", Integer), _key("offset", BigInteger), _number("started_ms"), _text("direction"),
    _text("owner"), _number("at_ms"), _text("pair_key"), _text("action"), _text("result"), _text("code"),
    _text("message"),
    Index("run_records_of_run", "build", "started_ms", "direction", "owner", "result", "at_ms"),
    Index("run_records_of_pair", "build", "pair_key"), Index("run_records_by_result", "build", "result", "at_ms"),
)  # fmt: skip

# --- the event timeline -------------------------------------------------------------------------------------------

MOMENTS: Final = _table(
    "moments", _key("partition", Integer), _key("offset", BigInteger), _text("pair_key"), _number("at_ms"),
    _text("moment"), Index("moments_of_pair", "build", "pair_key"),
)  # fmt: skip
DECISIONS: Final = _table(
    "moment_decisions", _key("partition", Integer), _key("offset", BigInteger), _text("pair_key"), _text("decision"),
    Index("moment_decisions_of_pair", "build", "pair_key"),
)  # fmt: skip

# --- the mail ledger ----------------------------------------------------------------------------------------------

MAILINGS: Final = _table(
    "mailings", _key("partition", Integer), _key("offset", BigInteger), _text("pair_key"), _number("at_ms"),
    _text("owner"), _text("reason"), _text("mails"), _text("commands"),
    Index("mailings_by_time", "build", "at_ms"), Index("mailings_of_pair", "build", "pair_key"),
    Index("mailings_of_owner", "build", "owner", "at_ms"),
)  # fmt: skip
# Who was to be mailed, to be found by their address: nobody of a private event.
MAIL_PEOPLE: Final = _table(
    "mail_people", _key("partition", Integer), _key("offset", BigInteger), _key("address"), _text("pair_key"),
    _number("at_ms"), Index("mail_people_by_address", "build", "address", "at_ms"),
    Index("mail_people_of_pair", "build", "pair_key"),
)  # fmt: skip
MAIL_ANSWERS: Final = _table("mail_answers", _key("command_id"), _key("result"), _text("action"), _number("at_ms"))

# --- the conflict shelf -------------------------------------------------------------------------------------------

LOST_VALUES: Final = _table(
    "lost_values", _key("partition", Integer), _key("offset", BigInteger), _key("field"), _text("pair_key"),
    _number("at_ms"), _text("owner"), _text("side"), _text("lost"), _text("won"), _flag("is_private"),
    Index("lost_values_by_time", "build", "at_ms"), Index("lost_values_of_pair", "build", "pair_key"),
    Index("lost_values_of_owner", "build", "owner", "at_ms"),
)  # fmt: skip
LOST_ASKED: Final = _table(
    "lost_asked", _key("partition", Integer), _key("offset", BigInteger), _number("at_ms"), _text("by")
)

# --- held writes --------------------------------------------------------------------------------------------------

HELD_WRITES: Final = _table(
    "held_writes", _key("pair_key"), _text("kind"), _text("digest"), _number("since_ms"), _text("side"),
    _text("action"), _text("fields"), _text("mails"), _number("outside"), _number("partition"), _number("offset"),
    _flag("is_private"),
)  # fmt: skip

# --- freshness: every pair, and every write under way or answered -------------------------------------------------

PAIRS: Final = _table(
    "pairs", _key("pair_key"), _text("owner"), _text("event"), _text("status"), _text("reason"),
    _flag("is_private"), _moment("graph_ms"), _moment("salesforce_ms"), _moment("told_ms"),
    _moment("decided_offset"), Index("pairs_of_owner", "build", "owner"), Index("pairs_by_status", "build", "status"),
)  # fmt: skip
WRITES: Final = _table(
    "writes", _key("command_id"), _text("pair_key"), _moment("decided_ms"), _moment("answered_ms"), _text("side"),
    _text("result"), Index("writes_of_pair", "build", "pair_key"),
)  # fmt: skip
# The last time that somebody asked for another try of a pair; those asked for together have one moment.
RETRIES: Final = _table(
    "retries", _key("pair_key"), _number("partition"), _number("offset"), _number("at_ms"), _text("by"),
    Index("retries_by_time", "build", "at_ms", "by"),
)  # fmt: skip
