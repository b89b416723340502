"""Dumps told apart and read to their end: every form whole, and every form broken."""

import gzip
import io
import lzma
import tarfile
from pathlib import Path

import pytest
import zstandard
from support.pg import COUNTS, Postgres, drain

from drbook.core.points import ByteFact
from drbook.providers import archive_needs, sqltext
from drbook.providers.archive import Unreadable, open_archive
from drbook.providers.archive_check import check_structure
from drbook.providers.archive_needs import Needs, NeedsReader, needs_in
from drbook.providers.archive_read import ArchiveReader
from drbook.providers.cancel import CancelToken
from drbook.providers.pgtools import PgTools, choose, parse_version, show_version
from drbook.providers.sqlnames import roles_in

PACK = {"gz": gzip.compress, "zst": zstandard.compress, "xz": lzma.compress}
FORMS = {"custom": "-Fc", "tar": "-Ft", "plain": "-Fp"}


@pytest.fixture(scope="module")
def dumps(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A dump of each form, and of those that are files, one compressed each way."""
    folder = tmp_path_factory.mktemp("dumps")
    made = {name: postgres.dump(folder / name, option) for name, option in FORMS.items()}
    for name in FORMS:
        data = made[name].read_bytes()
        for suffix, pack in PACK.items():
            packed = folder / f"{name}.{suffix}"
            packed.write_bytes(pack(data))
            made[packed.name] = packed
    made["directory"] = postgres.dump(folder / "directory", "-Fd")
    return made


ALL = [*FORMS, *(f"{name}.{suffix}" for name in FORMS for suffix in PACK)]


def check(path: Path, tools: tuple[PgTools, ...]) -> ByteFact:
    return drain(check_structure(path, tools, CancelToken()))


@pytest.mark.parametrize("name", [*ALL, "directory"])
def test_a_whole_dump_is_structure_and_no_more(
    dumps: dict[str, Path], tools: tuple[PgTools, ...], name: str
) -> None:
    fact = check(dumps[name], tools)
    assert fact.state == "structure"
    assert "content unproven" in fact.reason
    assert fact.held is not None
    assert (fact.held.rows, fact.held.uncounted) == (COUNTS, {})
    assert open_archive(dumps[name]).kind == name.split(".")[0]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_dump_that_is_cut_short_is_damaged(
    dumps: dict[str, Path], tools: tuple[PgTools, ...], tmp_path: Path, name: str, keep: float
) -> None:
    data = dumps[name].read_bytes()
    short = tmp_path / name
    short.write_bytes(data[: int(len(data) * keep)])
    fact = check(short, tools)
    assert fact.state == "damaged", fact
    assert fact.reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html>404 Not Found</html>", "begins with '<!DOCTYPE html>"),
        (b"\x1b[2Jhello", r"\\x1b[2Jhello"),
        (b"SELECT 1;\n", "no pg_dump archive"),
        (b"PGDMP", "cannot read it"),
        (b"PGDMP\x01\x0e\x00\x04\x08\x01" + b"\xff" * 200, "cannot read it"),
        (gzip.compress(b"not a dump", mtime=0), "begins with 'not a dump'"),
        (b"\x1f\x8b\x08\x00garbage", "gzip"),
        (lzma.compress(b"not a dump"), "begins with 'not a dump'"),
        (b"\xfd7zXZ\x00\x00\x04garbage", "broken xz stream"),
        (b"-- PostgreSQL database dump\nSELECT 1;\n", "cut short"),
    ],
)
def test_what_is_no_dump_is_damaged(
    tools: tuple[PgTools, ...], tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "x.dump"
    path.write_bytes(content)
    fact = check(path, tools)
    assert fact.state == "damaged"
    assert said.replace("\\\\", "\\") in fact.reason.replace("\\\\", "\\")


@pytest.mark.parametrize("victim", ["toc.dat", "data"])
def test_a_directory_with_a_missing_file_is_damaged(
    dumps: dict[str, Path], tools: tuple[PgTools, ...], tmp_path: Path, victim: str
) -> None:
    copied = tmp_path / "directory"
    copied.mkdir()
    for each in dumps["directory"].iterdir():
        (copied / each.name).write_bytes(each.read_bytes())
    gone = (
        copied / "toc.dat"
        if victim == "toc.dat"
        else next(each for each in copied.iterdir() if each.name != "toc.dat")
    )
    gone.unlink()
    assert check(copied, tools).state == "damaged"


def test_an_archive_newer_than_every_tool_is_unknown_and_not_damaged(
    dumps: dict[str, Path], tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    data = bytearray(dumps["custom"].read_bytes())
    data[6] = 99  # the archive's minor version
    path = tmp_path / "newer"
    path.write_bytes(data)
    fact = check(path, tools)
    assert fact.state == "unknown"
    assert "unsupported version" in fact.reason


def test_without_any_tool_an_archive_is_unknown(dumps: dict[str, Path]) -> None:
    assert check(dumps["custom"], ()).state == "unknown"
    assert check(dumps["plain"], ()).state == "structure"


def test_a_tar_of_something_else_is_no_dump(tools: tuple[PgTools, ...], tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("readme.txt")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"hi"))
    assert check(path, tools).state == "damaged"


# --- small decisions -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("pg_restore (PostgreSQL) 18.6", 180006),
        ("pg_restore (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 150018),
        ("pg_dump (PostgreSQL) 9.6.24", 90624),
        ("postgres (PostgreSQL) 19beta1", 190000),
        ("bash: not found", None),
    ],
)
def test_versions(text: str, version: int | None) -> None:
    assert parse_version(text) == version


def _tools(*majors: int, server: bool = True, tmp_path: Path) -> list[PgTools]:
    made = []
    for major in majors:
        folder = tmp_path / str(major)
        folder.mkdir()
        if server:
            for name in ("initdb", "postgres"):
                (folder / name).touch()
        made.append(PgTools(folder, major * 10000 + 1, "distribution"))
    return made


@pytest.mark.parametrize(
    ("majors", "wanted", "at_least", "chosen", "noted"),
    [
        ((15, 18), 15, 0, 15, False),
        ((15, 18), 15, 16, 18, True),
        ((15, 17, 18), 16, 0, 17, True),
        ((15, 17), 18, 0, 17, True),
        ((15, 18), None, 0, 18, False),
        ((15, 18), None, 15, 15, False),
    ],
)
def test_the_best_fitting_programs(
    tmp_path: Path,
    majors: tuple[int, ...],
    wanted: int | None,
    at_least: int,
    chosen: int,
    noted: bool,
) -> None:
    tools = _tools(*majors, tmp_path=tmp_path)
    one, note = choose(tools, server=True, major=wanted, at_least=at_least)
    assert one.major == chosen
    assert bool(note) is noted
    assert show_version(one.version) == f"{chosen}.1"


def test_older_programs_never_read_a_newer_archive(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="of version 17 or newer"):
        choose(_tools(15, tmp_path=tmp_path), server=False, at_least=17)


def test_clients_alone_make_no_cluster(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="PostgreSQL server"):
        choose(_tools(18, server=False, tmp_path=tmp_path), server=True)


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("GRANT SELECT ON TABLE a TO app;", {"app"}),
        ('GRANT ALL ON SCHEMA x TO "Odd ""R""", app;', {'Odd "R"', "app"}),
        ("REVOKE ALL ON FUNCTION f() FROM PUBLIC;", set()),
        ('GRANT ALL ON TABLE t TO "PUBLIC";', {"PUBLIC"}),
        ('GRANT ALL ON TABLE t TO CURRENT_USER, "CURRENT_USER";', {"CURRENT_USER"}),
        ("ALTER TABLE a OWNER TO boss;", {"boss"}),
        (
            "ALTER DEFAULT PRIVILEGES FOR ROLE maker GRANT SELECT ON TABLES TO app;",
            {"maker", "app"},
        ),
        ("GRANT SELECT ON a TO pg_monitor;", set()),
        (
            "GRANT SELECT(a, b) ON TABLE t TO app WITH GRANT OPTION GRANTED BY boss;",
            {"app", "boss"},
        ),
        ('GRANT ALL ON TABLE "x TO y", "FROM z" TO "a, b", c;', {"a, b", "c"}),
        ("GRANT ALL ON FUNCTION f(a date DEFAULT extract(day FROM b)) TO app;", {"app"}),
        ("GRANT ALL ON TABLE granted TO app;", {"app"}),
        ("CREATE SCHEMA x AUTHORIZATION boss;", {"boss"}),
        (
            "CREATE POLICY p ON t FOR SELECT TO app, other USING (a IN (SELECT b FROM s.u));",
            {"app", "other"},
        ),
        (
            "CREATE POLICY p ON t USING ((a IS DISTINCT FROM b)) WITH CHECK (x = ANY (ARRAY[1]));",
            set(),
        ),
        ("CREATE POLICY \"p TO q\" ON t AS RESTRICTIVE TO PUBLIC USING ((') TO x' = y));", set()),
        (
            "CREATE USER MAPPING FOR app SERVER s OPTIONS (\"user\" 'a TO b', password 'it''s FROM x');",
            {"app"},
        ),
        ("CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (x ') TO y');", set()),
        ("GRANT a TO b, ;", {"b"}),
    ],
)
def test_roles_that_statements_name(text: str, roles: set[str]) -> None:
    assert roles_in(text) == roles


