"""The kinds of fresh target that are built in: a cluster of our own, a database on a given server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from drbook.core.errors import CouldNotVerify
from drbook.core.loading import loads
from drbook.core.ports import ProductionIdentity
from drbook.core.preflight import PlaceFacts
from drbook.core.signals import Working
from drbook.core.targets import ADMIN, LOADER, DatabaseRef, Target
from drbook.core.values import plain
from drbook.providers.targets.base import OpenableTarget, TargetMaker, Workshop

if TYPE_CHECKING:
    from drbook.providers.targets.recover import RecoveryMaker


def _name(text: str) -> str:
    if "/" in text or text in (".", ".."):
        raise ValueError("a name without slashes")
    return text


class ClusterTarget(OpenableTarget):
    """A new PostgreSQL cluster on this host, initialised by drbook."""

    kind: Literal["cluster"] = "cluster"
    dbname: Annotated[str, AfterValidator(_name)] | None = Field(default=None, max_length=63)
    """Name of the restored database; absent: production's."""
    extensions: tuple[str, ...] = ()
    """Extensions that the archive may have although they reach outside, like `postgres_fdw`."""

    @property
    def making(self) -> str:
        return "creates an empty cluster in the incident folder, on a private socket"

    @property
    def touches(self) -> str:
        return "only the new directory on this host"

    def runs(self, name: str, archive: str) -> tuple[str, ...]:
        data = f"targets/{name}/data"
        dbname = self.dbname or "(production's name)"
        return (
            f"initdb -D {data} -U {ADMIN} --auth-local=scram-sha-256 --auth-host=reject"
            "   # encoding and locale as the backup's",
            f"postgres -D {data} -c listen_addresses= -c archive_mode=off …   # on a private socket, isolated",
            f"CREATE DATABASE {dbname} TEMPLATE template0",
            *loads(LOADER, dbname, archive, whole_server=True),
        )

    def maker(self, workshop: Workshop) -> TargetMaker:
        from drbook.providers.targets.cluster import ClusterMaker

        return ClusterMaker(workshop, self.dbname, self.extensions)

    def recoverer(self, workshop: Workshop) -> RecoveryMaker:
        from drbook.providers.targets.recover import RecoveryMaker

        return RecoveryMaker(workshop, self.dbname)

    def foresee(
        self, workshop: Workshop, production: Sequence[ProductionIdentity]
    ) -> Working[PlaceFacts]:
        from drbook.providers.targets.foresee import cluster_place

        return cluster_place(workshop, production)
        yield

    @classmethod
    def ready(cls, target: Target, workshop: Workshop) -> Working[Target]:
        host = workshop.elsewhere.get(target.name)
        if host is not None:
            raise CouldNotVerify(
                f"The target {target.name} is a cluster on {plain(host, 100)}, in "
                f"{plain(target.location, 300)}. This machine took over from that one.",
                means="It is not here, and it is not started from here: its server may still run there.",
                next="Run the restore step again; it makes another target on this machine.",
                code="target-elsewhere",
            )
        here = workshop.pool.found(target, workshop.folder / "targets")
        return (yield from workshop.pool.running(here, workshop.tools(), workshop.cancel))


class DatabaseTarget(OpenableTarget):
    """A new database on a given server, which is refused where it is production or may be."""

    kind: Literal["database"] = "database"
    server: DatabaseRef
    """The server to create it on."""

    def into(self, name: str) -> str:
        return f"new database {name} on {self.server.show()}"

    @property
    def making(self) -> str:
        return "proves that the server is not production, then creates an empty database"

    @property
    def touches(self) -> str:
        return "only the new database on that server"

    def runs(self, name: str, archive: str) -> tuple[str, ...]:
        user = self.server.user or "(the server's login)"
        return (
            f'CREATE DATABASE "{name}" TEMPLATE template0   -- on {self.server.show()}',
            *loads(user, name, archive, whole_server=False),
        )

    def maker(self, workshop: Workshop) -> TargetMaker:
        from drbook.providers.targets.database import DatabaseMaker

        return DatabaseMaker(workshop, self.server)

    def foresee(
        self, workshop: Workshop, production: Sequence[ProductionIdentity]
    ) -> Working[PlaceFacts]:
        from drbook.providers.targets.foresee import server_place

        return server_place(workshop, self.server)
        yield
