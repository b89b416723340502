"""A physical copy made into a running cluster of our own: laid down, started in isolation, rolled forward
to where it should stop, and only then given logins."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drbook.core.errors import DrbookError, StepFailed
from drbook.core.isolation import forced
from drbook.core.points import RecoveryPoint
from drbook.core.ports import ProductionIdentity
from drbook.core.recovery import ENDED_EARLY, LogFacts, RecoveryAim, RecoveryReport, read_log
from drbook.core.signals import Milestone, ResourceIntended, Working
from drbook.core.targets import ADMIN, Target
from drbook.core.values import plain
from drbook.providers import private
from drbook.providers.baseverify import verify
from drbook.providers.pgserver import ClusterServer
from drbook.providers.pgtools import PgTools
from drbook.providers.sources.base import PhysicalSource, Place
from drbook.providers.targets.alone import isolation_of
from drbook.providers.targets.base import Workshop
from drbook.providers.targets.cluster import home_of
from drbook.providers.targets.folder import make_fresh, still
from drbook.providers.targets.foresee import best_known
from drbook.providers.targets.isolated import NOBODY_YET, configure, open_for_us, owner
from drbook.providers.targets.laiddown import LaidDown, settle
from drbook.providers.targets.pool import MARKER, marker_of
from drbook.providers.targets.waldoor import WalDoor

_NO_SAY = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf", "tablespace_map")
"""Tools write these anew, and they are not used."""


@dataclass(frozen=True, slots=True)
class Recovered:
    target: Target
    report: RecoveryReport


class RecoveryMaker:
    """Makes clusters out of physical copies, in `targets/` inside the incident's folder."""

    def __init__(self, workshop: Workshop, dbname: str | None) -> None:
        self._workshop = workshop
        self._dbname = dbname

    def recover(
        self,
        name: str,
        nonce: str,
        source: PhysicalSource,
        point: RecoveryPoint,
        aim: RecoveryAim,
        production: Sequence[ProductionIdentity],
    ) -> Working[Recovered]:
        """Raises Refused where the place is not proven to be fresh, StepFailed where the copy cannot be laid
        down, started or rolled forward to its aim."""
        begun = time.monotonic()
        shop = self._workshop
        home = home_of(shop, name, nonce)
        tools = exact_tools(shop.tools(), point)
        yield ResourceIntended("cluster", name, nonce, str(home))
        server = ClusterServer(
            tools, home, name=f"drbook-{name}", key=nonce, superuser=ADMIN, passwords=True
        )
        made = make_fresh(server, production)
        with private.replace(home / MARKER) as stream:
            stream.write(marker_of(name, nonce, shop.mode))
        server.bring_programs()
        place = Place(home / "data", home / "tablespaces", home / "scratch")
        for folder in (place.data, place.tablespaces, place.scratch):
            folder.mkdir(mode=0o700)
        archive = yield from source.lay_down(point, place)
        still(home, made)
        laid = settle(home, place.data, place.tablespaces, owner())
        _fits(laid, tools, point)
        yield from self._whole(place.data, tools)
        yield Milestone(
            f"laid down: {laid.bytes:,} bytes of PostgreSQL {laid.major}, system identifier "
            f"{laid.system_identifier}" + _another(laid, production),
            {"set_aside": list(laid.aside), "labelled": laid.labelled},
        )
        configure(server, nonce, NOBODY_YET)
        user = owner()[0] if owner()[0] != os.geteuid() else None
        with WalDoor(archive, home / "wal", user, needed=not aim.consistent) as door:
            facts, early = yield from self._roll(server, door, aim, laid)
            broken = "" if facts.stopped else _broken(facts, door)
        if broken:
            yield Milestone(f"not known to be all of the WAL: {broken}")
        shutil.rmtree(home / "wal", ignore_errors=True)
        shutil.rmtree(place.scratch, ignore_errors=True)
        server.stop()
        target, isolation = yield from open_for_us(
            shop, server, name, nonce, self._dbname, production
        )
        alone = isolation_of(target, shop.environment, shop.cancel)
        report = RecoveryReport(
            aim=aim,
            stopped=facts.stopped,
            stopped_at=facts.stopped_at,
            last_commit=facts.last_commit,
            ended_before_aim=early,
            broken=broken,
            redo_done=facts.redo_done,
            timeline=facts.timeline,
            wal_files=door.served,
            isolation=isolation,
            alone=alone,
            set_aside=laid.aside,
            server_version=tools.version,
            seconds=int(time.monotonic() - begun),
        )
        yield Milestone(alone.show(), alone.model_dump(mode="json"))
        yield Milestone(f"recovered: {report.show()}", report.model_dump(mode="json"))
        return Recovered(target, report)

    def _whole(self, data: Path, tools: PgTools) -> Working[None]:
        """What was laid down against its own manifest, where it has one: what the copy's place holds may have
        been read an hour ago, and its way here is one more. Raises StepFailed."""
        if not (data / "backup_manifest").is_file():
            return
        fact = yield from verify(data, tools.major, self._workshop.cancel, ignore=_NO_SAY)
        if fact.state == "damaged":
            raise StepFailed(
                f"What was laid down is not what its manifest says: {fact.reason}",
                means="Nothing was started. The target's folder is not used again.",
                next="Run the locate step again: it reads the copy anew, and passes over one that is damaged.",
                code="copy-damaged",
            )
        yield Milestone(f"laid down as its manifest says: {fact.reason}")

    # --- rolling forward -----------------------------------------------------------------------

    def _roll(
        self, server: ClusterServer, door: WalDoor, aim: RecoveryAim, laid: LaidDown
    ) -> Working[tuple[LogFacts, bool]]:
        """Until it is a server of its own; True where the WAL ended before the time that was aimed at: all
        of it lies before that moment then, and all of it is taken."""
        if not laid.labelled:
            yield from self._by_itself(server, aim)
            return read_log(_log(server)), False
        settings = {**forced(server.tools.major), "restore_command": door.command}
        wanted = {**settings, **aim.settings(), "recovery_target_action": "promote"}
        (server.data / "recovery.signal").touch(mode=0o600)
        os.chown(server.data / "recovery.signal", *owner())
        try:
            yield from server.start(wanted, self._workshop.cancel, watch=door.moved)
        except StepFailed as error:
            door.raise_error()
            facts = read_log(_log(server))
            if aim.time is None or not facts.ended_early:
                raise _not_rolled(facts, aim, error, _broken(facts, door)) from None
            yield Milestone(
                f"{ENDED_EARLY}: nothing that could be replayed is as late as {aim.show()}; what could be "
                "is taken"
            )
            yield from server.start(settings, self._workshop.cancel, watch=door.moved)
            door.raise_error()
            return read_log(_log(server)), True
        door.raise_error()
        return read_log(_log(server)), False

    def _by_itself(self, server: ClusterServer, aim: RecoveryAim) -> Working[None]:
        """A copy of a server that was shut down has nothing to roll back or forward."""
        state = yield from control_state(server, self._workshop)
        if state not in ("shut down", "shut down in recovery") or not (aim.consistent or aim.end):
            raise StepFailed(
                f"The copy has no backup_label, and its server was {plain(state, 60)}: where its recovery "
                "would have to begin is not known.",
                means="Files of a running server that were copied without a backup's begin and end belong "
                "to different moments. Nothing was started.",
                next="Choose another copy; of one of a server that was shut down, aim at its own end "
                "(`to: {consistent: true}`).",
                code="copy-unfit",
            )
        yield from server.start(forced(server.tools.major), self._workshop.cancel)


