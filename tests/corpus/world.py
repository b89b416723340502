"""Two servers for a whole run: production, and the one that is restored into; databases per case."""

import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from support.pg import drain

from corpus.case import Production
from drbook.core.baseline import Manifest, TableCounts
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef, Target
from drbook.providers.cancel import CancelToken
from drbook.providers.pgdump import dump_into
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.process import complete
from drbook.providers.targets.pool import ServerPool

ROLES = 'CREATE ROLE app_user; CREATE ROLE "Odd Role";'
MEMBERS = 'GRANT app_user TO "Odd Role";'


OWN_EXTENSIONS = 18
"""Since when a server may be told of another place of extensions."""
KEEPER = """
CREATE TABLE job (id bigserial PRIMARY KEY, what text, own boolean DEFAULT false);
INSERT INTO job (what, own) VALUES ('of the extension''s making', true);
CREATE TABLE made (id int); INSERT INTO made VALUES (1);
SELECT pg_catalog.pg_extension_config_dump('job', 'WHERE NOT own');
SELECT pg_catalog.pg_extension_config_dump('job_id_seq', '');
GRANT ALL ON job, job_id_seq TO PUBLIC;
"""
"""An extension, some of whose rows a dump holds; those of `made` it does not."""


@dataclass(frozen=True)
class Produced:
    """A production database, and what was taken of it."""

    ref: DatabaseRef
    dump: Path
    manifest: Manifest
    baseline: TableCounts | None


@dataclass
class Restored:
    """A loaded target, and a superuser's way into it."""

    target: Target
    world: "World"
    server: ClusterServer
    pool: ServerPool

    @property
    def dbname(self) -> str:
        return self.target.identity.database

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        admin = self.target.admin
        password = None
        user = "postgres"
        if admin is not None and admin.password is not None:
            user, password = (
                str(admin.user),
                Path(admin.password.removeprefix("file:")).read_text().strip(),
            )
        with psycopg.connect(
            host=str(self.server.socket),
            user=user,
            password=password,
            dbname=self.dbname,
            autocommit=True,
        ) as connection:
            yield connection

    def execute(self, sql: str) -> None:
        with self.connect() as connection:
            connection.execute(sql.encode())


@dataclass
class World:
    """Everything that cases share."""

    folder: Path
    tools: tuple[PgTools, ...]
    usual: PgTools
    """Whose server production runs on, and mostly what is restored into."""
    cancel: CancelToken = field(default_factory=CancelToken)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _stack: ExitStack = field(default_factory=ExitStack)
    _servers: dict[tuple[str, str], ClusterServer] = field(default_factory=dict)
    _produced: dict[Production, Produced] = field(default_factory=dict)
    _making: dict[Production, threading.Lock] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def other(self) -> PgTools | None:
        """Programs with a server of an older major than the usual one."""
        found = [one for one in self.tools if one.has_server and one.major < self.usual.major]
        return found[0] if found else None

    def server(self, what: str, tools: PgTools | None = None) -> ClusterServer:
        """`production` or `recovery`, started when it is first asked for."""
        chosen = tools or self.usual
        key = (what, str(chosen.bin))
        with self._lock:
            if key not in self._servers:
                name = f"{what}-{chosen.major}"
                server = ClusterServer(chosen, self.folder / name, name=name)
                server.make_folder()
                drain(server.create())
                most = "60" if what == "production" else "50"
                settings = {"fsync": "off", "max_connections": most, **self._own_extension(chosen)}
                drain(server.start(settings))
                self._stack.callback(server.stop)
                mine = MEMBERS if what == "production" else "CREATE ROLE restorer LOGIN CREATEDB"
                with connect(server, "postgres") as connection:
                    connection.execute((ROLES + mine).encode())
                self._servers[key] = server
            return self._servers[key]

    def _own_extension(self, tools: PgTools) -> Mapping[str, str]:
        """Where a server looks for an extension that keeps rows of a dump's, where it can be told."""
        if tools.major < OWN_EXTENSIONS:
            return {}
        folder = self.folder / "share" / "extension"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "keeper.control").write_text(
            "default_version = '1'\nrelocatable = false\nschema = keeper\ntrusted = true\n"
        )
        (folder / "keeper--1.sql").write_text(KEEPER)
        for path in (folder.parent, folder, *folder.iterdir()):
            path.chmod(0o755)
        return {"extension_control_path": f"{folder.parent}:$system"}

    def production(self, of: Production) -> Produced:
        with self._lock:
            making = self._making.setdefault(of, threading.Lock())
        with making:
            if of not in self._produced:
                self._produced[of] = self._produce(of)
            return self._produced[of]

    def _produce(self, of: Production) -> Produced:
        server = self.server("production", self.other if of.server == "other major" else None)
        name = f"shop_{next(self._numbers)}"
        with connect(server, "postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 {of.made}".encode())
        ref = server.ref(name)
        reader = PostgresReader(os.environ, self.cancel)

        def counted() -> TableCounts:
            return drain(reader.count(ref, content=of.content, structure="read", ranges=of.content))

        self._execute(server, name, of.sql)
        baseline = counted() if of.baseline == "older" else None
        self._execute(server, name, of.then)
        folder = self.folder / "dumps" / name
        folder.mkdir(parents=True)
        command = " ".join(["pg_dump --snapshot={snapshot} -f {output}", *of.options, "{connect}"])
        with dump_into(
            command, folder / "shop.dump", tools=lambda: self.tools, cancel=self.cancel
        ) as run:

            def alongside(leader: psycopg.Connection, snapshot: str) -> Working[None]:
                self._execute(server, name, of.meanwhile)
                yield from run.alongside(leader, snapshot)

            counts = drain(
                reader.count(ref, content=of.content, structure="read", alongside=alongside)
            )
            manifest = run.keep(counts)
        self._execute(server, name, of.later)
        if of.baseline == "younger":
            baseline = counted()
        return Produced(ref, folder / "shop.dump", manifest, baseline)

    @staticmethod
    def _execute(server: ClusterServer, name: str, sql: str) -> None:
        if sql:
            with connect(server, name) as connection:
                connection.execute(sql.encode())

    def can_write(self, compression: str) -> str:
        """Why the usual pg_dump cannot compress so; empty where it can."""
        server = self.server("production")
        done = complete(
            [
                self.usual.path("pg_dump"), "-Fc", f"--compress={compression}", "--schema-only",
                f"--host={server.socket}", "--username=postgres", "--dbname=postgres",
                f"--file={os.devnull}", "--no-sync",
            ]
        )  # fmt: skip
        return "" if done.exit_code == 0 else f"no pg_dump here writes {compression}"

    def close(self) -> None:
        self._stack.close()


def connect(server: ClusterServer, dbname: str) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket), user="postgres", dbname=dbname, autocommit=True)


def servers(tools: Sequence[PgTools]) -> list[PgTools]:
    """Every PostgreSQL here that has a server: that of the extra first, then the newest."""
    here = [one for one in tools if one.has_server]
    return sorted(here, key=lambda one: (one.origin != "extra", -one.version))


@contextmanager
def opened(
    usual: PgTools | None = None, environment: Mapping[str, str] = os.environ
) -> Iterator[World]:
    """A world in a folder of its own that is gone afterwards; on the extra's server where none is named."""
    with tempfile.TemporaryDirectory(prefix="drbook-corpus-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        tools = find_tools(environment)
        world = World(Path(folder), tools, usual or servers(tools)[0])
        try:
            yield world
        finally:
            world.close()
