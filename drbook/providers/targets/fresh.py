"""Making fresh targets, and working with them: `core.ports.Targets` for drills and live incidents."""

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg import sql

from drbook.core.baseline import Identity, TableCounts
from drbook.core.errors import Refused, StepFailed
from drbook.core.ports import Cancel, ProductionIdentity
from drbook.core.signals import Milestone, ResourceCreated, ResourceIntended, Working
from drbook.core.targets import DatabaseRef, LoadReport, LocalCopy, Target, TargetLook, TargetSpec
from drbook.core.values import plain
from drbook.providers import pgsession
from drbook.providers.pgserver import ClusterServer, private_base, server_user
from drbook.providers.pgtools import PgTools, choose
from drbook.providers.postgres import PostgresReader
from drbook.providers.targets.lease import mark
from drbook.providers.targets.load import Loader
from drbook.providers.targets.pool import ServerPool
from drbook.providers.targets.proof import prove_other_server, same_target

MARKER = "drbook-target.json"


class FreshTargets:
    """`folder` is the incident's; clusters are made in `targets/` inside it."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        cancel: Cancel,
        pool: ServerPool,
        tools: Callable[[], tuple[PgTools, ...]],
    ) -> None:
        self._folder = folder
        self._environment = environment
        self._cancel = cancel
        self._pool = pool
        self._tools = tools

    def create(
        self, spec: TargetSpec, name: str, production: Sequence[ProductionIdentity]
    ) -> Working[Target]:
        """Make a fresh target. Its name and nonce are on record before anything is created."""
        nonce = secrets.token_hex(16)
        if spec.server is not None:
            return (yield from self._database(spec.server, name, nonce, production))
        return (yield from self._cluster(spec, name, nonce, production))

    # --- a new cluster ----------------------------------------------------------------------

    def _cluster(
        self,
        spec: TargetSpec,
        name: str,
        nonce: str,
        production: Sequence[ProductionIdentity],
    ) -> Working[Target]:
        major = next((known.identity.server_version // 10000 for known in production), None)
        tools, note = choose(self._tools(), server=True, major=major)
        if note:
            yield Milestone(note)
        home = self._home(name, nonce)
        yield ResourceIntended("cluster", name, nonce, str(home))
        server = ClusterServer(tools, home, name=f"drbook-{name}", key=nonce)
        _make_home(server, name, nonce)
        yield from server.create(self._cancel)
        yield from server.start(cancel=self._cancel)
        self._pool.add(name, server)
        dbname = spec.dbname or next((one.identity.database for one in production), "restored")
        connect = server.ref("postgres" if dbname == "postgres" else dbname)
        identity = _make_database(
            server.ref("template1"), connect, dbname, nonce, self._environment
        )
        proof = (
            "made by this incident in an empty folder, on a private socket; nobody else wrote to it"
        )
        location = str(home)
        yield ResourceCreated("cluster", name, location, identity.model_dump(mode="json"))
        return Target(
            kind="cluster",
            name=name,
            nonce=nonce,
            location=location,
            connect=connect,
            identity=identity,
            proof=proof,
        )

    def _home(self, name: str, nonce: str) -> Path:
        wanted = self._folder / "targets"
        wanted.mkdir(mode=0o700, exist_ok=True)
        base = private_base(server_user(), wanted)
        return wanted / name if base == wanted else base / f"drbook-{name}-{nonce[:8]}"

    # --- a new database on a given server ---------------------------------------------------

    def _database(
        self,
        server: DatabaseRef,
        name: str,
        nonce: str,
        production: Sequence[ProductionIdentity],
    ) -> Working[Target]:
        try:
            with pgsession.connect(server, self._environment) as connection:
                given = pgsession.identity(connection)
                connection.rollback()
        except psycopg.OperationalError as error:
            raise pgsession.no_connection(server, error) from None
        proof = prove_other_server(given, server.show(), production)
        dbname = name.replace("-", "_")[:63]
        connect = server if server.dsn or server.service else server.model_copy()
        connect = connect.model_copy(update={"dbname": dbname})
        yield ResourceIntended("database", name, nonce, f"{server.show()} · {dbname}")
        identity = _make_database(server, connect, dbname, nonce, self._environment, given)
        yield ResourceCreated("database", name, server.show(), identity.model_dump(mode="json"))
        return Target(
            kind="database",
            name=name,
            nonce=nonce,
            location=server.show(),
            connect=connect,
            identity=identity,
            proof=proof,
        )

    # --- working with one -------------------------------------------------------------------

    def load(
        self, target: Target, copy: LocalCopy, *, first: Sequence[str] = ()
    ) -> Working[LoadReport]:
        """Load an archive under a lease. Raises StepFailed with the tool's own errors."""
        begun = time.monotonic()
        if target.kind == "cluster":
            yield from self._pool.running(target, self._tools(), self._cancel)
        loader = Loader(target, self._environment, self._cancel, self._tools())
        report = yield from loader.load(self._folder / copy.name, first)
        return report.model_copy(update={"seconds": int(time.monotonic() - begun)})

    def count(
        self, target: Target, *, ignore_schemas: Sequence[str] = (), content: bool = False
    ) -> Working[TableCounts]:
        """Exact counts on the target. Raises Refused where something else answers there."""
        if target.kind == "cluster":
            yield from self._pool.running(target, self._tools(), self._cancel)
        reader = PostgresReader(self._environment, self._cancel)
        counts = yield from reader.count(
            target.connect, ignore_schemas=ignore_schemas, content=content
        )
        same_target(target, counts.identity)
        return counts

    def look(self, spec: TargetSpec, name: str) -> TargetLook:
        """Whether something exists under a derived name."""
        if spec.server is None:
            home = self._folder / "targets" / name
            if home.exists():
                return TargetLook(name=name, state="present", reason=f"{home} exists.")
            return TargetLook(name=name, state="absent", reason=f"{home} does not exist.")
        dbname = name.replace("-", "_")[:63]
        try:
            with pgsession.connect(spec.server, self._environment) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)
                ).fetchone()
                connection.rollback()
        except psycopg.Error as error:
            return TargetLook(name=name, state="unknown", reason=pgsession.said(error))
        state = "present" if found else "absent"
        word = "has" if found else "has no"
        return TargetLook(
            name=name,
            state=state,
            reason=f"{spec.server.show()} {word} database {dbname}.",
        )


