"""A new database on a given server that is proven not to be production."""

from collections.abc import Sequence

import psycopg

from drbook.core.freshness import Answer, prove_other_server
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import ResourceCreated, ResourceIntended, Working
from drbook.core.targets import DatabaseRef, Target, TargetLook
from drbook.providers import pgsession
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.create import make_database, settings_in
from drbook.providers.targets.lease import asked
from drbook.providers.targets.roles import refuse_strong


class DatabaseMaker:
    """Makes databases with derived names on one server."""

    def __init__(self, workshop: Workshop, server: DatabaseRef) -> None:
        self._environment = workshop.environment
        self._settings = workshop.like.settings if workshop.like is not None else None
        self._server = server

    def create(
        self, name: str, nonce: str, production: Sequence[ProductionIdentity]
    ) -> Working[Target]:
        server, shown = self._server, self._server.show()

        def prove(answer: Answer) -> str:
            return prove_other_server(answer, shown, production)

        try:
            with pgsession.connect(server, self._environment) as connection:
                prove(asked(connection, shown))
                refuse_strong(connection, shown)
                connection.rollback()
        except psycopg.OperationalError as error:
            raise pgsession.no_connection(server, error) from None
        dbname = _derived(name)
        connect = server.model_copy(update={"dbname": dbname})
        yield ResourceIntended("database", name, nonce, f"{shown} · {dbname}")
        # Another connection may reach another server: all of it is proven again on that one.
        answer = make_database(
            server, connect, dbname, nonce, self._environment, prove, settings=self._settings
        )
        identity = answer.identity
        yield ResourceCreated("database", name, shown, identity.model_dump(mode="json"))
        return Target(
            kind="database",
            name=name,
            nonce=nonce,
            location=shown,
            connect=connect,
            identity=identity,
            settings=settings_in(connect, self._environment),
            proof=prove(answer),
            whole_server=False,
        )

    def look(self, name: str) -> TargetLook:
        dbname = _derived(name)
        try:
            with pgsession.connect(self._server, self._environment) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)
                ).fetchone()
                connection.rollback()
        except psycopg.Error as error:
            return TargetLook(name=name, state="unknown", reason=pgsession.said(error))
        word = "has" if found else "has no"
        return TargetLook(
            name=name,
            state="present" if found else "absent",
            reason=f"{self._server.show()} {word} database {dbname}.",
        )


def _derived(name: str) -> str:
    return name.replace("-", "_")[:63]
