"""Production in every disguise, on real servers: none of them is written to."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from support.between import Address, Pooler, Proxy
from support.pg import drain

from drbook.core.baseline import Identity
from drbook.core.errors import DrbookError, Refused, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.targets import DatabaseRef, LocalCopy, Target
from drbook.providers import pgsession
from drbook.providers.cancel import CancelToken
from drbook.providers.launcher import NOBODY
from drbook.providers.pgidentity import answer, contents, identity, place_of
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools
from drbook.providers.process import complete
from drbook.providers.targets import load as load_module
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.kinds import DatabaseTarget
from drbook.providers.targets.lease import Guard, lease, mark

NAMES = {"postgres", "template0", "template1", "rental", "second", "restore_1"}
Known = list[ProductionIdentity]


@dataclass
class Site:
    """Production with a copy and a standby, and a server that has nothing to do with it."""

    production: ClusterServer
    port: int
    copy: ClusterServer
    standby: ClusterServer
    other: ClusterServer

    def socket(self, server: ClusterServer) -> str:
        port = self.port if server is self.production else 5432
        return f"{server.socket}/.s.PGSQL.{port}"

    def ref(self, server: ClusterServer, dbname: str = "postgres") -> DatabaseRef:
        port = self.port if server is self.production else 5432
        return DatabaseRef(
            host=str(server.socket), port=port, user="postgres", dbname=dbname,
            ignore_environment=True,
        )  # fmt: skip

    def maker(self, server: ClusterServer) -> DatabaseRef:
        """The login that a runbook would name: it may create databases, and nothing else."""
        return self.ref(server).model_copy(update={"user": "restorer"})

    def run(self, server: ClusterServer, sql: str, dbname: str = "postgres") -> list[tuple]:  # type: ignore[type-arg]
        with pgsession.connect(
            self.ref(server, dbname), os.environ, autocommit=True, read_only=False
        ) as connection:
            done = connection.execute(sql.encode())
            return done.fetchall() if done.description else []

    def identity(self, server: ClusterServer, dbname: str = "rental") -> Identity:
        with pgsession.connect(self.ref(server, dbname), os.environ) as connection:
            return identity(connection)

    @property
    def live(self) -> Known:
        return [ProductionIdentity("live", "asked now", self.identity(self.production))]

    def untouched(self) -> None:
        """Production holds what it held: the same databases, and nothing in them."""
        rows = self.run(self.production, "SELECT datname FROM pg_database")
        assert {row[0] for row in rows} == NAMES
        for dbname in ("rental", "second", "restore_1"):
            assert (
                self.run(self.production, "SELECT FROM pg_class WHERE oid >= 16384", dbname) == []
            )


def tcp(host: str, port: int, dbname: str = "postgres") -> DatabaseRef:
    return DatabaseRef(host=host, port=port, user="restorer", dbname=dbname, sslmode="disable")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def started(
    server: ClusterServer, source: ClusterServer | None = None, *options: str, **settings: str
) -> ClusterServer:
    """A server with a new cluster, or with pg_basebackup's copy of another one."""
    server.make_folder()
    if source is None:
        drain(server.create())
        hba = server.data / "pg_hba.conf"
        lines = "host all all 127.0.0.1/32 trust\nhost all all ::1/128 trust\n"
        hba.write_text(lines + hba.read_text())
    else:
        argv: list[str | Path] = [server.tools.path("pg_basebackup"), "-D", server.data, *options]
        argv += ["-h", source.socket, "-U", "postgres", "-c", "fast", "-p", _port_of(source)]
        done = complete(argv, run_as=server_user() if server_user() != "nobody" else "nobody")
        assert done.exit_code == 0, done.stderr
    drain(server.start({"fsync": "off", **settings}))
    return server


def _port_of(server: ClusterServer) -> str:
    return next(server.socket.glob(".s.PGSQL.*[0-9]")).name.rpartition(".")[2]


