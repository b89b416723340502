"""A new cluster of our own: an empty folder, a private socket, nobody else's writes."""

import json
from collections.abc import Sequence
from pathlib import Path

from drbook.core.errors import Refused, StepFailed
from drbook.core.ports import ProductionIdentity
from drbook.core.signals import Milestone, ResourceCreated, ResourceIntended, Working
from drbook.core.targets import Target, TargetLook
from drbook.providers.pgserver import ClusterServer, private_base, server_user
from drbook.providers.pgtools import choose
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.create import make_database
from drbook.providers.targets.roles import ADMIN, LOADER, READER, login, make_roles

MARKER = "drbook-target.json"


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
        major = next((known.identity.server_version // 10000 for known in production), None)
        tools, note = choose(shop.tools(), server=True, major=major)
        if note:
            yield Milestone(note)
        home = self._home(name, nonce)
        yield ResourceIntended("cluster", name, nonce, str(home))
        server = ClusterServer(
            tools, home, name=f"drbook-{name}", key=nonce, superuser=ADMIN, passwords=True
        )
        _make_home(server, name, nonce)
        yield from server.create(shop.cancel)
        yield from server.start(cancel=shop.cancel)
        shop.pool.add(name, server)
        dbname = self._dbname or next((one.identity.database for one in production), "restored")
        admin = login(server, ADMIN, dbname)
        first = login(server, ADMIN, "template1")
        identity = make_database(first, admin, dbname, nonce, shop.environment)
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
            proof="made by this incident in an empty folder, on a private socket; "
            "nobody else wrote to it",
            whole_server=True,
        )

    def look(self, name: str) -> TargetLook:
        home = self._workshop.folder / "targets" / name
        if home.exists():
            return TargetLook(name=name, state="present", reason=f"{home} exists.")
        return TargetLook(name=name, state="absent", reason=f"{home} does not exist.")

    def _home(self, name: str, nonce: str) -> Path:
        wanted = self._workshop.folder / "targets"
        wanted.mkdir(mode=0o700, exist_ok=True)
        base = private_base(server_user(), wanted)
        return wanted / name if base == wanted else base / f"drbook-{name}-{nonce[:8]}"


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
