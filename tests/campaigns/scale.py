"""Ten thousand tables, and a statement timeout that hits one of them.

    python tests/campaigns/scale.py                  # 10,000 tables; a few minutes
    python tests/campaigns/scale.py --tables 200

A server of 200 connections holds so many small tables and one that takes long to hash. What the backup
held is counted without a bound, a copy of the database with one. Exit code 1 unless exactly that one
table could not be verified, every other one is equal, and the count had at most its own connections.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.pg import Postgres, drain

from drbook.core.baseline import TableCounts
from drbook.core.capture import Pace
from drbook.core.comparison import Comparison, compare
from drbook.core.remarks import TableVerdict
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
from drbook.providers.postgres import PostgresReader

CONNECTIONS = 200
JOBS = 4
SLOW = "public.slow"
_BATCH = 500
_TABLE = (
    "CREATE TABLE t{n} (id int PRIMARY KEY, name text, created_at timestamptz);"
    "INSERT INTO t{n} SELECT i, 'row ' || i, '2026-01-01Z'::timestamptz + i * interval '1 h'"
    " FROM generate_series(1, {n} % 20) i;"
)
_SLOW = """
CREATE TABLE slow (id int PRIMARY KEY, body text);
INSERT INTO slow VALUES (0, repeat('x', 100000000));
INSERT INTO slow SELECT n, body FROM slow, generate_series(1, {rows}) n;
"""
"""Values that are small on disk and take long to hash: each is a hundred megabytes of one letter."""


@dataclass(frozen=True)
class Outcome:
    comparison: Comparison
    seconds: float
    """Of the bounded count."""
    most_connections: int

    @property
    def holds(self) -> bool:
        unsure = [row for row in self.comparison.tables if row.verdict is not TableVerdict.PASS]
        return (
            [row.table for row in unsure] == [SLOW]
            and unsure[0].verdict is TableVerdict.COULD_NOT_VERIFY
            and "statement timeout" in unsure[0].reason
            and {row.reason for row in self.comparison.tables if row.table != SLOW}
            <= {"content", "empty, as in the backup"}
            and self.most_connections <= JOBS
        )


@contextmanager
def server() -> Iterator[Postgres]:
    chosen = next(one for one in find_tools() if one.origin == "extra")
    with tempfile.TemporaryDirectory(prefix="drbook-scale-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        made = ClusterServer(chosen, Path(folder) / "server", name="scale")
        made.make_folder()
        drain(made.create())
        drain(
            made.start({"fsync": "off", "autovacuum": "off", "max_connections": str(CONNECTIONS)})
        )
        try:
            yield Postgres(made, chosen)
        finally:
            made.stop()


def fill(postgres: Postgres, tables: int, slow_rows: int) -> None:
    """`held`, and its exact copy `copied`."""
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE held")
    with postgres.connect("held") as connection:
        for first in range(0, tables, _BATCH):
            batch = range(first, min(first + _BATCH, tables))
            connection.execute("".join(_TABLE.format(n=n) for n in batch).encode())
        connection.execute(_SLOW.format(rows=slow_rows).encode())
        connection.execute("ANALYZE slow")
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE copied TEMPLATE held STRATEGY file_copy")


class Connections:
    """How many sessions of drbook were there at the same time, as the server says."""

    def __init__(self, postgres: Postgres, dbname: str) -> None:
        self._postgres, self._dbname = postgres, dbname
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.most = 0

    def __enter__(self) -> "Connections":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._postgres.connect("postgres") as connection:
            while not self._stop.wait(0.05):
                row = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND"
                    " application_name = 'drbook'",
                    (self._dbname,),
                ).fetchone()
                assert row is not None
                self.most = max(self.most, row[0])


def count(postgres: Postgres, dbname: str, timeout: timedelta) -> TableCounts:
    reader = PostgresReader(os.environ, CancelToken())
    pace = Pace(jobs=JOBS, statement_timeout=timeout)
    return drain(reader.count(postgres.server.ref(dbname), content=True, pace=pace))


def scale(tables: int, slow_rows: int, timeout: timedelta) -> Outcome:
    with server() as postgres:
        fill(postgres, tables, slow_rows)
        held = count(postgres, "held", timedelta(hours=1))
        with Connections(postgres, "copied") as connections:
            begun = time.monotonic()
            found = count(postgres, "copied", timeout)
            seconds = time.monotonic() - begun
        return Outcome(compare(found, held, None), seconds, connections.most)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--slow-rows", type=int, default=60)
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds for one table")
    given = parser.parse_args()
    outcome = scale(given.tables, given.slow_rows, timedelta(seconds=given.timeout))
    comparison = outcome.comparison
    print(
        f"{len(comparison.tables)} tables in {outcome.seconds:.1f} s over at most "
        f"{outcome.most_connections} connections: {comparison.count(TableVerdict.PASS)} equal, "
        f"{comparison.count(TableVerdict.COULD_NOT_VERIFY)} could not be verified, "
        f"{comparison.count(TableVerdict.FAIL)} differ"
    )
    for row in comparison.tables:
        if row.verdict is not TableVerdict.PASS:
            print(f"  {row.verdict.value}: {row.table}: {row.reason}")
    print("holds" if outcome.holds else "DOES NOT HOLD")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