@pytest.fixture(scope="module")
def site(tools: tuple[PgTools, ...]) -> Iterator[Site]:
    chosen = next(one for one in tools if one.origin == "extra")
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder, ExitStack() as stack:
        if server_user() == "nobody":
            os.chmod(folder, 0o711)
            os.chown(folder, NOBODY, NOBODY)
        port = free_port()

        def server(name: str) -> ClusterServer:
            made = ClusterServer(chosen, Path(folder) / name, name=name)
            stack.callback(made.stop)
            return made

        production = started(server("production"), listen_addresses="127.0.0.1", port=str(port))
        whole = Site(production, port, production, production, production)
        for dbname in ("rental", "second", "restore_1"):
            whole.run(production, f"CREATE DATABASE {dbname}")
        whole.run(production, "CREATE ROLE restorer LOGIN CREATEDB")
        copy = started(server("copy"), production)
        standby = started(server("standby"), production, "-R")
        other = started(server("other"))
        whole.run(other, "CREATE ROLE restorer LOGIN CREATEDB")
        yield replace(whole, copy=copy, standby=standby, other=other)


# --- production by another name ----------------------------------------------------------------

POOLERS = ["python", *(["pgbouncer"] if shutil.which("pgbouncer") else [])]

WAYS = {
    "socket": ("rental", "target-is-production"),
    "tcp": ("rental", "target-is-production"),
    "localhost": ("rental", "target-is-production"),
    "alias": ("rental", "target-is-production"),
    "proxy": ("rental", "target-is-production"),
    "forwarded socket": ("rental", "target-is-production"),
    **{f"pooler {kind}": ("rental", "target-is-production") for kind in POOLERS},
    "socket, second database": ("second", "target-in-production-cluster"),
    "tcp, second database": ("second", "target-in-production-cluster"),
    "proxy, second database": ("second", "target-in-production-cluster"),
    "standby": ("postgres", "target-is-standby"),
    "standby, proxy": ("postgres", "target-is-standby"),
    "copy, proxy": ("postgres", "target-may-be-production"),
}


@pytest.mark.parametrize("way", WAYS)
def test_production_is_known_by_any_name(
    site: Site, targets: FreshTargets, tmp_path: Path, way: str
) -> None:
    dbname, code = WAYS[way]
    with ExitStack() as stack:
        server = _by(way, site, dbname, tmp_path, stack)
        with pytest.raises(Refused) as caught:
            drain(targets.create(DatabaseTarget(server=server), "restore-9", site.live))
    assert caught.value.code == code, caught.value.explain()
    assert "system identifier" in caught.value.means
    assert "kind: cluster" in caught.value.next
    site.untouched()


def _by(way: str, site: Site, dbname: str, folder: Path, stack: ExitStack) -> DatabaseRef:
    reached = site.copy if "copy" in way else site.standby if "standby" in way else site.production
    if way.startswith("tcp"):
        return tcp("127.0.0.1", site.port, dbname)
    if way == "localhost":
        return tcp("localhost", site.port, dbname)
    if way == "alias":
        (folder / "dsn").write_text(
            f"host=reporting.example hostaddr=127.0.0.1 port={site.port} user=postgres "
            f"dbname={dbname} sslmode=disable"
        )
        return DatabaseRef(dsn=f"file:{folder / 'dsn'}")
    if way == "forwarded socket":
        stack.enter_context(Proxy(lambda _: ("127.0.0.1", site.port), folder / ".s.PGSQL.5432"))
        return DatabaseRef(host=str(folder), port=5432, user="postgres", dbname=dbname)
    if "proxy" in way:
        proxy = stack.enter_context(Proxy(lambda _: site.socket(reached)))
        return tcp("127.0.0.1", proxy.port, dbname)
    if way.startswith("pooler"):
        return tcp("127.0.0.1", _pooler(way.split()[1], site.port, stack), dbname)
    return site.ref(reached, dbname)


def _pooler(kind: str, port: int, stack: ExitStack) -> int:
    """A pooler before what listens at a port of the loopback; returns its own port."""
    if kind == "python":
        return stack.enter_context(Pooler([("127.0.0.1", port)])).port
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="drbook-test-")))
    folder.chmod(0o755)
    own = free_port()
    (folder / "users").write_text('"postgres" ""\n"restorer" ""\n')
    (folder / "bouncer.ini").write_text(
        f"[databases]\n* = host=127.0.0.1 port={port}\n[pgbouncer]\nlisten_addr=127.0.0.1\n"
        f"listen_port={own}\nauth_type=trust\nauth_file={folder}/users\npool_mode=transaction\n"
        "ignore_startup_parameters=extra_float_digits,options\nunix_socket_dir=\n"
    )
    argv = ["pgbouncer", *(["-u", "nobody"] if os.geteuid() == 0 else []), folder / "bouncer.ini"]
    running = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(running.wait)
    stack.callback(running.kill)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", own)).close()
            return own
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise AssertionError("pgbouncer does not answer")


