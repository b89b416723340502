"""A PostgreSQL server that is not drbook's own, as `target: {kind: database}` names one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from drbook.core.ports import ProductionIdentity
from drbook.core.targets import DatabaseRef
from drbook.providers import pgsession
from drbook.providers.pgidentity import identity
from drbook.providers.pgserver import ClusterServer, server_user
from drbook.providers.pgtools import PgTools, find_tools
from support.pattern import create
from support.pg import drain

SERVERS = {one.major: one for one in find_tools() if one.has_server}
"""One of each version that is here; CI has two."""


class Given:
    """The server, and its own administrator's hand on it."""

    def __init__(self, server: ClusterServer, major: int) -> None:
        self.server = server
        self.major = major

    def connect(self, user: str = "postgres", dbname: str = "postgres") -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.server.socket), user=user, dbname=dbname, autocommit=True
        )

    def run(self, statement: str) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def ref(self, user: str = "restorer") -> DatabaseRef:
        return self.server.ref("postgres").model_copy(update={"user": user})

    def elsewhere(self) -> list[ProductionIdentity]:
        """A production that this server is not: a refusal is about the login alone."""
        with pgsession.connect(self.server.ref("postgres"), os.environ) as connection:
            other = identity(connection).model_copy(update={"system_identifier": "1"})
        return [ProductionIdentity("live", "asked now", other)]


@contextmanager
def given_server(tools: PgTools, folder: Path) -> Iterator[Given]:
    """One that runs until the block ends; where tests run as root, it runs as nobody below `folder`."""
    if server_user() == "nobody":
        for each in (folder, *folder.parents[:2]):
            each.chmod(0o711)
    server = ClusterServer(tools, folder / "server", name="given")
    server.make_folder()
    create(server)
    drain(server.start({"fsync": "off"}))
    try:
        yield Given(server, tools.major)
    finally:
        server.stop()