LOOKS_LIKE = """
--
-- GRANT ALL ON TABLE a TO comment_role;
--
CREATE FUNCTION public.howto() RETURNS text
    LANGUAGE sql
    AS $_$ SELECT '
COPY orders FROM stdin;
GRANT ALL ON TABLE a TO body_role;
CREATE EXTENSION IF NOT EXISTS pg_cron;
CREATE PUBLICATION p FOR ALL TABLES;
' $_$;
CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA "my ""own"" one";
CREATE EXTENSION citext;
COPY public.a (x) FROM stdin;
GRANT ALL ON TABLE a TO row_role;
\\.

-- Name: FUNCTION howto(); Type: ACL
GRANT ALL ON FUNCTION public.howto() TO reporting;
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = 'insert');
CREATE PUBLICATION some;
ALTER PUBLICATION whole ADD TABLES IN SCHEMA public;
"""


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_only_statements_need_something(size: int) -> None:
    reader = NeedsReader()
    data = LOOKS_LIKE.encode()
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    reader.feed(b"", last=True)
    assert reader.needs() == needs_in(LOOKS_LIKE)
    assert needs_in(LOOKS_LIKE) == Needs(
        frozenset({"reporting"}),
        {"hstore": 'my "own" one', "citext": ""},
        frozenset({"everything", "some", "whole"}),
        frozenset({"everything", "whole"}),
    )


def test_the_page_before_loading_and_the_load_read_the_same() -> None:
    reader = ArchiveReader()
    reader.feed(LOOKS_LIKE.encode())
    facts, needs = reader.facts(), needs_in(LOOKS_LIKE)
    assert (set(facts.roles), set(facts.extensions)) == (needs.roles, set(needs.extensions))


def test_more_grants_than_any_dump_has_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_needs, "_MOST", 100)
    with pytest.raises(Unreadable, match="more than any dump does"):
        needs_in("GRANT a TO b;\n" * 10)


def test_a_statement_that_is_never_loaded_is_no_backup(
    tools: tuple[PgTools, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an older whole copy would be passed over for it, again and again."""
    monkeypatch.setattr(sqltext, "MOST", 2**20)
    path = tmp_path / "endless.sql"
    for blanks, state in ((2**19, "structure"), (2**22, "damaged")):
        body = b"SELECT" + b" " * blanks + b"1;\n--\n-- PostgreSQL database dump complete\n--\n"
        path.write_bytes(b"--\n-- PostgreSQL database dump\n--\n\n" + body)
        assert check(path, tools).state == state
    fact = check(path, tools)
    assert fact.reason == "it holds a statement of more than 1 MiB, which is never loaded"