@pytest.mark.parametrize("kind", POOLERS)
def test_another_server_behind_a_pooler_is_refused(
    site: Site, targets: FreshTargets, kind: str
) -> None:
    with ExitStack() as stack:
        direct = stack.enter_context(Proxy(lambda _: site.socket(site.other)))
        server = tcp("127.0.0.1", _pooler(kind, direct.port, stack))
        with pytest.raises(Refused) as caught:
            drain(targets.create(DatabaseTarget(server=server), "restore-9", site.live))
    assert caught.value.code == "target-behind-pooler"


def test_a_pooler_that_changes_servers_between_statements_writes_nowhere(
    site: Site, targets: FreshTargets
) -> None:
    servers = [site.socket(site.other), site.socket(site.production)]
    with Pooler(servers) as pooler:
        spec = DatabaseTarget(server=tcp("127.0.0.1", pooler.port))
        with pytest.raises(Refused) as caught:
            drain(targets.create(spec, "restore-9", site.live))
    assert caught.value.code == "target-behind-pooler"
    site.untouched()


# --- a physical copy ----------------------------------------------------------------------------


def test_a_physical_copy_is_told_by_its_data_directory(site: Site, targets: FreshTargets) -> None:
    _drop(site, site.copy)
    known = site.live
    spec = DatabaseTarget(server=site.maker(site.copy))
    target = drain(targets.create(spec, "restore-1", known))
    assert "physical copy" in target.proof
    assert target.identity.system_identifier == site.identity(site.production).system_identifier
    assert target.identity.place == place_of(site.copy.data)
    site.untouched()


def _drop(site: Site, server: ClusterServer, dbname: str = "restore_1") -> None:
    site.run(server, f"DROP DATABASE IF EXISTS {dbname}")


def test_production_unreachable_with_and_without_its_recorded_identity(
    site: Site, targets: FreshTargets
) -> None:
    """A baseline says where the directory was then: a copy, or a promoted standby, may be production."""
    then = site.identity(site.production).model_copy(update={"started_at": None})
    mine = ProductionIdentity("baseline", "baseline 1", then, ours=True)
    somebodys = replace(mine, ours=False)
    cases: list[tuple[ClusterServer, Known, str]] = [
        (site.copy, [mine], "target-may-be-production"),
        (site.production, [mine], "target-in-production-cluster"),
        (site.production, [somebodys], "target-in-production-cluster"),
        (site.other, [somebodys], "production-identity-unknown"),
        (site.other, [], "production-identity-unknown"),
    ]
    for server, known, code in cases:
        spec = DatabaseTarget(server=site.maker(server))
        with pytest.raises(Refused) as caught:
            drain(targets.create(spec, "restore-9", known))
        assert caught.value.code == code
    made = drain(targets.create(DatabaseTarget(server=site.maker(site.other)), "restore-8", [mine]))
    assert "is not production's" in made.proof
    _drop(site, site.other, "restore_8")
    site.untouched()


def moved(site: Site, name: str) -> Known:
    """What a baseline knows of a production that is, since then, the site's other server."""
    then = site.identity(site.production)
    site.run(site.other, f"CREATE DATABASE {name}")
    return [ProductionIdentity("baseline", "baseline 1", then, ours=True)]


def test_production_on_another_server_since_its_baseline(site: Site, targets: FreshTargets) -> None:
    known = moved(site, "rental")
    spec = DatabaseTarget(server=site.maker(site.other))
    with pytest.raises(Refused) as caught:
        drain(targets.create(spec, "restore-7", known))
    assert caught.value.code == "target-may-be-production"
    assert "it holds one of production's name, rental" in caught.value.means
    assert site.run(site.other, "SELECT FROM pg_database WHERE datname = 'restore_7'") == []
    made = drain(targets.create(spec, "restore-7", [*known, *site.live]))
    assert "(asked now)" in made.proof
    _drop(site, site.other, "restore_7")
    _drop(site, site.other, "rental")


