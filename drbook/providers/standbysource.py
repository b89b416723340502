"""Reading a standby: one recovery point, and the dump that is made of it while its replay stands.

It is asked and dumped by sessions that only read. That the dump is of the point that was listed is shown by
the end of what was replayed, which never goes back: it is the same before and after.
"""

from collections.abc import Sequence
from pathlib import Path

from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, Refused, StepFailed
from drbook.core.holding import NO_SNAPSHOT, NO_VAULT
from drbook.core.points import (
    ByteFact,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
)
from drbook.core.signals import Output, Progress, Signal, Working
from drbook.core.standby import Replay, coupling, unreadable
from drbook.core.values import plain, show_time
from drbook.providers.hiding import Secret, scrub
from drbook.providers.pgdump import connect_string
from drbook.providers.pgsession import guarded
from drbook.providers.pgtools import ENGLISH, choose, find_tools
from drbook.providers.process import run
from drbook.providers.sources.base import Blob, Opening, Spoilt
from drbook.providers.sources.standby import StandbySource
from drbook.providers.standbyask import ANSWER, ask, replay_of

POINT = "as-replayed"
"""The id of the one copy that a standby is."""
LOCK_WAIT = "60s"
"""How long the dump waits for a lock: replay that stands may hold one until it goes on."""
_NO_PLACE = "a standby keeps no versions, locks or rules of its own"


