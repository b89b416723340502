"""Fresh targets: every form of dump into both kinds, and every refusal of rule 2."""

import gzip
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.pattern import create
from support.pg import COUNTS, Postgres, drain, signals_of

from drbook.core.errors import CouldNotVerify, NotExercised, Refused, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import (
    Milestone,
    Progress,
    ResourceCreated,
    ResourceIntended,
    Working,
)
from drbook.core.targets import DatabaseRef, LocalCopy, Target
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.targets import load as load_module
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget
from drbook.providers.targets.nothing import NoTargets
from drbook.providers.targets.pool import ServerPool

Known = list[ProductionIdentity]


def copy(path: Path) -> LocalCopy:
    return LocalCopy(name=f"copies/{path.name}", size=1, sha256="", checked="structure")


def dumped(postgres: Postgres, tmp_path: Path, *options: str, packed: bool = False) -> LocalCopy:
    path = postgres.dump(tmp_path / "copies" / "dump", *options)
    if packed:
        small = path.with_name("dump.gz")
        small.write_bytes(gzip.compress(path.read_bytes()))
        path = small
    return copy(path)


def follow(work: Working[object], seen: Callable[[object], None]) -> None:
    for signal in work:
        seen(signal)


def counts_of(targets: FreshTargets, target: Target) -> dict[str, int | None]:
    return {row.table: row.rows for row in drain(targets.count(target)).tables}


# --- a new cluster ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "packed", "first"),
    [
        (("-Fc",), False, ()),
        (("-Fc",), False, ("public.bookings", "nothing_yet")),
        (("-Fc",), True, ()),
        (("-Fd",), False, ("customers",)),
        (("-Ft",), False, ()),
        (("-Fp",), False, ()),
        (("-Fp",), True, ()),
        (("-Fp", "--inserts"), False, ()),
    ],
)
def test_every_form_loads_into_a_new_cluster(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tmp_path: Path,
    options: tuple[str, ...],
    packed: bool,
    first: tuple[str, ...],
) -> None:
    held = dumped(postgres, tmp_path, *options, packed=packed)
    target, said = signals_of(targets.create(ClusterTarget(), "restore-1", production))
    intended = next(item for item in said if isinstance(item, ResourceIntended))
    created = next(item for item in said if isinstance(item, ResourceCreated))
    assert (intended.name, intended.nonce) == ("restore-1", target.nonce)
    assert created.location == target.location
    report, said = signals_of(targets.load(target, held, first=first))
    assert counts_of(targets, target) == COUNTS
    assert set(report.roles_standing_in) == {"Odd Role", "reader"} & set(report.roles_standing_in)
    assert "Odd Role" in report.roles_standing_in
    assert report.items > 0
    assert any(isinstance(item, Progress) for item in said)
    assert target.identity.database == "rental"


def test_intent_comes_before_the_folder(targets: FreshTargets, tmp_path: Path) -> None:
    work = targets.create(ClusterTarget(), "restore-1", [])
    for signal in work:
        if isinstance(signal, ResourceIntended):
            break
    assert not (tmp_path / "targets" / "restore-1").exists()
    work.close()
    assert not (tmp_path / "targets" / "restore-1").exists()


def test_a_cluster_is_private(targets: FreshTargets, production: Known) -> None:
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    assert stat.S_IMODE(Path(target.location).stat().st_mode) == 0o700
    socket = Path(target.connect.host or "")
    assert stat.S_IMODE(socket.stat().st_mode) == 0o700
    with load_module.lease(target, os.environ, CancelToken()) as connection:
        row = connection.execute(
            "SELECT current_setting('listen_addresses'), current_setting('archive_mode'),"
            " current_setting('fsync')"
        ).fetchone()
    assert row == ("", "off", "on")


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
def test_what_exists_is_never_reused(
    targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    (tmp_path / "targets" / "restore-1").mkdir(parents=True)
    (tmp_path / "targets" / "restore-1" / "precious").write_text("data")
    with pytest.raises(Refused) as caught:
        drain(targets.create(ClusterTarget(), "restore-1", production))
    assert caught.value.code == "target-exists"
    assert (tmp_path / "targets" / "restore-1" / "precious").read_text() == "data"


@pytest.mark.skipif(server_user() == "nobody", reason="clusters of nobody lie in TMPDIR")
def test_a_link_to_somewhere_else_is_not_followed(
    targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "restore-1").symlink_to(elsewhere)
    with pytest.raises(Refused):
        drain(targets.create(ClusterTarget(), "restore-1", production))
    assert list(elsewhere.iterdir()) == []


def test_its_server_is_started_again_after_a_resume(
    targets: FreshTargets, production: Known, tmp_path: Path, tools: tuple[PgTools, ...]
) -> None:
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    targets._workshop.pool.close()
    pool = ServerPool()
    again = FreshTargets(
        Workshop(tmp_path, os.environ, CancelToken(), pool, lambda: tools), TARGETS()
    )
    try:
        assert counts_of(again, target) == {}
    finally:
        pool.close()


def test_a_target_that_is_gone_could_not_be_verified(
    targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    lost = target.model_copy(update={"name": "other", "location": str(tmp_path / "nowhere")})
    with pytest.raises(CouldNotVerify) as caught:
        drain(targets.count(lost))
    assert caught.value.code == "target-gone"


# --- loading goes wrong ----------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("option", ["-Fc", "-Fp"])
def test_a_copy_that_ends_early_fails_the_load(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    tmp_path: Path,
    option: str,
    packed: bool,
) -> None:
    held = dumped(postgres, tmp_path, option, packed=packed)
    path = tmp_path / held.name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, held))
    assert "never used again" in caught.value.means