def test_what_stays_possible_is_a_production_that_was_moved_and_renamed(
    site: Site, targets: FreshTargets
) -> None:
    known = moved(site, "rental_2027")
    spec = DatabaseTarget(server=site.maker(site.other))
    made = drain(targets.create(spec, "restore-7", known))
    assert "production did not answer; only baseline 1 knows it" in made.proof
    _drop(site, site.other, "restore_7")
    _drop(site, site.other, "rental_2027")


def test_a_directory_is_known_only_through_the_kernel(site: Site, tmp_path: Path) -> None:
    """A server's own word on its path is not taken: a forwarded socket's server is elsewhere."""
    assert site.identity(site.production).place == place_of(site.production.data)
    with Proxy(lambda _: site.socket(site.production), tmp_path / ".s.PGSQL.5432"):
        ref = DatabaseRef(host=str(tmp_path), port=5432, user="postgres", dbname="rental")
        with pgsession.connect(ref, os.environ) as connection:
            said = identity(connection)
    assert said.data_directory == str(site.production.data)
    assert said.place is None


# --- a server that answers differently the second time -------------------------------------------


@pytest.mark.parametrize("switch_at", [1, 2])
def test_another_server_the_second_time(site: Site, targets: FreshTargets, switch_at: int) -> None:
    """Proven on one connection, made on the next, looked at on the third."""
    ways: list[Address] = [site.socket(site.other), site.socket(site.production)]
    name = f"restore-{switch_at}"
    _drop(site, site.other, f"restore_{switch_at}")
    with Proxy(lambda number: ways[number >= switch_at]) as proxy:
        spec = DatabaseTarget(server=tcp("127.0.0.1", proxy.port))
        with pytest.raises((Refused, StepFailed)) as caught:
            drain(targets.create(spec, name, site.live))
    if switch_at == 1:
        assert caught.value.code == "target-in-production-cluster"
    else:  # production has no such database
        assert caught.value.code == "create-database"
    site.untouched()


def dump(folder: Path) -> LocalCopy:
    (folder / "copies" / "dump.sql").write_text(
        "-- PostgreSQL database dump\nCREATE TABLE public.orders (id int);\n"
        "INSERT INTO public.orders VALUES (1);\n-- PostgreSQL database dump complete\n"
    )
    return LocalCopy(name="copies/dump.sql", size=1, sha256="", checked="structure")


@pytest.mark.parametrize("lease_sees", ["production", "the target"])
def test_a_name_that_moves_between_making_and_loading(
    site: Site, targets: FreshTargets, tmp_path: Path, lease_sees: str
) -> None:
    """Production holds an empty database of the target's name: only its identity tells them apart."""
    _drop(site, site.other)
    ways: list[Address] = [site.socket(site.other), site.socket(site.production)]
    moved_at = 10_000
    with Proxy(lambda number: ways[number >= moved_at]) as proxy:
        spec = DatabaseTarget(server=tcp("127.0.0.1", proxy.port))
        target = drain(targets.create(spec, "restore-1", site.live))
        moved_at = proxy.served + (1 if lease_sees == "the target" else 0)
        with pytest.raises(Refused) as caught:
            drain(targets.load(target, dump(tmp_path)))
    assert caught.value.code == "target-changed"
    assert ("first statement" in caught.value.means) == (lease_sees == "the target")
    site.untouched()
    assert site.run(site.other, "SELECT FROM pg_class WHERE relname = 'orders'", "restore_1") == []


@pytest.fixture
def made(site: Site, targets: FreshTargets) -> Target:
    _drop(site, site.other)
    spec = DatabaseTarget(server=site.maker(site.other))
    return drain(targets.create(spec, "restore-1", site.live))


def test_a_database_made_again_under_the_same_name_and_mark(
    site: Site, targets: FreshTargets, tmp_path: Path, made: Target
) -> None:
    site.run(site.other, "DROP DATABASE restore_1")
    site.run(site.other, "CREATE DATABASE restore_1")
    site.run(site.other, f"COMMENT ON DATABASE restore_1 IS '{mark(made.nonce)}'")
    with pytest.raises(Refused) as caught:
        drain(targets.load(made, dump(tmp_path)))
    assert caught.value.code == "target-changed"
    assert str(made.identity.database_oid) in caught.value.means