def exact_tools(tools: Sequence[PgTools], point: RecoveryPoint) -> PgTools:
    """A data directory is read by its own major version alone. Raises StepFailed where that is not here."""
    servers = [one for one in tools if one.has_server]
    major = (point.server_version or 0) // 10000
    fitting = [one for one in servers if one.major == major] if major else servers
    if not fitting:
        seen = ", ".join(one.show() for one in servers) or "none"
        wanted = f"PostgreSQL {major}" if major else "a PostgreSQL server"
        raise StepFailed(
            f"This copy needs the programs of {wanted}, and this machine has: {seen}.",
            means="A data directory can only be started by its own major version. Nothing was created.",
            next=f"Install postgresql-{major or '<version>'} here, or point DRBOOK_PG_BIN at its programs, "
            "then run the step again.",
            code="pg-tools",
        )
    return max(fitting, key=lambda one: one.version)


def _fits(laid: LaidDown, tools: PgTools, point: RecoveryPoint) -> None:
    if laid.major != tools.major:
        raise StepFailed(
            f"The copy is of PostgreSQL {laid.major}, and was to be started with {tools.show()}.",
            means="Nothing was started.",
            next=f"Install postgresql-{laid.major}, then run the step again.",
            code="pg-tools",
        )
    if point.system_identifier not in (None, laid.system_identifier):
        raise StepFailed(
            f"The copy says that it is of system {point.system_identifier}, and what was laid down is of "
            f"{laid.system_identifier}.",
            means="It is another cluster's. Nothing was started.",
            next="See what the backup tool has stored there, and choose another copy.",
            code="copy-unfit",
        )


def _another(laid: LaidDown, production: Sequence[ProductionIdentity]) -> str:
    """An upgrade gives production another identifier, so that this is told and decides nothing."""
    known = best_known(production)
    if known is None or known.system_identifier == laid.system_identifier:
        return ""
    return f", which is not production's {known.system_identifier}"


def _not_rolled(facts: LogFacts, aim: RecoveryAim, error: StepFailed, broken: str) -> StepFailed:
    said = plain(facts.fatal[-1], 300) if facts.fatal else error.what
    reached = (
        f" The last commit that was replayed is of {facts.last_commit}."
        if facts.last_commit
        else ""
    )
    if broken:
        reached += f" That is not known to be all of the WAL: {broken}."
    return StepFailed(
        f"It could not be rolled forward and stopped {aim.show()}: {said}.{reached}",
        means="The target is never used again.",
        next="Choose another aim or another copy: an aim has to lie after the copy's own end and within the "
        "WAL of its archive.",
        code="recovery",
    )


def _broken(facts: LogFacts, door: WalDoor) -> str:
    """Why the WAL did not end where the server found its end; empty where nothing speaks against it."""
    if door.damaged:
        return door.damaged.rstrip(".")
    try:
        name = door.behind()
    except DrbookError as error:
        return f"whether there is more WAL behind it could not be asked: {plain(error.what, 200)}"
    if name:
        why = f"the archive holds {name} behind it, so that WAL before that is damaged or missing"
        return f"{why} ({facts.damaged})" if facts.damaged else why
    return f"a record of it is damaged ({facts.damaged})" if facts.damaged else ""


def _log(server: ClusterServer) -> Iterator[str]:
    with (server.folder / "server.log").open(encoding="utf-8", errors="replace") as stream:
        yield from stream


def control_state(server: ClusterServer, shop: Workshop) -> Working[str]:
    """What the control file says of how its server ended."""
    from drbook.providers.process import run

    argv: list[str | Path] = [server.tools.path("pg_controldata"), "-D", server.data]
    done = yield from run(argv, env={"LC_ALL": "C"}, cancel=shop.cancel)
    for line in done.stdout.splitlines():
        label, _, value = line.partition(":")
        if label == "Database cluster state":
            return value.strip()
    return "in a state that pg_controldata does not say"
