"""Real PostgreSQL for the providers' tests: one cluster per worker, with a small business in it."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.pattern import create
from support.pg import ROLES, SCHEMA, Postgres, drain

from drbook.core.ports import ProductionIdentity
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, choose, find_tools
from drbook.providers.postgres import PostgresReader
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.fresh import FreshTargets
from drbook.providers.targets.pool import ServerPool


@pytest.fixture(scope="session")
def tools() -> tuple[PgTools, ...]:
    found = find_tools()
    assert any(one.has_server for one in found)
    return found


@pytest.fixture(scope="session")
def postgres(tools: tuple[PgTools, ...]) -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="drbook-test-") as folder:
        if server_user() == "nobody":
            Path(folder).chmod(0o711)
        chosen = choose([one for one in tools if one.origin == "extra"], server=True)[0]
        server = ClusterServer(chosen, Path(folder) / "production", name="test")
        server.make_folder()
        create(server)
        drain(server.start({"fsync": "off"}))
        try:
            made = Postgres(server, chosen)
            with made.connect("postgres") as connection:
                connection.execute("CREATE DATABASE rental")
                connection.execute(ROLES)
            with made.connect() as connection:
                connection.execute(SCHEMA)
                connection.execute("ALTER TABLE bookings OWNER TO reader")
                connection.execute('GRANT SELECT ON customers TO "Odd Role"')
            yield made
        finally:
            server.stop()


@pytest.fixture
def reader() -> PostgresReader:
    return PostgresReader(os.environ, CancelToken())


@pytest.fixture
def production(postgres: Postgres, reader: PostgresReader) -> list[ProductionIdentity]:
    identity = reader.probe(postgres.ref).identity
    assert identity is not None
    return [ProductionIdentity("live", "asked now", identity)]


@pytest.fixture
def targets(tmp_path: Path, tools: tuple[PgTools, ...]) -> Iterator[FreshTargets]:
    """Fresh targets in an incident folder; `copies/` is where the tests put dumps."""
    (tmp_path / "copies").mkdir()
    pool = ServerPool()
    yield FreshTargets(
        Workshop(tmp_path, os.environ, CancelToken(), pool, lambda: tools), TARGETS()
    )
    pool.close()
