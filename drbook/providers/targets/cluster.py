"""A new cluster of our own: an empty folder, a private socket, nobody else's writes."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from drbook.core.archivefacts import DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.freshness import Answer
from drbook.core.isolation import forced
from drbook.core.ports import ProductionIdentity
from drbook.core.refusals import refused
from drbook.core.signals import Milestone, ResourceCreated, ResourceIntended, Working
from drbook.core.targets import ADMIN, LOADER, READER, Target, TargetLook
from drbook.core.textsettings import usual
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.pgcontrol import system_identifier_in
from drbook.providers.pgidentity import place_of
from drbook.providers.pgserver import ClusterServer, private_base, server_user
from drbook.providers.targets.alone import must_keep_to_itself
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.create import make_database, settings_in
from drbook.providers.targets.folder import make_fresh, still
from drbook.providers.targets.foresee import best_known, cluster_settings, cluster_tools
from drbook.providers.targets.pool import MARKER, marker_of
from drbook.providers.targets.roles import login, make_roles


class ClusterMaker:
    """Makes clusters in `targets/` inside the incident's folder."""

    def __init__(
        self, workshop: Workshop, dbname: str | None, extensions: tuple[str, ...] = ()
    ) -> None:
        self._workshop = workshop
        self._dbname = dbname
        self._extensions = extensions

    def create(
        self, name: str, nonce: str, production: Sequence[ProductionIdentity]
    ) -> Working[Target]:
        shop = self._workshop
        like = best_known(production)
        tools, note = cluster_tools(shop, production)
        if note:
            yield Milestone(note)
        home = home_of(shop, name, nonce)
        yield ResourceIntended("cluster", name, nonce, str(home))
        server = ClusterServer(
            tools, home, name=f"drbook-{name}", key=nonce, superuser=ADMIN, passwords=True
        )
        made = make_fresh(server, production)
        with private.replace(home / MARKER) as stream:
            stream.write(marker_of(name, nonce, shop.mode))
        server.bring_programs()
        settings = yield from self._initialise(server)
        still(home, made)
        yield from server.start(forced(server.tools.major), shop.cancel)
        shop.pool.add(name, server)
        dbname = self._dbname or (like.database if like is not None else "restored")
        admin = login(server, ADMIN, dbname)
        answer = make_database(
            login(server, ADMIN, "template1"),
            admin,
            dbname,
            nonce,
            shop.environment,
            lambda answer: ours(answer, server),
            own_server=True,
            mode=shop.mode,
            look=must_keep_to_itself,
            settings=settings,
        )
        identity = answer.identity
        make_roles(server, dbname, shop.environment)
        yield ResourceCreated("cluster", name, str(home), identity.model_dump(mode="json"))
        return Target(
            kind="cluster",
            name=name,
            nonce=nonce,
            location=str(home),
            connect=login(server, READER, dbname),
            loader=login(server, LOADER, dbname),
            admin=admin,
            extensions=self._extensions,
            identity=identity,
            settings=settings_in(admin, shop.environment),
            proof="made by this incident in an empty folder, on a private socket; "
            "nobody else wrote to it",
            whole_server=True,
        )

    def _initialise(self, server: ClusterServer) -> Working[DatabaseSettings]:
        """initdb, like the archive's database; where that fails, as every new cluster is made."""
        wanted = cluster_settings(self._workshop, server.tools)
        default = usual(server.tools.major, linux=sys.platform == "linux")
        if wanted == default:
            yield from server.create(self._workshop.cancel, default)
            return default
        try:
            yield from server.create(self._workshop.cancel, wanted)
        except StepFailed as error:
            if error.code != "initdb" or server.data.exists():
                raise
            yield Milestone(f"not made like the backup's database: {error.what}")
            yield from server.create(self._workshop.cancel, default)
            return default
        return wanted

    def look(self, name: str) -> TargetLook:
        host = self._workshop.elsewhere.get(name)
        if host is not None:
            reason = f"It was tried on {plain(host, 100)}, which this machine took over from."
            return TargetLook(name=name, state="unknown", reason=reason)
        home = self._workshop.folder / "targets" / name
        base = private_base(server_user(), home.parent)
        aside = [] if base == home.parent else sorted(base.glob(f"drbook-{name}-*"))
        for place in (home, *aside):
            if os.path.lexists(place):
                return TargetLook(name=name, state="present", reason=f"{place} exists.")
        where = str(home) if base == home.parent else f"{home}, or {base}/drbook-{name}-…,"
        return TargetLook(name=name, state="absent", reason=f"{where} does not exist.")


def home_of(workshop: Workshop, name: str, nonce: str) -> Path:
    """Where a cluster of this name is made; the folder that will hold it is there afterwards."""
    wanted = workshop.folder / "targets"
    with suppress(FileExistsError):  # what stands there is looked at before it is used
        wanted.mkdir(mode=0o700)
    base = private_base(server_user(), wanted)
    return wanted / name if base == wanted else base / f"drbook-{name}-{nonce[:8]}"


def ours(answer: Answer, server: ClusterServer) -> None:
    """Raises Refused where something else answers at the private socket than the cluster made here."""
    who = answer.identity
    made = system_identifier_in(server.data)
    elsewhere = who.place is not None and who.place != place_of(server.data)
    if who.system_identifier != made or elsewhere:
        raise refused(
            "target-changed",
            f"Another server than the one that was just made answers at {server.socket}.",
            compared=f"made was system identifier {made} in {server.data}; answering is "
            f"{who.system_identifier}",
        )