def test_a_half_filled_target_is_never_used_again(
    site: Site, targets: FreshTargets, tmp_path: Path, made: Target
) -> None:
    drain(targets.load(made, dump(tmp_path)))
    with pytest.raises(Refused) as caught:
        drain(targets.load(made, dump(tmp_path)))
    assert caught.value.code == "target-not-empty"
    assert site.run(site.other, "SELECT count(*) FROM public.orders", "restore_1") == [(1,)]


# --- is it empty? --------------------------------------------------------------------------------

HELD = {
    "table public.t": "CREATE TABLE public.t (id int)",
    "view public.v": "CREATE VIEW public.v AS SELECT 1 AS one",
    "sequence public.s": "CREATE SEQUENCE public.s",
    "function public.f": "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
    "type public.d": "CREATE DOMAIN public.d AS int",
    "operator public.===": "CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "collation public.c": 'CREATE COLLATION public.c FROM "C"',
    "schema lost": "CREATE SCHEMA lost",
    "cast": "CREATE CAST (int AS point) WITH INOUT",
    "large object 42": "SELECT lo_create(42)",
    "event trigger e": "CREATE FUNCTION pg_temp.e() RETURNS event_trigger LANGUAGE plpgsql AS"
    " 'BEGIN END'; CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION pg_temp.e()",
    "foreign-data wrapper w": "CREATE FOREIGN DATA WRAPPER w",
    "foreign server r": "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER r FOREIGN DATA WRAPPER w",
    "publication p": "CREATE PUBLICATION p FOR ALL TABLES",
    "subscription u": "CREATE SUBSCRIPTION u CONNECTION 'host=x' PUBLICATION p"
    " WITH (connect = false)",
    "default rights of pg_monitor": "ALTER DEFAULT PRIVILEGES FOR ROLE pg_monitor GRANT SELECT ON TABLES TO PUBLIC",
    "setting search_path": "ALTER DATABASE empty SET search_path = elsewhere",
}


def test_everything_that_a_database_can_hold_is_seen(site: Site) -> None:
    site.run(site.other, "CREATE DATABASE empty TEMPLATE template0")
    try:
        with pgsession.connect(
            site.ref(site.other, "empty"), os.environ, read_only=False
        ) as connection:
            assert contents(connection) == []
            for shown, statements in HELD.items():
                connection.execute(statements.encode())
                found = contents(connection)
                names = [
                    f"{one.kind} {one.schema + '.' if one.schema else ''}{one.name}"
                    for one in found
                ]
                assert any(name.startswith(shown) for name in names), (shown, names)
                assert not any(one.of_extension for one in found)
                connection.rollback()
    finally:
        site.run(site.other, "DROP DATABASE empty")


def test_what_extensions_own_and_ignored_schemas_hold_counts_as_empty(
    site: Site, targets: FreshTargets, tmp_path: Path, made: Target
) -> None:
    site.run(
        site.other,
        "CREATE TABLE public.spatial_ref_sys (id int); CREATE SCHEMA cron; CREATE TABLE cron.job (id int);"
        "SET allow_system_table_mods = on;"
        "INSERT INTO pg_depend SELECT classid, objid, 0, 'pg_extension'::regclass,"
        " (SELECT oid FROM pg_extension), 0, 'e'"
        " FROM (SELECT 'pg_class'::regclass, 'public.spatial_ref_sys'::regclass::oid) x (classid, objid)",
        "restore_1",
    )
    with pytest.raises(Refused) as caught:
        drain(targets.load(made, dump(tmp_path)))
    assert caught.value.code == "target-not-empty"
    assert "spatial_ref_sys" not in caught.value.what
    drain(targets.load(made.model_copy(update={"ignored": ("cron",)}), dump(tmp_path)))
    assert site.run(site.other, "SELECT count(*) FROM public.orders", "restore_1") == [(1,)]


