"""A small business in PostgreSQL, and running work to its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from drbook.core.signals import Signal, Working, finish
from drbook.core.targets import DatabaseRef
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete
from support.pattern import create

T = TypeVar("T")

SCHEMA = r"""
CREATE TABLE customers (id int PRIMARY KEY, name text, created_at timestamptz NOT NULL);
CREATE TABLE bookings (id int PRIMARY KEY, customer int REFERENCES customers, note json,
                       created_at timestamp NOT NULL);
CREATE TABLE nothing_yet (id int PRIMARY KEY);
CREATE TABLE events (id int, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE "od.d ""name"" %s" (id int);
INSERT INTO customers SELECT n, 'customer ' || n, '2026-11-01Z'::timestamptz + n * interval '1 min'
  FROM generate_series(1, 500) n;
INSERT INTO bookings SELECT n, n % 500 + 1, '{}', '2026-11-02'::timestamp + n * interval '1 s'
  FROM generate_series(1, 3000) n;
INSERT INTO events SELECT n, '2026-03-01' FROM generate_series(1, 7) n;
INSERT INTO "od.d ""name"" %s" VALUES (1);
CREATE FUNCTION shout() RETURNS text LANGUAGE sql AS $$ SELECT E'\\! touch /nowhere' $$;
"""
ROLES = """
CREATE ROLE reader LOGIN PASSWORD 'reader-secret';
CREATE ROLE "Odd Role";
GRANT pg_read_all_data TO reader;
"""
COUNTS = {
    "public.bookings": 3000,
    "public.customers": 500,
    "public.events": 7,
    "public.nothing_yet": 0,
    'public.od.d "name" %s': 1,
}


drain = finish
"""Run work to its end: its result."""


def signals_of(work: Working[T]) -> tuple[T, list[Signal]]:
    """Run work to its end: its result and everything it said."""
    said: list[Signal] = []
    while True:
        try:
            said.append(next(work))
        except StopIteration as end:
            return end.value, said


@dataclass
class Postgres:
    """A running cluster and its database `rental`."""

    server: ClusterServer
    tools: PgTools

    @property
    def ref(self) -> DatabaseRef:
        return self.server.ref("rental")

    def connect(self, dbname: str = "rental", user: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.server.socket), user=user, dbname=dbname, autocommit=True
        )

    def dump(self, path: Path, *options: str) -> Path:
        argv: list[str | Path] = [self.tools.path("pg_dump"), *options, "--dbname=rental"]
        argv += [f"--host={self.server.socket}", "--username=postgres", f"--file={path}"]
        done = complete(argv)
        assert done.exit_code == 0, done.stderr
        return path


def started(tools: PgTools, folder: Path, **settings: str) -> Postgres:
    """A running server of exactly these programs, in a folder below; whoever asks for it stops it."""
    if server_user() == "nobody":
        for part in (folder, *folder.parents[:2]):
            part.chmod(0o711)
    server = ClusterServer(tools, folder / "server", name=f"v{tools.major}")
    server.make_folder()
    create(server)
    drain(server.start({"fsync": "off", **settings}))
    return Postgres(server, tools)


def text_of(query: str | bytes | sql.Composable, connection: psycopg.Connection[Any]) -> str:
    """A statement as the server gets it, in whatever form it was given."""
    if isinstance(query, bytes):
        return query.decode()
    return query if isinstance(query, str) else query.as_string(connection)
