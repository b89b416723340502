"""The COPY that runs now, as the server itself tells of it while an archive is loaded.

A connection of its own looks on, with the very login that loads: whatever the archive's code could learn
from it or do to it, it could do without it. Nothing depends on it: where it cannot look, or not any more,
it says nothing, and the load goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from drbook.core.errors import DrbookError
from drbook.core.targets import Target
from drbook.providers.pgsession import Connection
from drbook.providers.targets.sessions import connected

EVERY = 1.0
"""Seconds between two looks, at least."""

_LOOK = """
SELECT s.size, n.nspname || '.' || c.relname, p.tuples_processed
  FROM (SELECT pg_catalog.pg_database_size(pg_catalog.current_database()) AS size) s
  LEFT JOIN pg_catalog.pg_stat_progress_copy p
    ON p.datname = pg_catalog.current_database() AND p.command = 'COPY FROM'
  LEFT JOIN pg_catalog.pg_class c ON c.oid = p.relid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 LIMIT 1
"""
_LOOK_BEFORE_14 = """
SELECT pg_catalog.pg_database_size(pg_catalog.current_database()), NULL, NULL
"""


@dataclass(frozen=True, slots=True)
class Copying:
    """What one look showed."""

    written: int
    """Bytes by which the database has grown since the first look, indexes included."""
    table: str = ""
    """`schema.name`; empty where no COPY runs."""
    rows: int = 0
    """Rows of it that are in."""


Look = Callable[[], Copying | None]
"""The last look; None where there was none yet."""


class _Watch:
    """Looks on in a thread of its own, so that a server that is slow to answer holds nothing up."""

    def __init__(self, connection: Connection) -> None:
        self.last: Copying | None = None
        self._connection = connection
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch-copy", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        recent = self._connection.info.server_version >= 140000
        query = _LOOK if recent else _LOOK_BEFORE_14
        first: int | None = None
        try:
            with self._connection as connection:
                wait = 0.0
                while not self._over.wait(wait):
                    begun = time.monotonic()
                    row = connection.execute(query).fetchone()
                    wait = max(EVERY, 10 * (time.monotonic() - begun))  # of very many files
                    if row is None:
                        continue
                    size, table, rows = row
                    first = size if first is None else first
                    self.last = Copying(max(0, size - first), table or "", rows or 0)
        except psycopg.Error:
            return

    def close(self) -> None:
        self._over.set()
        self._thread.join(EVERY)


@contextmanager
def looking_on(target: Target, environment: Mapping[str, str]) -> Iterator[Look]:
    """Begun before the archive has its say; over when its load is."""
    try:
        connection = connected(target.loader or target.connect, environment)
    except (psycopg.Error, DrbookError):
        yield lambda: None
        return
    watch = _Watch(connection)
    try:
        yield lambda: watch.last
    finally:
        watch.close()
