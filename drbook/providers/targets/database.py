"""A new database on a given server that is proven not to be production."""

from collections.abc import Sequence

import psycopg

from drbook.core.baseline import Identity
from drbook.core.freshness import Answer, prove_other_server
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import ResourceCreated, ResourceIntended, Working
from drbook.core.targets import DatabaseRef, Target, TargetLook
from drbook.providers import pgsession
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.create import make_database, settings_in
from drbook.providers.targets.lease import asked
from drbook.providers.targets.roles import refuse_strong
from drbook.providers.targets.sessions import Remains


class DatabaseMaker:
    """Makes databases with derived names on one server."""

    def __init__(self, workshop: Workshop, server: DatabaseRef) -> None:
        self._environment = workshop.environment
        self._settings = workshop.like.settings if workshop.like is not None else None
        self._server = server
        self._made = workshop.made
        self._mode = workshop.mode

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
        dbname = derived(name)
        connect = server.model_copy(update={"dbname": dbname})
        yield ResourceIntended("database", name, nonce, f"{shown} · {dbname}")
        # Another connection may reach another server: all of it is proven again on that one.
        answer = make_database(
            server,
            connect,
            dbname,
            nonce,
            self._environment,
            prove,
            settings=self._settings,
            mode=self._mode,
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
        """Whether the database is there; what still runs in it of a load that broke off is ended."""
        dbname = derived(name)
        remains = self._remains(name)
        try:
            with pgsession.connect(self._server, self._environment) as connection:
                found = connection.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (dbname,)
                ).fetchone()
                connection.rollback()
        except psycopg.Error as error:
            why = pgsession.said(error)
            reason = why if remains is None else remains.unknown(why).sentence
            return TargetLook(name=name, state="unknown", reason=reason)
        shown = self._server.show()
        if not found:
            reason = f"{shown} has no database {dbname}."
            return TargetLook(name=name, state="absent", reason=reason)
        said = (
            "That it was made is not on record: what runs in it was not looked at."
            if remains is None
            else remains.end().sentence
        )
        reason = f"{shown} has database {dbname}. {said}"
        return TargetLook(name=name, state="present", reason=reason)

    def _remains(self, name: str) -> Remains | None:
        """What may still run of a load; None where the database is not on record as made: then no
        load of this record had begun."""
        made = self._made.get(name)
        if made is None:
            return None
        identity = Identity.model_validate(made)
        return Remains(self._server, self._environment, identity, self._server.show())


def derived(name: str) -> str:
    """The database's name on its server."""
    return name.replace("-", "_")[:63]
