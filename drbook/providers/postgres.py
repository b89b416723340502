"""Reading PostgreSQL for the steps: `core.ports.Databases`, every method in a guarded session."""

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Literal

import psycopg

from drbook.core.baseline import TableCounts
from drbook.core.capture import Pace
from drbook.core.difference import Difference, Wish
from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.ranges import Ranges
from drbook.core.signals import Working
from drbook.core.structure import Depth
from drbook.core.targets import DatabaseProbe, DatabaseRef, QueryResult
from drbook.core.values import Json, plain, show_duration
from drbook.providers import pgsession
from drbook.providers.hiding import MARGIN, scrub
from drbook.providers.pgcapture import Alongside, count_all
from drbook.providers.pgcounting import Counting
from drbook.providers.pgidentity import dialled, identity, place_of
from drbook.providers.pgpair import Pairing, in_stretches
from drbook.providers.pgpair import differences as pair_differences
from drbook.providers.pgsession import Connection, broke_off, guarded

SHOWN = 2000
"""Characters of one value of a query that are kept."""

Volume = Literal["present", "missing", "not-declared", "unknown"]


class PostgresReader:
    """`environment` is where references to secrets are looked up."""

    def __init__(
        self, environment: Mapping[str, str], cancel: Cancel, *, refuse_strong: bool = False
    ) -> None:
        self._environment = environment
        self._cancel = cancel
        self._refuse_strong = refuse_strong

    def probe(self, database: DatabaseRef, *, volume: Path | None = None) -> DatabaseProbe:
        """One look. A server that does not answer is an answer; what it means depends on its volume."""
        found = self._probe(database, volume)
        return found.model_copy(
            update={"volume_place": place_of(volume) if volume is not None else None}
        )

    def _probe(self, database: DatabaseRef, volume: Path | None) -> DatabaseProbe:
        there = _look_at(volume)
        try:
            connection = pgsession.connect(database, self._environment)
        except psycopg.OperationalError as error:
            return _not_reached(error, there, volume).model_copy(
                update={"dialled": dialled(error.pgconn)}
            )
        with connection:
            try:
                pgsession.prepare(connection, timedelta(seconds=15))
                who = identity(connection)
            except psycopg.Error as error:
                return DatabaseProbe(
                    state="unknown",
                    reason=f"It answers, but does not say who it is: {pgsession.said(error)}",
                    volume=there,
                    dialled=dialled(connection.pgconn),
                )
            finally:
                if not connection.closed:
                    connection.rollback()
        return DatabaseProbe(
            state="reachable",
            reason=f"PostgreSQL {who.server_version // 10000}, database {plain(who.database, 100)}.",
            identity=who,
            volume=there,
            dialled=who.dialled,
            diagnosis="available",
        )

    def count(
        self,
        database: DatabaseRef,
        *,
        ignore_schemas: Sequence[str] = (),
        content: bool = False,
        structure: Depth = "none",
        pace: Pace | None = None,
        alongside: Alongside | None = None,
        ranges: bool = False,
    ) -> Working[TableCounts]:
        """Exact counts of every table in one snapshot, and with `structure` everything beside the
        rows. Raises CouldNotVerify where it cannot.

        `alongside` is work with that very snapshot, after everything was counted. With `ranges` and
        `content`, the rows of larger tables are also told in stretches.
        """
        what = Counting(
            database,
            self._environment,
            self._cancel,
            ignore_schemas,
            content,
            pace or Pace(),
            self._refuse_strong,
            structure,
            ranges,
        )
        return (yield from count_all(what, alongside))

    def differences(
        self,
        left: DatabaseRef,
        right: DatabaseRef,
        wish: Wish,
        *,
        ignore_schemas: Sequence[str] = (),
    ) -> Working[Difference]:
        """Row by row where they differ. Raises CouldNotVerify where one of them cannot be asked."""
        what = Pairing(
            left,
            right,
            self._environment,
            self._cancel,
            ignore_schemas,
            wish,
            Pace().statement_timeout,
            self._refuse_strong,
        )
        return (yield from pair_differences(what))

    def stretches(
        self,
        database: DatabaseRef,
        wanted: Mapping[str, Ranges],
        *,
        ignore_schemas: Sequence[str] = (),
    ) -> Working[Mapping[str, Ranges]]:
        """These tables in the same stretches. Raises CouldNotVerify where the server goes away."""
        with guarded(
            database,
            self._environment,
            self._cancel,
            timeout=Pace().statement_timeout,
            refuse_strong=self._refuse_strong,
        ) as connection:
            return (yield from in_stretches(connection, wanted, ignore_schemas, self._cancel))

    def query(
        self,
        database: DatabaseRef,
        sql: str,
        params: Mapping[str, Json],
        *,
        limit: int,
        timeout: timedelta,
    ) -> QueryResult:
        """One query behind a cursor; values come as PostgreSQL's own text."""
        text = _whole(sql)
        with guarded(
            database,
            self._environment,
            self._cancel,
            timeout=timeout,
            refuse_strong=self._refuse_strong,
            own_path=True,
        ) as connection:
            try:
                return _behind_cursor(
                    connection, text, params, limit, Deadline(timeout, self._cancel)
                )
            except (psycopg.errors.SyntaxError, psycopg.errors.ReadOnlySqlTransaction) as error:
                raise StepFailed(
                    f"The query was not run: {pgsession.said(error)}",
                    means="Only one reading query is possible here: it runs behind a cursor in a "
                    "read-only transaction. Nothing was changed.",
                    next="Mend the query in the runbook, or do what it was for by hand.",
                    code="sql-refused",
                ) from None
            except (TypeError, UnicodeError) as error:
                # psycopg's own: `%s` without a name, and half a surrogate pair in a value.
                raise StepFailed(
                    f"The query could not be put together: {plain(str(error), 200)}.",
                    means="Nothing was asked.",
                    next="Write each value as `%(name)s`, and give it under `params`.",
                    code="sql",
                ) from None
            except psycopg.ProgrammingError as error:
                raise StepFailed(f"The query failed: {pgsession.said(error)}", code="sql") from None
            except psycopg.Error as error:
                raise broke_off(connection, error, self._cancel, "ran the query") from None