@pytest.mark.parametrize(
    ("template", "code"), [("template1", ""), ("template0", "target-not-empty")]
)
def test_a_polluted_template(site: Site, targets: FreshTargets, template: str, code: str) -> None:
    _drop(site, site.other)
    site.run(site.other, f"ALTER DATABASE {template} ALLOW_CONNECTIONS true")
    site.run(site.other, "CREATE TABLE public.leftover (id int)", template)
    spec = DatabaseTarget(server=site.maker(site.other))
    try:
        if code:
            with pytest.raises(Refused) as caught:
                drain(targets.create(spec, "restore-1", site.live))
            assert caught.value.code == code
        else:
            drain(targets.create(spec, "restore-1", site.live))
    finally:
        site.run(site.other, "DROP TABLE public.leftover", template)
        _drop(site, site.other)


# --- lies ------------------------------------------------------------------------------------------

LIES = """
CREATE SCHEMA lies;
CREATE FUNCTION lies.pg_control_system(OUT system_identifier bigint) LANGUAGE sql AS 'SELECT 1::bigint';
CREATE FUNCTION lies.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE FUNCTION lies.shobj_description(oid, name) RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$;
CREATE VIEW lies.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false;
CREATE VIEW lies.pg_database AS SELECT 1::oid AS oid, current_database() AS datname;
GRANT USAGE ON SCHEMA lies TO restorer;
GRANT SELECT ON ALL TABLES IN SCHEMA lies TO restorer;
"""


def test_a_search_path_cannot_make_a_server_lie(site: Site, made: Target) -> None:
    truth = made.identity
    site.run(site.other, LIES, "restore_1")
    site.run(
        site.other, "ALTER ROLE restorer IN DATABASE restore_1 SET search_path = lies, pg_catalog",
        "restore_1",
    )  # fmt: skip
    with pgsession.connect(
        made.connect, os.environ, autocommit=True, read_only=False
    ) as connection:
        row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        assert row == (1,)  # the lie is told to whoever does not look
        said = answer(connection).identity
        assert said.model_copy(update={"addresses": ()}) == truth.model_copy(
            update={"addresses": ()}
        )
        assert any(one.name == "pg_class" for one in contents(connection))
        before = connection.execute("SHOW search_path").fetchone()
        with connection.transaction(force_rollback=True), pytest.raises(psycopg.Error) as caught:
            connection.execute(Guard(made).statement().encode())
        assert "this is not the target" in str(caught.value)
        assert connection.execute("SHOW search_path").fetchone() == before


def test_no_text_of_a_dump_passes_for_the_guard(
    targets: FreshTargets, tmp_path: Path, made: Target
) -> None:
    held = dump(tmp_path)
    path = tmp_path / held.name
    lie = "DO $$ BEGIN RAISE EXCEPTION 'drbook: this is not the target'; END $$;\n"
    path.write_text(path.read_text() + lie)
    with pytest.raises(DrbookError) as caught:
        drain(targets.load(made, held))
    assert caught.value.code == "load"


def test_a_server_that_does_not_say_who_it_is_is_refused(site: Site, targets: FreshTargets) -> None:
    site.run(site.other, "CREATE ROLE maker LOGIN CREATEDB")
    site.run(site.other, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    server = site.ref(site.other).model_copy(update={"user": "maker"})
    try:
        with pytest.raises(Refused) as caught:
            drain(targets.create(DatabaseTarget(server=server), "restore-9", site.live))
        assert caught.value.code == "target-identity-unknown"
    finally:
        site.run(site.other, "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
        site.run(site.other, "DROP ROLE maker")


def test_the_environment_does_not_lead_a_tool_elsewhere(
    site: Site, targets: FreshTargets, tmp_path: Path, made: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libpq's variables mean to the proven connection is what the tool is given."""
    monkeypatch.setenv("PGPORT", "5432")
    monkeypatch.setenv("PGDATABASE", "rental")
    monkeypatch.setenv("PGHOST", "127.0.0.1")
    with lease(made, os.environ, CancelToken()) as connection:
        loader = load_module.Loader(made, os.environ, CancelToken(), ())
        told, _ = loader._connection(connection)
    assert "dbname=restore_1" in told
    assert f"host={site.other.socket}" in told
    drain(targets.load(made, dump(tmp_path)))
    site.untouched()
