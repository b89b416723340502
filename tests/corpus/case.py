"""What a case is: one backup and one restore, how they were made, and the verdict that is the truth."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drbook.core.assertions import Assertion
from drbook.core.baseline import Manifest, TableCounts
from drbook.core.points import PointFacts, SourceFacts
from drbook.core.remarks import TableVerdict

if TYPE_CHECKING:
    from corpus.world import Restored, World

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY

SHOP = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
  mood mood DEFAULT 'ok', created_at timestamptz NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer bigint NOT NULL REFERENCES customers,
  cents int CHECK (cents >= 0), note text, created_at timestamp NOT NULL);
CREATE INDEX orders_customer ON orders (customer);
CREATE UNIQUE INDEX orders_note ON orders (lower(note));
CREATE TABLE papers (id int PRIMARY KEY, body json, weight float8, grade "char");
CREATE TABLE nothing_yet (id int PRIMARY KEY);
CREATE TABLE events (at date NOT NULL, what text) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW happy AS SELECT id, name FROM customers WHERE mood = 'happy';
CREATE MATERIALIZED VIEW totals AS SELECT customer, sum(cents) AS cents FROM orders GROUP BY 1;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql
  AS $$ BEGIN NEW.note := coalesce(NEW.note, '-'); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT, INSERT ON orders TO app_user;
INSERT INTO customers (name, created_at)
  SELECT 'customer ' || n, '2026-03-01Z'::timestamptz + n * interval '1 min' FROM generate_series(1, 200) n;
INSERT INTO orders (customer, cents, note, created_at)
  SELECT n % 200 + 1, n * 7, 'note ' || n, '2026-03-02'::timestamp + n * interval '1 s'
    FROM generate_series(1, 1000) n;
INSERT INTO papers SELECT n, json_build_object('n', n), n / 3.0::float8, 'a' FROM generate_series(1, 50) n;
INSERT INTO events SELECT '2025-06-01'::date + n, 'e' || n FROM generate_series(1, 400) n;
SELECT lo_from_bytea(4711, '\xdeadbeef');
REFRESH MATERIALIZED VIEW totals;
"""
"""A small business with a little of everything."""


@dataclass(frozen=True)
class Production:
    """A database, and the one backup that is taken of it by `drbook baseline capture --run`'s own code."""

    sql: str = SHOP
    then: str = ""
    """What happens between an older baseline and the backup."""
    meanwhile: str = ""
    """What happens between the reading of the structure and the dump, which has the same snapshot."""
    later: str = ""
    """What happens after the backup, before a younger baseline."""
    options: tuple[str, ...] = ("-Fc",)
    """Of `pg_dump`."""
    made: str = ""
    """Options of CREATE DATABASE."""
    baseline: Literal["", "older", "younger"] = ""
    content: bool = True
    """Whether rows are hashed when it is captured."""
    server: Literal["usual", "other major"] = "usual"


@dataclass(frozen=True)
class Case:
    """One backup and one restore on the product's path."""

    name: str
    expects: TableVerdict
    """The truth. A copy that is found damaged, and a restore that is refused, are FAIL."""
    by: tuple[str, ...] = ()
    """What must have spoken: the checks that failed, or could not say; of a pass, remarks beside it."""
    bad: bool | None = None
    """Whether something is wrong with it; absent: where the verdict is not a pass."""
    of: Production = Production()
    spoil: Callable[[Path], None] | None = None
    """What happens to the copy in the store."""
    signed: bool = False
    """Whether the manifest states the digest of the spoiled bytes: the damage came before the signing."""
    states: Callable[[Manifest, "World"], Manifest | None] = lambda manifest, world: manifest
    """The manifest beside the copy; None for none."""
    knows: Callable[[TableCounts, "World"], TableCounts] = lambda counts, world: counts
    """The baseline's figures."""
    stored: timedelta = timedelta(0)
    """How long after it was dumped the copy seems to have been."""
    target: Literal["database", "cluster", "older database"] = "database"
    more: Mapping[str, object] = field(default_factory=dict)
    """Further fields of the target."""
    harm: "str | Callable[[Restored], None]" = ""
    """What happens between the load and the verification; SQL of a superuser."""
    during: "Callable[[Restored], AbstractContextManager[None]] | None" = None
    """What happens while it is verified."""
    content: bool = True
    pages: bool = False
    """Whether every page is read, as for what came back as files."""
    assertions: tuple[Assertion, ...] = ()
    ignore: tuple[str, ...] = ()
    seen: Callable[[PointFacts], PointFacts] = lambda facts: facts
    """What the store says of the copy."""
    place: Callable[[SourceFacts], SourceFacts] = lambda facts: facts
    """What the store says of itself."""
    require: tuple[str, ...] = ("resource", "account", "credential")
    observed: tuple[str, ...] = ()
    """Criteria for which somebody's word is not enough."""
    needs: Callable[["World"], str] = lambda world: ""
    """Why it cannot be run here; empty where it can."""

    @property
    def wrong(self) -> bool:
        return self.expects is not GOOD if self.bad is None else self.bad


def since(major: int, what: str) -> "Callable[[World], str]":
    """What the usual server has only from this version on."""
    return lambda world: "" if world.usual.major >= major else f"{what} from PostgreSQL {major} on"


def no_manifest(manifest: Manifest, world: "World") -> None:
    return None
