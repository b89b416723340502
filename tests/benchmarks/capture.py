"""Counting with drbook against the same queries by hand, on the same number of connections.

    python tests/benchmarks/capture.py                      # 20 tables of 200,000 rows
    python tests/benchmarks/capture.py --rows 1000000 --jobs 2
    python tests/benchmarks/capture.py --tables 10000 --rows 10

By hand means what somebody writes who knows PostgreSQL: sessions in one exported snapshot, one query per
table, the largest first. Both are timed from before the first connection to the last figure, in turn,
and the fastest of each is compared: what slows a machine down never makes anything faster.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.pg import Postgres, drain

from drbook.core.capture import Pace
from drbook.providers.cancel import CancelToken
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import find_tools
from drbook.providers.postgres import PostgresReader

ALLOWED = {False: 1.1, True: 1.3}
"""The ratios that must hold: for counts alone, and for counts with hashes."""

_LIST = """
SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
 ORDER BY relpages DESC
"""
_COUNT = "SELECT count(*), max(created_at) FROM {} t"
_HASH = "SELECT count(*), max(created_at), sum(hash_record_extended(t, 0)) FROM {} t"


@contextmanager
def server(tables: int, rows: int) -> Iterator[Postgres]:
    """A cluster with so many tables of so many rows, vacuumed."""
    chosen = next(one for one in find_tools() if one.origin == "extra")
    with tempfile.TemporaryDirectory(prefix="drbook-bench-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        made = ClusterServer(chosen, Path(folder) / "server", name="bench")
        made.make_folder()
        drain(made.create())
        # By hand all locks are held to the end, which a server of default settings has no room for.
        settings = {"max_locks_per_transaction": "1024", "max_wal_size": "4GB"}
        drain(made.start({"fsync": "off", "autovacuum": "off", **settings}))
        try:
            postgres = Postgres(made, chosen)
            with postgres.connect("postgres") as connection:
                connection.execute("CREATE DATABASE rental")
            with postgres.connect() as connection:
                for number in range(tables):
                    connection.execute(_table(number, rows).encode())
                connection.execute("VACUUM ANALYZE")
            yield postgres
        finally:
            made.stop()


def _table(number: int, rows: int) -> str:
    return (
        f"CREATE TABLE t{number} (id int PRIMARY KEY, customer int, name text, paid numeric(10,2),"
        f" created_at timestamptz NOT NULL); INSERT INTO t{number} SELECT n, n % 997, 'customer ' || n,"
        f" n % 100000 / 100.0, now() - n * interval '1 s' FROM generate_series(1, {rows}) n"
    )


def by_hand(postgres: Postgres, jobs: int, content: bool) -> dict[str, int]:
    """An expert's script."""
    text = _HASH if content else _COUNT
    found: dict[str, int] = {}

    def session(snapshot: str | None) -> psycopg.Connection:
        connection = postgres.connect()
        connection.autocommit = False
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        if snapshot:
            connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())
        connection.execute("SET LOCAL enable_indexonlyscan = off")
        return connection

    def work(connection: psycopg.Connection) -> None:
        while todo:
            try:
                name = todo.popleft()
            except IndexError:
                return
            row = connection.execute(text.format(name).encode()).fetchone()
            assert row is not None
            found[name] = row[0]

    def follow() -> None:
        with session(snapshot) as connection:
            work(connection)

    with session(None) as leader:
        row = leader.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        snapshot = row[0]
        todo = deque(name for (name,) in leader.execute(_LIST.encode()))
        threads = [threading.Thread(target=follow) for _ in range(jobs - 1)]
        for thread in threads:
            thread.start()
        work(leader)
        for thread in threads:
            thread.join()
    return found


def by_drbook(postgres: Postgres, jobs: int, content: bool) -> dict[str, int]:
    reader = PostgresReader(os.environ, CancelToken())
    counts = drain(
        reader.count(postgres.ref, content=content, ranges=content, pace=Pace(jobs=jobs))
    )  # as a capture does
    return {row.table.removeprefix("public."): row.rows or 0 for row in counts.tables}


def measure(postgres: Postgres, jobs: int, content: bool, rounds: int) -> tuple[float, float]:
    """Seconds by hand and with drbook: the fastest of each, which took turns."""
    best = {"hand": float("inf"), "drbook": float("inf")}
    for number in range(rounds):
        ways = [("hand", by_hand), ("drbook", by_drbook)]
        figures = []
        for name, way in ways if number % 2 == 0 else reversed(ways):
            begun = time.perf_counter()
            figures.append(way(postgres, jobs, content))
            best[name] = min(best[name], time.perf_counter() - begun)
        assert figures[0] == figures[1]
    return best["hand"], best["drbook"]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=20)
    parser.add_argument("--rows", type=int, default=200_000, help="in each table")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    print(f"{asked.tables} tables of {asked.rows:,} rows, fastest of {asked.rounds}", flush=True)
    well = True
    with server(asked.tables, asked.rows) as postgres:
        measure(postgres, 2, True, 1)  # everything once, so that caches are warm
        print("connections  what            by hand    drbook   ratio  allowed", flush=True)
        for jobs in asked.jobs:
            for content in (False, True):
                hand, own = measure(postgres, jobs, content, asked.rounds)
                what = "counts, hashes" if content else "counts"
                print(
                    f"{jobs:>11}  {what:<14} {hand:>7.2f} s {own:>7.2f} s {own / hand:>7.2f}"
                    f" {ALLOWED[content]:>8}",
                    flush=True,
                )
                well = well and own / hand <= ALLOWED[content]
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