def _whole(sql: str) -> bytes:
    """The query's bytes. Raises StepFailed where the server would be sent less than what was written."""
    try:
        text = sql.encode()
    except UnicodeEncodeError:
        text = b"\0"
    if b"\0" in text:
        raise StepFailed(
            "The query holds a character that PostgreSQL cannot take (NUL, or half a surrogate pair).",
            means="The server would have read the text only up to there. Nothing was asked.",
            next="Take the character out of the query in the runbook.",
            code="sql-refused",
        )
    return text


RESULT = 4 * 1024 * 1024
"""Characters of all values together that a result shows, for it becomes one record."""
_BATCH = 1024 * 1024
"""Characters that are fetched at a time, as far as the rows before tell."""


class Deadline:
    """The statement's time holds for reading and masking its rows too."""

    def __init__(self, timeout: timedelta, cancel: Cancel) -> None:
        self._timeout, self._cancel = timeout, cancel
        self._until = time.monotonic() + timeout.total_seconds()

    def check(self) -> None:
        """Raises StepFailed or Cancelled where no more is to be done."""
        self._cancel.raise_if_requested()
        if time.monotonic() > self._until:
            raise StepFailed(
                f"The rows did not arrive, and were not read, within {show_duration(self._timeout)}.",
                means="Nothing was changed; no row is kept.",
                next="Ask for fewer or shorter rows, or give the step's query a longer `timeout`.",
                code="timeout",
            )


def _behind_cursor(
    connection: Connection,
    sql: bytes,
    params: Mapping[str, Json],
    limit: int,
    deadline: Deadline,
) -> QueryResult:
    # A named cursor is declared through the extended protocol, with and without parameters.
    with connection.cursor(name="drbook") as cursor:
        cursor.execute(sql, dict(params) if params else None)
        columns: tuple[str, ...] = ()
        rows: list[tuple[str | None, ...]] = []
        shown, size = 0, 0
        while True:
            average = max(1, size // max(1, len(rows)))
            wanted = min(limit + 1 - len(rows), max(1, _BATCH // average) if rows else 1)
            cursor.fetchmany(wanted)
            result = cursor.pgresult
            assert result is not None
            columns = tuple(
                plain((result.fname(index) or b"").decode("utf-8", "replace"), 200)
                for index in range(result.nfields)
            )
            for row in range(result.ntuples):
                deadline.check()
                values = [result.get_value(row, column) for column in range(result.nfields)]
                texts = tuple(_text(value) for value in values)
                shown += sum(len(text or "") for text in texts)
                size += sum(len(value or b"") for value in values)
                if len(rows) == limit or shown > RESULT:
                    return QueryResult(columns=columns, rows=tuple(rows), truncated=True)
                rows.append(texts)
            if result.ntuples < wanted:
                return QueryResult(columns=columns, rows=tuple(rows))


def _text(value: bytes | None) -> str | None:
    """At most so many characters; of a longer value no more is searched than the mask needs."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    head = text[: SHOWN + MARGIN]
    # Blanks stand for the rest, whose length is said.
    return plain(scrub(head) + " " * (len(text) - len(head)), SHOWN)


def _look_at(volume: Path | None) -> Volume:
    if volume is None:
        return "not-declared"
    try:
        if (volume / "PG_VERSION").is_file():
            return "present"
        (volume / "PG_VERSION").stat()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unknown"
    return "unknown"


def _not_reached(error: psycopg.Error, there: Volume, volume: Path | None) -> DatabaseProbe:
    how = pgsession.how_it_failed(error)
    reason = pgsession.said(error).rstrip(".") + "."
    where = f" Its data directory {plain(str(volume), 200)} is {there}." if volume else ""
    if how == "denied":
        return DatabaseProbe(
            state="denied", reason=f"A server answered and refused: {reason}{where}", volume=there
        )
    if how == "starting":
        return DatabaseProbe(
            state="denied", reason=f"{reason}{where}", volume=there, diagnosis="outage"
        )
    if how == "unknown":
        return DatabaseProbe(state="unknown", reason=f"{reason}{where}", volume=there)
    diagnosis: Literal["loss", "outage", "unknown"] = "unknown"
    if there == "missing":
        diagnosis = "loss"
    elif there == "present":
        diagnosis = "outage"
    return DatabaseProbe(
        state="unreachable", reason=f"{reason}{where}", volume=there, diagnosis=diagnosis
    )
