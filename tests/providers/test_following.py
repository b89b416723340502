"""How far a load is: rows of how many, tables done, which one now; on a real server, and line by line."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.given import given_server
from support.pg import Postgres, drain, signals_of

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Progress, Signal
from drbook.core.targets import LocalCopy
from drbook.providers.archive import Meter
from drbook.providers.archive_check import check_structure
from drbook.providers.cancel import CancelToken
from drbook.providers.process import complete
from drbook.providers.targets import copying
from drbook.providers.targets.copying import Copying
from drbook.providers.targets.following import Passing, Restoring
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget

BIG = 300_000
ALL = BIG + 500 + 7 + 9
_SCHEMA = f"""
CREATE TABLE small (id int PRIMARY KEY);
CREATE TABLE big (id int PRIMARY KEY, said text);
CREATE TABLE nothing_yet (id int);
CREATE TABLE events (id int, at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO small SELECT n FROM generate_series(1, 500) n;
INSERT INTO big SELECT n, repeat(md5(n::text), 8) FROM generate_series(1, {BIG}) n;
INSERT INTO events SELECT n, '2025-03-01' FROM generate_series(1, 7) n;
INSERT INTO events SELECT n, '2026-03-01' FROM generate_series(1, 9) n;
CREATE INDEX ON big (said);
"""
TABLES = 5  # with data entries: an empty one has one too, a partitioned one has none


@pytest.fixture(scope="module")
def uneven(postgres: Postgres) -> Iterator[str]:
    with postgres.connect("postgres") as connection:
        connection.execute("CREATE DATABASE uneven")
    with postgres.connect("uneven") as connection:
        connection.execute(_SCHEMA.encode())
    yield "uneven"
    with postgres.connect("postgres") as connection:
        connection.execute("DROP DATABASE uneven")


def dumped(postgres: Postgres, folder: Path, option: str, *, packed: bool) -> LocalCopy:
    path = folder / "dump"
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), option, "--dbname=uneven"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={path}"]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    held = drain(check_structure(path, (postgres.tools,), CancelToken())).held
    assert held is not None
    return LocalCopy(name=f"{folder.name}/dump", size=1, sha256="", checked="structure", held=held)


def of(label: str, said: list[Signal]) -> list[Progress]:
    return [one for one in said if isinstance(one, Progress) and one.label == label]


def never_back_never_beyond(loads: list[Progress]) -> None:
    done = [one.done for one in loads]
    assert done == sorted(done)
    assert all(one.total is None or one.done <= one.total for one in loads)


@pytest.mark.parametrize(
    ("option", "packed"), [("-Fc", False), ("-Fc", True), ("-Fd", False), ("-Fp", True)]
)
def test_rows_are_counted_to_the_last_one(
    postgres: Postgres,
    uneven: str,
    targets: FreshTargets,
    production: list[ProductionIdentity],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    packed: bool,
) -> None:
    monkeypatch.setattr(copying, "EVERY", 0.02)
    copy = dumped(postgres, tmp_path / "copies", option, packed=packed)
    assert copy.held is not None
    assert copy.held.rows == {
        "public.big": BIG, "public.small": 500, "public.nothing_yet": 0, "public.events": 16,
    }  # fmt: skip
    assert copy.held.partitions == {"public.events_2025": 7, "public.events_2026": 9}
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    _, said = signals_of(targets.load(target, copy))
    loads = of("load", said)
    never_back_never_beyond(loads)
    assert {one.total for one in loads} == {ALL}
    assert {one.unit for one in loads} == {"rows"}
    assert loads[-1].done == ALL
    under_way = [one for one in loads if one.now.startswith("public.big · ")]
    assert any(7 < one.done < BIG for one in under_way), [one.done for one in under_way]
    if option != "-Fp":
        assert {f"of {TABLES} tables done" in one.now for one in loads} == {True}
        assert f"{TABLES} of {TABLES} tables done" in loads[-1].now
        assert any("written" in one.now for one in under_way)
        first, last = of("create", said)[0], of("build", said)[-1]
        assert first.total is not None
        assert "INDEX" in last.now or "CONSTRAINT" in last.now
    else:
        assert "sent" in under_way[-1].now


def test_on_a_given_server_rows_are_counted_on_their_way(
    postgres: Postgres,
    uneven: str,
    targets: FreshTargets,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    copy = dumped(postgres, tmp_path / "copies", "-Fc", packed=False)
    with given_server(postgres.tools, tmp_path_factory.mktemp("given")) as given:
        given.run("CREATE ROLE restorer LOGIN CREATEDB")
        spec = DatabaseTarget(server=given.ref())
        target = drain(targets.create(spec, "restore-1", given.elsewhere()))
        _, said = signals_of(targets.load(target, copy))
    loads = of("load", said)
    never_back_never_beyond(loads)
    assert (loads[-1].done, loads[-1].total, loads[-1].unit) == (ALL, ALL, "rows")
    assert any(one.now.startswith("public.big · ") and one.done < ALL for one in loads)
    assert f"{TABLES} of {TABLES} tables done" in loads[-1].now


def test_a_server_that_cannot_be_watched_loads_all_the_same(
    postgres: Postgres,
    uneven: str,
    targets: FreshTargets,
    production: list[ProductionIdentity],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "_LOOK", "SELECT nothing")
    copy = dumped(postgres, tmp_path / "copies", "-Fc", packed=False)
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    _, said = signals_of(targets.load(target, copy.model_copy(update={"held": None})))
    loads = of("load", said)
    never_back_never_beyond(loads)
    assert {one.unit for one in loads} == {"bytes"}
    assert f"{TABLES} of {TABLES} tables done" in loads[-1].now
    assert any("public.big" in one.now and "read" in one.now for one in loads)


# --- line by line -------------------------------------------------------------------------------

ENTRIES = (
    "1; 1259 1 TABLE public a postgres",
    "2; 0 1 TABLE DATA public a postgres",
    "3; 0 2 TABLE DATA public od.d name postgres",
    "4; 2606 1 CONSTRAINT public a a_pkey postgres",
)
HELD = ArchiveFacts(rows={"public.a": 100, "public.od.d name": 11})


def test_a_look_at_another_table_does_not_count() -> None:
    look = Copying(0, "public.a", 60)
    restoring = Restoring(ENTRIES, HELD, lambda: look)
    assert restoring.tick() == Progress("create", 0, 1, "objects", "")
    restoring('pg_restore: creating TABLE "public.a"')
    assert restoring.tick() == Progress("create", 1, 1, "objects", 'creating TABLE "public.a"')
    restoring('pg_restore: processing data for table "public.a"')
    first = restoring.tick()
    assert first == Progress("load", 60, 111, "rows", "public.a · 0 of 2 tables done · 0 B written")
    restoring('pg_restore: processing data for table "public.od.d name"')
    second = restoring.tick()
    assert isinstance(second, Progress)
    assert (second.done, second.now.split(" · ")[:2]) == (
        100, ["public.od.d name", "1 of 2 tables done"],
    )  # fmt: skip
    last = restoring('pg_restore: creating CONSTRAINT "public.a a_pkey"')
    assert isinstance(last, Progress)
    assert (last.done, last.total) == (111, 111)
    assert restoring.tick() == Progress(
        "build", 1, None, "objects", 'creating CONSTRAINT "public.a a_pkey"'
    )
    assert restoring.ended() is None


def test_more_rows_than_the_archive_holds_are_not_told() -> None:
    looks = [Copying(0, "public.a", 4000), Copying(0, "public.a", 5)]
    restoring = Restoring(ENTRIES, HELD, lambda: looks.pop(0))
    restoring('pg_restore: processing data for table "public.a"')
    told = [restoring.tick(), restoring.tick()]
    assert [one.done for one in told if isinstance(one, Progress)] == [100, 100]


@pytest.mark.parametrize("held", [None, ArchiveFacts(rows={"public.a": 1}, uncounted={"x": "y"})])
def test_without_all_rows_tables_count(held: ArchiveFacts | None) -> None:
    restoring = Restoring(ENTRIES, held)
    restoring('pg_restore: processing data for table "public.a"')
    restoring('pg_restore: processing data for table "public.od.d name"')
    found = restoring.tick()
    assert found == Progress("load", 1, 2, "tables", "public.od.d name · 1 of 2 tables done")
    assert restoring.ended() == Progress("load", 2, 2, "tables", "2 of 2 tables done")


def test_a_table_s_name_is_shown_as_text() -> None:
    restoring = Restoring(ENTRIES, HELD)
    restoring('pg_restore: processing data for table "public.a\x1b[2J"')
    found = restoring.tick()
    assert isinstance(found, Progress)
    assert "\x1b" not in found.now


def test_rows_pass_as_they_are_sent() -> None:
    rows = 10_000
    held = ArchiveFacts(rows={"public.a": rows, "public.b": 1})
    passing = Passing(held, Meter("load", 1), metered=False, tables=2)
    sql = b"COPY public.a (id) FROM stdin;\n" + b"12345\n" * rows + b"\\.\n\n\n"
    told = []
    for _ in passing.pieces([sql[:3000], sql[3000:40_000], sql[40_000:], b"SELECT 1;\n" * 9999]):
        found = passing.tick()
        assert isinstance(found, Progress)
        told.append((found.done, found.total, found.now.split(" · ")[0]))
    assert told[1][2] == "public.a"
    assert 0 < told[1][0] < rows
    assert told[-2][0] <= rows
    assert told[-1] == (rows, rows + 1, "1 of 2 tables done")
