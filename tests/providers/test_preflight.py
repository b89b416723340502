"""What is looked at before a load, against real servers; and databases made as their backup's was."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from support.pattern import create
from support.pg import Postgres, drain, signals_of

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.errors import CouldNotVerify, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import DIFFERS, OK, STOPS, UNKNOWN, Item, Preflight, stop
from drbook.core.preflightrules import judge_text, settled
from drbook.core.signals import Milestone
from drbook.core.targets import DatabaseRef, LocalCopy, TargetSpec
from drbook.core.textsettings import usual
from drbook.providers import pgsession
from drbook.providers.archive_check import check_structure, read_needs
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete
from drbook.providers.targets.base import Workshop, free_bytes
from drbook.providers.targets.foresee import _has_icu, has_locale
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget

Known = list[ProductionIdentity]
MIB = 1024 * 1024


def held_copy(path: Path, tools: tuple[PgTools, ...], folder: Path) -> LocalCopy:
    fact = drain(check_structure(path, tools, CancelToken()))
    assert fact.held is not None
    name = str(path.relative_to(folder))
    return LocalCopy(
        name=name, size=path.stat().st_size, sha256="", checked="structure", held=fact.held
    )


def written(
    folder: Path, tools: tuple[PgTools, ...], body: str, version: str = "18.1"
) -> LocalCopy:
    path = folder / "copies" / "dump.sql"
    path.write_text(
        f"--\n-- PostgreSQL database dump\n--\n\n-- Dumped from database version {version}\n"
        f"-- Dumped by pg_dump version 18.1\n\nSET client_encoding = 'UTF8';\n{body}\n"
        "--\n-- PostgreSQL database dump complete\n--\n"
    )
    return held_copy(path, tools, folder)


def of(page: Preflight, what: str) -> Item:
    return next(item for item in page.items if item.what == what)


def page_of(
    targets: FreshTargets, copy: LocalCopy, production: Known, spec: TargetSpec | None = None
) -> Preflight:
    return drain(targets.preflight(spec or ClusterTarget(), copy, production))[1]


def dumped(postgres: Postgres, dbname: str, path: Path, *options: str) -> Path:
    argv: list[str | Path] = [postgres.tools.path("pg_dump"), *options, f"--dbname={dbname}"]
    argv += [f"--host={postgres.server.socket}", "--username=postgres", f"--file={path}"]
    done = complete(argv)
    assert done.exit_code == 0, done.stderr
    return path


@pytest.mark.parametrize("option", ["-Fc", "-Fp"])
def test_an_ordinary_backup_passes(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    option: str,
) -> None:
    copy = held_copy(postgres.dump(tmp_path / "copies" / "dump", option), tools, tmp_path)
    page = page_of(targets, copy, production)
    verdicts = {item.what: item.verdict for item in page.items}
    sorting = verdicts.pop("sorting")
    assert sorting is (OK if option == "-Fc" else UNKNOWN)  # a plain dump does not say
    assert verdicts == {
        "digest": UNKNOWN, "tools": OK, "server": OK, "roles": DIFFERS, "owners": DIFFERS,
        "extensions": OK, "tablespaces": OK, "encoding": OK, "disk": OK, "record": OK,
    }  # fmt: skip
    assert "Odd Role" in of(page, "roles").words
    stop(page)
    assert not (tmp_path / "targets").exists()


STOPS_BY = {
    "extensions-missing": ("CREATE EXTENSION nowhere_to_be_had WITH SCHEMA public;", "18.1"),
    "server-older": ("", "99.1"),
}


@pytest.mark.parametrize("code", STOPS_BY)
def test_what_cannot_be_loaded_stops_before_anything_is_made(
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    code: str,
) -> None:
    body, version = STOPS_BY[code]
    page = page_of(targets, written(tmp_path, tools, body, version), production)
    with pytest.raises(StepFailed) as caught:
        stop(page)
    assert caught.value.code == code
    assert not (tmp_path / "targets").exists()


@pytest.mark.parametrize(
    ("free", "verdict"), [(10 * MIB, STOPS), (100 * 1024 * MIB, OK), (None, UNKNOWN)]
)
def test_a_small_disk_stops_before_anything_is_made(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    free: int | None,
    verdict: object,
) -> None:
    copy = held_copy(postgres.dump(tmp_path / "copies" / "dump", "-Fc"), tools, tmp_path)
    small = FreshTargets(replace(targets._workshop, free=lambda path: free), TARGETS())
    page = page_of(small, copy, production)
    assert (of(page, "disk").verdict, of(page, "record").verdict) == (verdict, verdict)


def test_free_bytes_of_what_is_not_there_yet(tmp_path: Path) -> None:
    here = free_bytes(tmp_path)
    assert here is not None
    assert here > 0
    assert free_bytes(tmp_path / "a" / "b") is not None
    (tmp_path / "file").touch()
    assert free_bytes(tmp_path / "file" / "x") is None or os.name != "posix"


def test_a_copy_that_was_not_read_is_looked_into_without_its_data(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
) -> None:
    postgres.dump(tmp_path / "copies" / "dump", "-Fc")
    copy = LocalCopy(name="copies/dump", size=30_000, sha256="", checked="digest")
    copy, page = drain(targets.preflight(ClusterTarget(), copy, production, "as stated"))
    assert copy.held is not None
    assert copy.rows is None
    assert (of(page, "digest").verdict, of(page, "disk").verdict) == (OK, UNKNOWN)
    assert of(page, "sorting").verdict is OK
    assert "Odd Role" in of(page, "roles").words


def test_an_archive_that_nothing_can_read_stops(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    path = postgres.dump(tmp_path / "copies" / "dump", "-Fc")
    data = bytearray(path.read_bytes())
    data[6] = 99  # the archive's minor version
    path.write_bytes(data)
    copy = LocalCopy(name="copies/dump", size=30_000, sha256="", checked="digest")
    page = page_of(targets, copy, production)
    assert of(page, "tools").verdict is STOPS
    assert "unsupported version" in of(page, "tools").words
    with pytest.raises(StepFailed) as caught:
        stop(page)
    assert caught.value.code == "pg-tools"


def test_needs_of_what_is_no_archive(tmp_path: Path, tools: tuple[PgTools, ...]) -> None:
    held, why = drain(read_needs(tmp_path / "nothing", tools, CancelToken()))
    assert held.rows is None
    assert why


# --- made as the backup's database was --------------------------------------------------------

LATIN = DatabaseSettings(encoding="LATIN1", collate="C", ctype="C")
ASCII = DatabaseSettings(encoding="SQL_ASCII", collate="C", ctype="C")
LIBC = DatabaseSettings(encoding="UTF8", collate="C.UTF-8", ctype="C.UTF-8")
BUILTIN_C = DatabaseSettings(
    encoding="UTF8", provider="builtin", collate="C", ctype="C", locale="C"
)
LIKE = {"latin": LATIN, "ascii": ASCII, "libc": LIBC, "builtin": BUILTIN_C}


@pytest.fixture(scope="module")
def odd(postgres: Postgres) -> Iterator[dict[str, DatabaseSettings]]:
    """Databases that write and sort text in several ways, each with one row of bytes above ASCII."""
    for name, text in LIKE.items():
        how = f"LOCALE_PROVIDER {text.provider} LC_COLLATE '{text.collate}' LC_CTYPE '{text.ctype}'"
        how += f" BUILTIN_LOCALE '{text.locale}'" if text.provider == "builtin" else ""
        with postgres.connect("postgres") as connection:
            connection.execute(
                f"CREATE DATABASE {name} TEMPLATE template0 ENCODING '{text.encoding}' {how}".encode()
            )
        with postgres.connect(name) as connection:
            connection.execute("CREATE TABLE words (word text)")
            if name == "ascii":
                connection.execute("INSERT INTO words VALUES (E'\\xe9\\xff')")
            else:
                connection.execute("SET client_encoding = 'UTF8'")
                connection.execute("INSERT INTO words VALUES (U&'\\00e9')")
    yield LIKE
    with postgres.connect("postgres") as connection:
        for name in LIKE:
            connection.execute(f"DROP DATABASE {name}".encode())


@pytest.mark.parametrize("name", LIKE)
def test_a_cluster_is_made_as_the_backups_database_was(
    postgres: Postgres,
    odd: dict[str, DatabaseSettings],
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    name: str,
) -> None:
    path = dumped(postgres, name, tmp_path / "copies" / "dump", "-Fc")
    copy = held_copy(path, tools, tmp_path)
    assert copy.held is not None
    assert copy.held.settings == odd[name]
    page = page_of(targets, copy, production)
    assert (of(page, "encoding").verdict, of(page, "sorting").verdict) == (OK, OK)
    target = drain(targets.create(ClusterTarget(), "restore-1", production, like=copy.held))
    assert target.settings == odd[name]
    assert settled(page, copy.held, target.settings) == page
    drain(targets.load(target, copy))
    with (
        postgres.connect(name) as there,
        pgsession.connect(target.connect, os.environ) as restored,
    ):
        lengths = [
            one.execute("SELECT length(word), octet_length(word) FROM words").fetchone()
            for one in (there, restored)
        ]
    assert lengths[0] == lengths[1]
    with pgsession.connect(
        target.connect.model_copy(update={"dbname": "template1"}), os.environ
    ) as other:
        row = other.execute(
            "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template1'"
        ).fetchone()
    assert row == (odd[name].encoding,)  # the cluster itself, and not only its database


def test_a_locale_that_is_not_here_is_said(
    targets: FreshTargets, production: Known, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    copy = written(
        tmp_path, tools, "CREATE DATABASE x WITH ENCODING = 'UTF8' LOCALE = 'xx_YY.UTF-8';"
    )
    page = page_of(targets, copy, production)
    assert of(page, "encoding").verdict is OK
    assert of(page, "sorting").verdict is DIFFERS
    assert "sorts otherwise" in of(page, "sorting").words
    target = drain(targets.create(ClusterTarget(), "restore-1", production, like=copy.held))
    assert target.settings is not None
    assert settled(page, copy.held, target.settings).count(DIFFERS) == page.count(DIFFERS)


def test_a_cluster_that_cannot_be_made_alike_is_made_as_usual(
    targets: FreshTargets, production: Known, tools: tuple[PgTools, ...]
) -> None:
    """The locale is here, and does not go with that encoding: initdb is asked first, and then not."""
    like = ArchiveFacts(
        settings=DatabaseSettings(encoding="EUC_JP", collate="C.UTF-8", ctype="C.UTF-8")
    )
    target, said = signals_of(targets.create(ClusterTarget(), "restore-1", production, like=like))
    assert any("not made like" in one.text for one in said if isinstance(one, Milestone))
    assert target.settings is not None
    assert target.settings == usual(target.identity.server_version // 10000)
    page = settled(Preflight(items=judge_text(like.settings, None)), like, target.settings)
    assert {item.verdict for item in page.items} == {DIFFERS}


def test_which_locales_are_here() -> None:
    assert has_locale("C")
    assert has_locale("C.UTF-8")
    assert not has_locale("xx_YY.UTF-8")


# --- a given server --------------------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path, tools: tuple[PgTools, ...]) -> Iterator[DatabaseRef]:
    """A second server, which is not production."""
    folder = tmp_path / "other"
    if server_user() == "nobody":
        tmp_path.chmod(0o711)
    chosen = next(one for one in tools if one.origin == "extra")
    server = ClusterServer(chosen, folder, name="other")
    server.make_folder()
    create(server)
    drain(server.start({"fsync": "off"}))
    with psycopg.connect(host=str(server.socket), user="postgres", dbname="postgres") as made:
        made.execute("CREATE ROLE restorer LOGIN CREATEDB")
    yield server.ref("postgres").model_copy(update={"user": "restorer"})
    server.stop()


def test_a_given_server_is_asked_before_anything_is_made(
    postgres: Postgres,
    odd: dict[str, DatabaseSettings],
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    other: DatabaseRef,
    tmp_path: Path,
) -> None:
    spec = DatabaseTarget(server=other)
    copy = held_copy(postgres.dump(tmp_path / "copies" / "dump", "-Fc"), tools, tmp_path)
    page = page_of(targets, copy, production, spec)
    assert of(page, "roles").verdict is STOPS
    assert (of(page, "server").verdict, of(page, "disk").verdict) == (OK, UNKNOWN)
    with pytest.raises(StepFailed) as caught:
        stop(page)
    assert caught.value.code == "roles-missing"
    with psycopg.connect(host=other.host, user="postgres", dbname="postgres") as connection:
        connection.execute('CREATE ROLE reader; CREATE ROLE "Odd Role"')
        names = [row[0] for row in connection.execute("SELECT datname FROM pg_database")]
    assert sorted(names) == ["postgres", "template0", "template1"]
    assert of(page_of(targets, copy, production, spec), "roles").verdict is OK
    copy = held_copy(
        dumped(postgres, "latin", tmp_path / "copies" / "latin", "-Fc"), tools, tmp_path
    )
    target = drain(targets.create(spec, "restore-1", production, like=copy.held))
    assert target.settings == LATIN
    drain(targets.load(target, copy))
    impossible = ArchiveFacts(
        settings=LATIN.model_copy(update={"collate": "xx_YY", "ctype": "xx_YY"})
    )
    target = drain(targets.create(spec, "restore-2", production, like=impossible))
    assert target.settings is not None
    assert target.settings.encoding == "UTF8"


def test_a_given_server_that_does_not_answer_is_no_finding(
    targets: FreshTargets, production: Known, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    spec = DatabaseTarget(server=DatabaseRef(host=str(tmp_path), dbname="x"))
    with pytest.raises(CouldNotVerify):
        page_of(targets, written(tmp_path, tools, ""), production, spec)


# --- tablespaces ------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-Fc", "-Fp"])
def test_tablespaces_are_left_behind_and_said(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tools: tuple[PgTools, ...],
    tmp_path: Path,
    option: str,
) -> None:
    with postgres.connect("postgres") as connection:
        connection.execute("SET allow_in_place_tablespaces = on")
        connection.execute("CREATE TABLESPACE \"fast disk\" LOCATION ''")
        connection.execute("CREATE DATABASE placed")
    try:
        with postgres.connect("placed") as connection:
            connection.execute('CREATE TABLE quick (id int) TABLESPACE "fast disk"')
            connection.execute('CREATE INDEX here ON quick (id) TABLESPACE "fast disk"')
            connection.execute("CREATE TABLE slow (id int); INSERT INTO quick VALUES (1), (2)")
        path = dumped(postgres, "placed", tmp_path / "copies" / "dump", option)
    finally:
        with postgres.connect("postgres") as connection:
            connection.execute("DROP DATABASE placed")
            connection.execute('DROP TABLESPACE "fast disk"')
    copy = held_copy(path, tools, tmp_path)
    page = page_of(targets, copy, production)
    assert of(page, "tablespaces").verdict is DIFFERS
    assert of(page, "tablespaces").wanted == "fast disk"
    target = drain(targets.create(ClusterTarget(), "restore-1", production, like=copy.held))
    drain(targets.load(target, copy))
    assert {row.table: row.rows for row in drain(targets.count(target)).tables} == copy.rows


def test_a_kind_that_does_not_foresee_leaves_everything_unknown(
    targets: FreshTargets, production: Known, tools: tuple[PgTools, ...], tmp_path: Path
) -> None:
    from drbook.providers.targets.base import OpenableTarget

    class Silent(OpenableTarget):
        kind: str = "silent"

        def maker(self, workshop: Workshop) -> object:  # type: ignore[override]
            raise AssertionError("nothing is made")

    page = page_of(targets, written(tmp_path, tools, ""), production, Silent())
    assert {of(page, what).verdict for what in ("server", "disk", "sorting", "record")} == {UNKNOWN}


def test_icu_where_the_programs_have_it(
    tools: tuple[PgTools, ...], targets: FreshTargets, tmp_path: Path
) -> None:
    """Of the programs here those that have ICU, like a distribution's, make a database with it."""
    able = [one for one in tools if one.has_server and one.major >= 15 and _has_icu(one)]
    if not able:
        pytest.skip("no PostgreSQL with ICU is here")
    shop = replace(targets._workshop, tools=lambda: (able[0],))
    wanted = DatabaseSettings(
        encoding="UTF8", provider="icu", collate="xx_YY", ctype="xx_YY", locale="de-DE"
    )
    made = FreshTargets(shop, TARGETS())
    target = drain(
        made.create(ClusterTarget(), "restore-1", [], like=ArchiveFacts(settings=wanted))
    )
    assert target.settings is not None
    assert (target.settings.provider, target.settings.locale) == ("icu", "de-DE")
    encoding, sorting = judge_text(wanted, target.settings)
    assert (encoding.verdict, sorting.verdict) == (OK, OK)