def test_every_error_of_the_tool_is_kept(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    held = dumped(postgres, tmp_path, "-Fp")
    path = tmp_path / held.name
    path.write_text(path.read_text().replace("CREATE TABLE public.customers", "CREATE TABEL x", 1))
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    said: list[object] = []
    with pytest.raises(StepFailed, match="syntax error"):
        follow(targets.load(target, held), said.append)
    kept = [item for item in said if isinstance(item, Milestone) and item.data]
    assert "syntax error" in str(kept[0].data)


def test_a_server_that_dies_during_the_load_fails_it(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    held = dumped(postgres, tmp_path, "-Fp")
    path = tmp_path / held.name
    path.write_text(path.read_text().replace("\n--\n", "\nSELECT pg_sleep(1);\n--\n", 3))
    target = drain(targets.create(ClusterTarget(), "restore-1", production))

    def end_the_server(signal: object) -> None:
        if isinstance(signal, Progress) and signal.label == "load":
            targets._workshop.pool.close()

    with pytest.raises((StepFailed, CouldNotVerify)) as caught:
        follow(targets.load(target, held), end_the_server)
    assert caught.value.what


def test_psqls_own_commands_in_a_dump_do_nothing(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    held = dumped(postgres, tmp_path, "-Fp")
    path = tmp_path / held.name
    marker = tmp_path / "pwned"
    path.write_text(
        path.read_text().replace("\n--\n", f"\n\\! touch {marker}\n--\n", 4), encoding="utf-8"
    )
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    with pytest.raises(StepFailed):
        drain(targets.load(target, held))
    assert not marker.exists()


# --- a database on a given server ------------------------------------------------------------


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
    import psycopg

    with psycopg.connect(host=str(server.socket), user="postgres", dbname="postgres") as made:
        made.execute("CREATE ROLE restorer LOGIN CREATEDB")
    yield server.ref("postgres").model_copy(update={"user": "restorer"})
    server.stop()


@pytest.fixture
def roles_there(other: DatabaseRef) -> DatabaseRef:
    import psycopg

    with psycopg.connect(host=other.host, user="postgres", dbname="postgres") as connection:
        connection.execute('CREATE ROLE reader; CREATE ROLE "Odd Role"')
    return other


@pytest.mark.parametrize("options", [("-Fc",), ("-Fd",), ("-Ft",), ("-Fp",)])
def test_every_form_loads_into_a_new_database(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    roles_there: DatabaseRef,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    held = dumped(postgres, tmp_path, *options)
    spec = DatabaseTarget(server=roles_there)
    target = drain(targets.create(spec, "restore-1", production))
    drain(targets.load(target, held))
    assert counts_of(targets, target) == COUNTS
    assert "is not production's" in target.proof
    with pytest.raises(Refused) as caught:
        drain(targets.create(spec, "restore-1", production))
    assert caught.value.code == "target-exists"
    assert targets.look(spec, "restore-1").state == "present"
    assert targets.look(spec, "restore-9").state == "absent"


@pytest.mark.parametrize("known", ["production", "nothing"])
def test_production_and_the_unknown_are_refused(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    other: DatabaseRef,
    known: str,
) -> None:
    server = postgres.ref if known == "production" else other
    spec = DatabaseTarget(server=server)
    with pytest.raises(Refused) as caught:
        drain(targets.create(spec, "restore-1", production if known == "production" else []))
    expected = "target-is-production" if known == "production" else "production-identity-unknown"
    assert caught.value.code == expected
    with postgres.connect() as connection:
        names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
    assert names == {"postgres", "template0", "template1", "rental"}


def test_missing_roles_on_a_given_server_are_an_error_and_not_made(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    other: DatabaseRef,
    tmp_path: Path,
) -> None:
    held = dumped(postgres, tmp_path, "-Fc")
    target = drain(targets.create(DatabaseTarget(server=other), "restore-1", production))
    with pytest.raises(StepFailed) as caught:
        drain(targets.load(target, held))
    assert caught.value.code == "roles-missing"
    assert "Odd Role" in caught.value.what


CHANGES = [
    {"nonce": "another"},
    {"identity": {"system_identifier": "1"}},
    {"identity": {"database_oid": 1}},
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("past_the_lease", [False, True])
@pytest.mark.parametrize("option", ["-Fc", "-Fp"])
def test_another_database_than_was_created_is_refused_on_the_connection_itself(
    postgres: Postgres,
    targets: FreshTargets,
    production: Known,
    roles_there: DatabaseRef,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: dict[str, object],
    past_the_lease: bool,
    option: str,
) -> None:
    """Also where the answer changes between the lease and the tool's own connection."""
    held = dumped(postgres, tmp_path, option)
    spec = DatabaseTarget(server=roles_there)
    target = drain(targets.create(spec, "restore-1", production))
    identity = change.get("identity")
    changed = (
        target.model_copy(update={"identity": target.identity.model_copy(update=identity)})  # type: ignore[arg-type]
        if identity
        else target.model_copy(update=change)
    )
    if past_the_lease:
        real = load_module.lease

        @contextmanager
        def fooled(asked: Target, *rest: object) -> Iterator[object]:
            with real(target, *rest) as connection:  # type: ignore[arg-type]
                yield connection

        monkeypatch.setattr(load_module, "lease", fooled)
    with pytest.raises(Refused) as caught:
        drain(targets.load(changed, held))
    assert caught.value.code == "target-changed"
    monkeypatch.undo()
    assert counts_of(targets, target) == {}


def test_counting_something_else_is_refused(
    postgres: Postgres, targets: FreshTargets, production: Known, other: DatabaseRef
) -> None:
    spec = DatabaseTarget(server=other)
    target = drain(targets.create(spec, "restore-1", production))
    with pytest.raises(Refused):
        drain(targets.count(target.model_copy(update={"connect": postgres.ref})))


# --- its pages -------------------------------------------------------------------------------


def test_every_page_of_a_new_cluster_is_read_by_its_superuser(
    postgres: Postgres, targets: FreshTargets, production: Known, tmp_path: Path
) -> None:
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    drain(targets.load(target, dumped(postgres, tmp_path, "-Fc")))
    before = drain(targets.count(target))
    pages = drain(targets.pages(target))
    assert (pages.flaws, pages.unread) == ((), ())
    assert pages.tables > 60
    after = drain(targets.count(target))
    assert after.structure == before.structure


def test_pages_of_something_else_are_not_read(
    postgres: Postgres, targets: FreshTargets, production: Known, other: DatabaseRef
) -> None:
    target = drain(targets.create(DatabaseTarget(server=other), "restore-1", production))
    for login in ("connect", "loader", "admin"):
        with pytest.raises(Refused):
            drain(targets.pages(target.model_copy(update={login: postgres.ref})))
    may_not = drain(targets.pages(target))
    assert may_not.tables == 0
    assert "permission denied" in may_not.unread[0].why


# --- a dry run -------------------------------------------------------------------------------


def test_a_dry_run_makes_nothing(targets: FreshTargets, production: Known, tmp_path: Path) -> None:
    nothing = NoTargets()
    target = drain(targets.create(ClusterTarget(), "restore-1", production))
    before = sorted((tmp_path / "targets").iterdir())
    for work in (
        nothing.create(ClusterTarget(), "restore-2", production),
        nothing.load(target, LocalCopy(name="x", size=1, sha256="", checked="nothing")),
        nothing.count(target),
        nothing.pages(target),
    ):
        with pytest.raises(NotExercised):
            drain(work)  # type: ignore[arg-type]
    assert sorted((tmp_path / "targets").iterdir()) == before


def test_there_is_no_force() -> None:
    """Nothing in the room takes a parameter that would get past a refusal."""
    words = ("force", "override", "unsafe", "allow_production", "yes_i_am_sure")
    for path in Path(load_module.__file__).parent.glob("*.py"):
        text = path.read_text().lower()
        assert not [word for word in words if f"{word}:" in text or f"{word}=" in text], path