class StandbyReader:
    """Implements `MadeSource`."""

    def __init__(self, config: StandbySource, opening: Opening) -> None:
        self._config = config
        self._opening = opening
        self._cancel = opening.cancel
        self.left_out: tuple[str, ...] = ()

    def close(self) -> None:
        """Nothing is held open."""

    def _ask(self) -> Replay:
        return ask(
            self._config.database,
            self._opening.secrets,
            self._cancel,
            refuse_strong=self._opening.readers_only,
        )

    def survey(self) -> SourceFacts:
        """What is no standby (any more) is not reachable as one, and says so."""
        try:
            replay = self._ask()
        except (CouldNotVerify, StepFailed, Refused) as error:
            why = f"{error.what} {error.next}".strip()
            return SourceFacts(source=self._config.id, reachable=False, why_unreachable=why)
        nobody = Observed(why=_NO_PLACE)
        return SourceFacts(
            source=self._config.id,
            reachable=True,
            account=Observed(why="a server does not say whose it is"),
            versioned=nobody,
            lock_default=nobody,
            deletes_replicated=Observed(value=coupling(replay)[0]),
            expires_after_days=nobody,
            policy_limits_deletes=nobody,
            region=Observed(why="a server does not say where it is"),
            opened=Observed(why="it answered to its login, and nothing there is encrypted"),
        )

    def points(self) -> Working[Sequence[RecoveryPoint]]:
        self._cancel.raise_if_requested()
        yield Progress("ask the standby", 0, 1, "copies")
        try:
            replay = self._ask()
        except (StepFailed, Refused) as error:
            raise CouldNotVerify(
                error.what, means=error.means, next=error.next, code="list-failed"
            ) from None
        yield Output(replay.show())
        return [self._point(replay)]

    def _point(self, replay: Replay) -> RecoveryPoint:
        note = "the commit time of its last replayed transaction, by production's clock"
        if replay.transaction_at != replay.moment:
            note = (
                "the time of the checkpoint up to which it has replayed all, by production's clock"
            )
            if replay.transaction_at is None:
                note += "; it has replayed no transaction since it started"
        return RecoveryPoint(
            source=self._config.id,
            id=POINT,
            taken_at=replay.moment,
            taken_by="production",
            taken_note=note,
            size=0,
            size_is="unknown",
            seen=f"{replay.timeline} {replay.replayed}",
            location=plain(f"the standby {self._config.database.show()}", 300),
            domain=self._config.domain,
            database_bytes=replay.database_bytes,
            server_version=replay.server_version,
            system_identifier=replay.system_identifier,
            standby=True,
        )

    def facts(self, point: RecoveryPoint) -> PointFacts:
        """Asked anew: what was listed a moment ago may have moved."""
        replay, still = None, point.id == POINT
        fact = ByteFact(state="unread", reason="it is dumped and read when it is checked")
        if not still:
            fact = ByteFact(state="unknown", reason="a standby is one copy, and this is not its id")
        try:
            replay = self._ask()
            if still and (why := unreadable(replay)):
                fact = ByteFact(state="unknown", reason=why)
        except DrbookError as error:
            self._cancel.raise_if_requested()
            fact = ByteFact(state="unknown", reason=error.what)
        return PointFacts(
            point=point,
            vault=NO_VAULT,
            snapshot=NO_SNAPSHOT,
            lock=LockFact(why_unknown=_NO_PLACE),
            still_there=still,
            bytes=fact,
            replay=replay,
        )

    def manifest(self, point: RecoveryPoint) -> None:
        """Nobody counted what it holds."""
        return

    def files(self, point: RecoveryPoint) -> Sequence[tuple[str, Blob]]:
        raise StepFailed(
            f"{point.location} is a running server, and has no file to fetch.",
            means="Nothing was downloaded.",
            next="Restore it with `postgres.restore`, which dumps it.",
            code="standby",
        )

    # --- the dump ------------------------------------------------------------------------------

    def dump(self, point: RecoveryPoint, into: Path) -> Working[None]:
        try:
            with guarded(
                self._config.database,
                self._opening.secrets,
                self._cancel,
                timeout=ANSWER,
                refuse_strong=self._opening.readers_only,
            ) as connection:
                self._must_stand(point, replay_of(connection, self._config.database, self._cancel))
                where, password = connect_string(connection), connection.info.password
                major = connection.info.server_version // 10000
            yield from self._dumped(into, where, password, major)
            self._must_stand(point, self._ask())
        except Cancelled:
            raise
        except DrbookError as error:
            self._cancel.raise_if_requested()
            raise _not_now(f"{error.what} {error.next}") from None

    def _must_stand(self, point: RecoveryPoint, replay: Replay) -> None:
        """Raises Spoilt where a dump would be of another moment than the one that was chosen."""
        if point.id != POINT:
            raise _not_now("a standby is one copy, and this is not its id")
        if not replay.held:
            raise _not_now(
                "its replay is not paused, and what it shows changes: run the step "
                "`postgres.pause_replay`, then look for recovery points again"
            )
        seen = f"{replay.timeline} {replay.replayed}"
        if seen != point.seen:
            raise _not_now(
                f"it has replayed on since it was listed: up to {replay.replayed}, of "
                f"{show_time(replay.moment)}; look for recovery points again"
            )
        if replay.system_identifier != point.system_identifier:
            raise _not_now("another system answers there than the one that was listed")
        if why := unreadable(replay):
            raise _not_now(why)

    def _dumped(self, into: Path, where: str, password: str, major: int) -> Working[None]:
        tools = choose(find_tools(), server=False, major=major, at_least=major)[0]
        argv: list[str | Path] = [tools.path("pg_dump"), "--format=custom", "--no-password"]
        argv += [f"--lock-wait-timeout={LOCK_WAIT}", f"--file={into}", f"--dbname={where}"]
        secret = {"PGPASSWORD": Secret(password)} if password else {}
        only_reads = {"PGOPTIONS": "-c default_transaction_read_only=on"}

        def grown() -> Signal | None:
            size = into.stat().st_size if into.exists() else 0
            return Progress("dump the standby", size, None, "bytes")

        done = yield from run(
            argv, env={**ENGLISH, **only_reads, **secret}, cancel=self._cancel, tick=grown
        )
        if done.exit_code != 0:
            tail = plain(scrub(" ".join(done.stderr.split())[-400:]), 400)
            raise _not_now(
                f"pg_dump failed with exit code {done.exit_code}: {tail or 'it said nothing'}"
            )


def _not_now(why: str) -> Spoilt:
    return Spoilt(ByteFact(state="unknown", reason=plain(why, 600)))