def _make_home(server: ClusterServer, name: str, nonce: str) -> None:
    try:
        server.make_folder()
    except FileExistsError:
        raise Refused(
            f"{server.folder} exists already.",
            means="It may hold an earlier attempt or somebody's data; it is neither used nor removed.",
            next="Run the step again: another attempt makes another target.",
            code="target-exists",
        ) from None
    except OSError as error:
        raise StepFailed(
            f"{server.folder} cannot be made: {error.strerror or error}.",
            means="Nothing was created.",
            next="Make room or mend the permissions, then run the step again.",
            code="target-folder",
        ) from None
    marker = json.dumps({"target": name, "nonce": nonce})
    (server.folder / MARKER).write_text(marker + "\n", encoding="utf-8")


def _make_database(
    server: DatabaseRef,
    connect: DatabaseRef,
    dbname: str,
    nonce: str,
    environment: Mapping[str, str],
    proven: Identity | None = None,
) -> Identity:
    """CREATE DATABASE on the proven server, then prove it again on a connection to it."""
    name = sql.Identifier(dbname)
    try:
        with pgsession.connect(server, environment, autocommit=True, read_only=False) as connection:
            if proven is not None:
                _same_server(proven, pgsession.identity(connection))
            row = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)
            ).fetchone()
            if row is not None and not (proven is None and dbname == "postgres"):
                raise Refused(
                    f"The database {plain(dbname, 100)} exists already on {server.show()}.",
                    means="It is neither used nor removed.",
                    next="Run the step again: another attempt makes another database.",
                    code="target-exists",
                )
            if row is None:
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(name)
                )
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(mark(nonce)))
            )
        with pgsession.connect(connect, environment) as connection:
            found = pgsession.identity(connection)
            connection.rollback()
    except psycopg.Error as error:
        raise StepFailed(
            f"The database {plain(dbname, 100)} could not be made on {server.show()}: "
            f"{pgsession.said(error)}",
            means="Nothing was restored.",
            next="Give a login that may create databases, or restore into a fresh cluster.",
            code="create-database",
        ) from None
    if proven is not None:
        _same_server(proven, found)
    return found


def _same_server(proven: Identity, found: Identity) -> None:
    if found.system_identifier != proven.system_identifier:
        raise Refused(
            "Another server answered the second time: its system identifier is "
            f"{found.system_identifier}, and it was {proven.system_identifier}.",
            means="A proxy or a changed address lies in between. Nothing was restored.",
            next="Give the server's own address, or restore into a fresh cluster.",
            code="target-changed",
        )
