"""Two databases of one server: one as it was restored, and one that lives on."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drbook.core.events import Mode
from drbook.core.merged import Outcome
from drbook.core.reviewed import MergeWish, Proposal, ProposalWish, Review
from drbook.core.signals import Signal
from drbook.core.targets import DatabaseRef, Target
from drbook.providers.cancel import CancelToken
from drbook.providers.merge.door import MergeDoor
from drbook.providers.pgtools import find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from support.pg import Postgres, drain, signals_of

BOTH = """
CREATE TABLE guests (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mail text UNIQUE);
CREATE TABLE bookings (
  id serial PRIMARY KEY, guest bigint REFERENCES guests, note text, price numeric(10,2), rate double precision,
  at timestamptz, tags text[], extra json, raw bytea, during tstzrange, paid boolean, code char(4),
  twice numeric GENERATED ALWAYS AS (price * 2) STORED);
INSERT INTO guests (mail) SELECT 'guest' || n || '@example' FROM generate_series(1, 20) n;
INSERT INTO bookings (guest, note, price, rate, at, tags, extra, raw, during, paid, code)
  SELECT n % 20 + 1, E'tab\\t line\\n back\\\\ \\\\N ' || n, n / 7.0, 1.0 / n, '2026-11-01Z'::timestamptz + n * interval '1 s',
         ARRAY['a', NULL, 'x,"y"'], '{"b": 1,  "a": [1.0]}', decode('00ff5c', 'hex'),
         tstzrange('2026-01-01Z', NULL), n % 2 = 0, 'ab'
    FROM generate_series(1, 60) n;
UPDATE bookings SET price = 'NaN', rate = '-Infinity', note = '', tags = '{}' WHERE id = 7;
UPDATE bookings SET note = NULL, price = NULL, at = 'infinity', extra = NULL, raw = NULL WHERE id = 8;
"""


@dataclass
class Pair:
    """`restored` and `living`, and the doors between them."""

    postgres: Postgres
    folder: Path
    names: Mapping[str, str]
    cancel: CancelToken = field(default_factory=CancelToken)
    mode: Mode = Mode.LIVE

    def ref(self, side: str) -> DatabaseRef:
        return self.postgres.server.ref(self.names[side])

    def sql(self, side: str, text: str) -> list[tuple[Any, ...]]:
        with self.postgres.connect(self.names[side]) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    def both(self, text: str) -> None:
        for side in ("restored", "living"):
            self.sql(side, text)

    def held(self, table: str = "bookings", side: str = "living") -> tuple[int, str]:
        """How many rows there are, and the hash of them all."""
        ((count, digest),) = self.sql(
            side,
            f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM {table} t",
        )
        return count, digest

    @property
    def target(self) -> Target:
        return self._target("restored")

    def _target(self, side: str) -> Target:
        identity = PostgresReader(os.environ, self.cancel).probe(self.ref(side)).identity
        assert identity is not None
        return Target(
            kind="cluster", name="restore-1", nonce="n", location="/nowhere", connect=self.ref(side),
            identity=identity, proof="made here", whole_server=True,
        )  # fmt: skip

    def door(self, mode: Mode | None = None, production: DatabaseRef | None = None) -> MergeDoor:
        return MergeDoor(
            mode or self.mode,
            production or self.ref("living"),
            self.folder,
            os.environ,
            self.cancel,
            find_tools,
            {},
        )

    def propose(self, *tables: str, **more: Any) -> Proposal:
        wish = ProposalWish(tables or ("bookings",), **more)
        return self.review(wish).proposal

    def review(self, wish: ProposalWish) -> Review:
        return drain(
            self.door().propose(self.target, self.ref("restored"), self.ref("living"), wish)
        )

    def wish(self, **more: Any) -> MergeWish:
        return MergeWish(more.pop("login", self.ref("living")), **more)

    def rehearse(self, proposal: Proposal, **more: Any) -> Outcome:
        return drain(self.door().rehearse(proposal, self.wish(**more)))

    def apply(
        self,
        proposal: Proposal,
        rehearsed: Outcome | None = None,
        name: str = "apply-1",
        **more: Any,
    ) -> tuple[Outcome, list[Signal]]:
        return signals_of(self.door().apply(proposal, self.wish(**more), name, rehearsed))

    def undo(self, name: str = "apply-1") -> str:
        """Run the script of a merge with psql; what it printed."""
        script = self.folder / self.door().undo(name)
        argv = [
            self.postgres.tools.path("psql"), "-X", "-A", "-t", "-f", script, "-d", self.names["living"],
            "-h", self.postgres.server.socket, "-U", "postgres",
        ]  # fmt: skip
        done = complete([str(one) for one in argv])
        assert done.exit_code == 0, done.stderr
        return done.stdout


SIDES = ("restored", "living")


@contextmanager
def databases(postgres: Postgres) -> Iterator[Mapping[str, str]]:
    """Two empty ones, dropped at the end: each side and its name."""
    names = {side: f"merge_{side}" for side in SIDES}
    with postgres.connect("postgres") as connection:
        for name in names.values():
            connection.execute(f"CREATE DATABASE {name}".encode())
        yield names
        for name in names.values():
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def pair(postgres: Postgres, names: Mapping[str, str], folder: Path) -> Pair:
    """Both made alike; nothing is left in them of a test before."""
    (folder / "incident").mkdir()
    made = Pair(postgres, folder / "incident", names)
    for side, name in names.items():
        rows = made.sql(
            side,
            "SELECT quote_ident(nspname) FROM pg_namespace"
            " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'",
        )
        drops = "".join(f"DROP SCHEMA {row[0]} CASCADE;" for row in rows)
        made.sql(
            side,
            f"{drops} CREATE SCHEMA public; ALTER DATABASE {name} RESET search_path;"
            f"COMMENT ON DATABASE {name} IS NULL; {BOTH}",
        )
    return made
