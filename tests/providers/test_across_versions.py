"""Captured, dumped from the same snapshot, restored on the same and on a later major version."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from support.alltypes import ASKED, KINDS, NO_INPUT, VALUES, every_type, plain_tables
from support.pg import Postgres, drain, started

from drbook.core.baseline import TableCounts
from drbook.core.comparison import compare
from drbook.core.hashes import TEXT
from drbook.core.remarks import TableVerdict
from drbook.providers import pgcapture
from drbook.providers.cancel import CancelToken
from drbook.providers.pgcatalog import Method
from drbook.providers.pgsession import Connection
from drbook.providers.pgtools import PgTools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete

GOOD, UNSURE = TableVerdict.PASS, TableVerdict.COULD_NOT_VERIFY
TABLES = int(os.environ.get("PLAIN_TABLES", "60"))
"""Ordinary ones beside the others; with `PLAIN_TABLES=1000` it takes about two minutes more."""


@dataclass(frozen=True)
class Versions:
    old: Postgres
    new: Postgres


@pytest.fixture(scope="module")
def versions(
    tools: tuple[PgTools, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Versions]:
    """The oldest and the newest server of this machine; twice the same where there is one only."""
    with_server = sorted((one for one in tools if one.has_server), key=lambda one: one.version)
    made = []
    try:
        for each in (with_server[0], with_server[-1]):
            made.append(started(each, tmp_path_factory.mktemp(f"pg{each.major}")))
        yield Versions(*made)
    finally:
        for one in made:
            one.server.stop()


def knows_xml(postgres: Postgres) -> bool:
    with postgres.connect("postgres") as connection:
        try:
            connection.execute("SELECT '<a/>'::xml")
        except psycopg.errors.FeatureNotSupported:
            return False
    return True


def filled(postgres: Postgres, dbname: str, *, xml: bool) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {dbname}".encode())
    with postgres.connect(dbname) as connection:
        connection.execute((every_type(xml=xml) + KINDS + plain_tables(TABLES)).encode())


def counted(postgres: Postgres, dbname: str, dump: Path | None = None) -> TableCounts:
    """With a dump of the very same snapshot."""

    def alongside(connection: Connection, snapshot: str):  # type: ignore[no-untyped-def]
        argv: list[str | Path] = [postgres.tools.path("pg_dump"), "-Fc", f"--snapshot={snapshot}"]
        argv += [f"--dbname={dbname}", f"--host={postgres.server.socket}", "--username=postgres"]
        done = complete([*argv, f"--file={dump}"])
        assert done.exit_code == 0, done.stderr
        yield from ()

    reader = PostgresReader(os.environ, CancelToken())
    ref = postgres.server.ref(dbname)
    return drain(
        reader.count(ref, content=True, ranges=True, alongside=alongside if dump else None)
    )


def restored(postgres: Postgres, dbname: str, dump: Path) -> TableCounts:
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {dbname}".encode())
    argv: list[str | Path] = [postgres.tools.path("pg_restore"), "--exit-on-error"]
    argv += [f"--dbname={dbname}", f"--host={postgres.server.socket}", "--username=postgres", dump]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    return counted(postgres, dbname)


def verdicts(found: TableCounts, held: TableCounts) -> dict[str, tuple[TableVerdict, str]]:
    compared = compare(found, held, None)
    return {row.table: (row.verdict, row.reason) for row in compared.tables}


def test_every_built_in_type_has_a_value_here(versions: Versions) -> None:
    for postgres in (versions.old, versions.new):
        with postgres.connect("postgres") as connection:
            asked = {name for (name,) in connection.execute(ASKED)}
        assert asked - NO_INPUT == VALUES.keys()


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("method", ["chosen", "text"])
def test_the_same_rows_are_equal_on_the_same_and_on_a_later_version(
    versions: Versions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, later: bool
) -> None:
    if method == "text":
        own = pgcapture.methods

        def as_text(connection: Connection, version: int) -> dict[int, Method]:
            return {oid: one._replace(name=TEXT) for oid, one in own(connection, version).items()}

        monkeypatch.setattr(pgcapture, "methods", as_text)
    name = f"types_{method}_{later}".lower()
    goal = versions.new if later else versions.old
    filled(versions.old, name, xml=knows_xml(goal))
    held = counted(versions.old, name, tmp_path / "dump")
    assert len(held.tables) > len(VALUES) + TABLES
    assert all(one.content or one.kind == "large objects" for one in held.tables)
    found = verdicts(restored(goal, f"{name}_again", tmp_path / "dump"), held)
    assert {table: said for table, said in found.items() if said != (GOOD, "content")} == {}


def test_hashes_that_two_versions_compute_otherwise_are_not_compared(
    versions: Versions, tmp_path: Path
) -> None:
    """A row that differs on a later version: where the hashes of that step are not known to agree, the
    difference says nothing; between neighbours it would fail."""
    filled(versions.old, "differing", xml=knows_xml(versions.new))
    held = counted(versions.old, "differing", tmp_path / "dump")
    found = restored(versions.new, "later", tmp_path / "dump")
    with versions.new.connect("later") as connection:
        connection.execute("UPDATE plain_6 SET name = 'other' WHERE id = 1")
    damaged = counted(versions.new, "later")
    verdict, reason = verdicts(damaged, held)["public.plain_6"]
    steps = versions.new.tools.major - versions.old.tools.major
    if steps > 1:
        assert verdict is UNSURE
        assert "known only of neighbouring versions" in reason
    else:
        assert verdict is TableVerdict.FAIL
    neighbour = held.identity.model_copy(
        update={"server_version": (versions.new.tools.major - 1) * 10000}
    )
    near = held.model_copy(update={"identity": neighbour})
    assert verdicts(damaged, near)["public.plain_6"][0] is TableVerdict.FAIL
    assert verdicts(found, near)["public.plain_6"] == (GOOD, "content")
