"""The lease of a merge: the only way to write to a database that is alive, and what can be done with it.

It is given for one proposal, by its digest, on a connection that is proven to be the database whose rows
were reviewed. It hands out no connection: only the statements of `statements`, on tables of the proposal.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity
from drbook.core.errors import DrbookError, Refused, StepFailed
from drbook.core.events import Mode
from drbook.core.mergeguard import REVIEW_AGAIN, allowed, prove_reviewed
from drbook.core.ports import Cancel
from drbook.core.reviewed import Proposal, TableFacts, Triggers
from drbook.core.targets import DatabaseRef
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.merge import statements as made
from drbook.providers.merge.acting import digests
from drbook.providers.merge.describe import Described, Drawn, describe, names_of
from drbook.providers.merge.references import Reference
from drbook.providers.pgsession import Connection
from drbook.providers.pgwriting import writing
from drbook.providers.targets.lease import asked, proven

_TIMELINE = "left(pg_walfile_name(pg_current_wal_lsn()), 8)"
"""That WAL is written to now. The last checkpoint's is the one before it for some time after a promotion."""
_XID = f"SELECT txid_current()::text, {_TIMELINE}"
_STATUS = f"SELECT txid_status(%s::bigint), {_TIMELINE}"
_NAME = re.compile(r"drbook_[a-z]+_[0-9]{1,4}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a merge may wait for a lock, and how long one of its statements may take."""

    lock: timedelta
    statement: timedelta


@contextmanager
def merge_lease(
    proposal: Proposal,
    mode: Mode,
    login: DatabaseRef,
    environment: Mapping[str, str],
    cancel: Cancel,
    now: Identity | None = None,
) -> Iterator["MergeSession"]:
    """A session that may merge this proposal and nothing else; `now` is who production is by its own address.
    Raises Refused where something else answers than was reviewed, NotExercised where the mode lets nobody,
    StepFailed where nobody answers."""
    allowed(mode, proposal)
    if not proposal.true_to_itself:
        raise Refused(
            "The proposal does not say what its artifact's digest names.",
            means="What would be applied is not what was reviewed. Nothing was written.",
            next=REVIEW_AGAIN,
            code="merge-digest",
        )
    stand_in = proposal.what.stand_in
    if stand_in is not None:
        with proven(stand_in, environment, cancel, login) as connection:
            yield MergeSession(connection, proposal, "the stand-in")
        return
    with writing(login, environment, cancel, _gone) as connection:
        yield MergeSession(connection, proposal, "production", now)


def _gone(said: str) -> StepFailed:
    return StepFailed(
        f"Production does not answer: {said}",
        means="Nothing was written to it.",
        next="Check `login`, or production's own address in the runbook, then run the step again.",
        code="no-connection",
    )


class MergeSession:
    """One proposal on one connection, which is proven again at the beginning of every transaction."""

    def __init__(
        self,
        connection: Connection,
        proposal: Proposal,
        whose: str,
        now: Identity | None = None,
    ) -> None:
        self._connection = connection
        self._proposal = proposal
        self._whose = whose
        self._now = now
        row = connection.execute(
            "SELECT coalesce((SELECT reset_val FROM pg_settings WHERE name = 'search_path'), '')"
        ).fetchone()
        self._path = str(row[0]) if row is not None else ""

    @property
    def lost(self) -> bool:
        return bool(self._connection.closed)

    # --- the transaction ------------------------------------------------------------------------

    def begin(self, limits: Limits, triggers: Triggers) -> None:
        """Begin, and prove on this very connection who it is. Raises Refused, psycopg.Error."""
        connection = self._connection
        connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
        found = asked(connection, self._whose)
        prove_reviewed(self._proposal, found, whose=self._whose, now=self._now)
        pgsession.prepare(connection, limits.statement)
        values = {
            "lock_timeout": f"{int(limits.lock.total_seconds() * 1000)}",
            "xmloption": "content",
            "array_nulls": "on",
        }
        if triggers == "skip":
            values["session_replication_role"] = "replica"
        connection.execute(pgsession.settings(values))
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', true)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )

    def rollback(self) -> None:
        """Nothing where nothing is open: behind a commit there is nothing left that could go wrong."""
        idle = self._connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE
        if not (self._connection.closed or idle):
            self._connection.execute("ROLLBACK")

    def commit(self) -> None:
        """Raises psycopg.Error; where the connection is lost with it, nobody knows whether it happened."""
        with self._as_the_login():
            self._connection.execute("COMMIT")

    def xid(self) -> tuple[str, str]:
        """The transaction's number, by which its outcome can be asked later, and the timeline."""
        row = self._connection.execute(_XID).fetchone()
        assert row is not None
        return str(row[0]), str(row[1])

    def broke_off(self, error: psycopg.Error, cancel: Cancel) -> DrbookError:
        return pgsession.broke_off(self._connection, error, cancel, "merged rows")

    # --- what it can do -------------------------------------------------------------------------

    def describe(self, facts: TableFacts) -> Described | None:
        """The proposal's table as it is there now; None where there is none."""
        self._need(facts)
        found = names_of(self._connection, facts.shown)
        if found is None or found[:2] != (facts.schema_, facts.name):
            return None
        return describe(self._connection, *found, facts.key)

    def stage(self, name: str, facts: TableFacts, lines: Iterable[bytes], *, both: bool) -> int:
        """Rows into a temporary table of this session; how many."""
        self._need(facts, name)
        self._connection.execute(made.stage(name, facts, both=both))
        with self._connection.cursor() as cursor:
            with cursor.copy(made.fill(name)) as copy:
                for line in lines:
                    copy.write(line)
            count = cursor.rowcount
        self._connection.execute(made.analyze(name))
        return count

    def present(self, name: str, facts: TableFacts) -> int:
        return self._count(made.present(name, facts), facts, name)

    def drifted(self, name: str, facts: TableFacts) -> int:
        self._count(made.lock(name, facts), facts, name)
        return self._count(made.drifted(name, facts), facts, name)

    def taken(self, name: str, facts: TableFacts, columns: tuple[str, ...]) -> int:
        return self._count(made.taken(name, facts, columns), facts, name)

    def orphans(self, name: str, facts: TableFacts, to: Reference, *, hold: bool) -> int:
        itself = (to.schema, to.table) == (facts.schema_, facts.name)
        if hold:
            self._count(made.hold_parents(name, facts, to), facts, name)
        return self._count(made.orphans(name, facts, to, name if itself else ""), facts, name)

    def insert(self, name: str, facts: TableFacts) -> int:
        self._need(facts, name)
        with self._as_the_login():
            return max(0, self._connection.execute(made.insert(name, facts)).rowcount)

    def update(self, name: str, facts: TableFacts) -> int:
        self._need(facts, name)
        with self._as_the_login():
            return max(0, self._connection.execute(made.update(name, facts)).rowcount)

    def check_constraints(self) -> None:
        """Those that are deferred too, before it is too late to say which. Raises psycopg.Error."""
        with self._as_the_login():
            self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def came_out(self, name: str, facts: TableFacts) -> tuple[int, int, int]:
        """How many staged rows are there, how many of them as they were reviewed, and how many so but for
        what an UPDATE cannot set."""
        self._need(facts, name)
        row = self._connection.execute(made.came_out(name, facts)).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    def written(self, name: str, facts: TableFacts, *, both: bool) -> Iterator[bytes]:
        """The rows as they are now, as lines of COPY."""
        self._need(facts, name)
        with (
            self._connection.cursor() as cursor,
            cursor.copy(made.written(name, facts, both=both)) as copy,
        ):
            for data in copy:
                yield bytes(data)

    def fingerprints(self, name: str, facts: TableFacts) -> Iterator[bytes]:
        """A hash of each staged row as it is now, in the order of the key."""
        self._need(facts, name)
        with (
            self._connection.cursor() as cursor,
            cursor.copy(made.fingerprints(name, facts)) as copy,
        ):
            for data in copy:
                yield bytes(data)

    def acting(self, facts: TableFacts) -> Mapping[str, str]:
        """What acts on a write to the table, as digests by kind."""
        self._need(facts)
        name = sql.Identifier(facts.schema_, facts.name).as_string(self._connection)
        return digests(self._connection, name)

    def along(self, name: str, facts: TableFacts, by: Reference) -> int:
        """Rows to put back that rows of another table would follow."""
        query = made.along(name, facts, by)
        return 0 if query is None else self._count(query, facts, name)

    def reached(self, name: str, facts: TableFacts, drawn: Drawn) -> int | None:
        self._need(facts, name)
        row = self._connection.execute(made.reached(name, facts, drawn)).fetchone()
        return None if row is None else row[0]

    def last_drawn(self, drawn: Drawn) -> int | None:
        row = self._connection.execute(made.last_drawn(drawn)).fetchone()
        return None if row is None else row[0]

    def draw(self, drawn: Drawn, steps: int) -> None:
        self._connection.execute(made.draw(drawn, steps))

    # --- inside ---------------------------------------------------------------------------------

    def _count(self, query: sql.Composed, facts: TableFacts, name: str) -> int:
        self._need(facts, name)
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def _need(self, facts: TableFacts, name: str = "drbook_x_0") -> None:
        """Raises Refused for a table that is not the proposal's, as for a name that is none of ours."""
        known = any(facts == one.table for one in self._proposal.what.tables)
        if known and _NAME.fullmatch(name):
            return
        raise Refused(
            f"This lease is not for {plain(facts.shown, 130)}.",
            means="It was given for the tables of one proposal. Nothing was written.",
            next=REVIEW_AGAIN,
            code="merge-table",
        )

    @contextmanager
    def _as_the_login(self) -> Iterator[None]:
        """Production's own triggers find what they look for where the login looks."""
        setting = "SELECT pg_catalog.set_config('search_path', %s, true)"
        self._connection.execute(setting, (self._path,))
        yield
        if self._connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS:
            self._connection.execute(setting, ("pg_catalog",))


def status(connection: Connection, xid: str, timeline: str) -> str:
    """What became of a transaction: `committed`, `aborted`, `in progress`, or empty where nobody can tell:
    the server went on from another copy since, or it was too long ago. Raises psycopg.Error."""
    row = connection.execute(_STATUS, (xid,)).fetchone()
    if row is None or row[1] != timeline:
        return ""
    return str(row[0] or "")
