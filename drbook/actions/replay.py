"""`postgres.pause_replay`: a standby stops replaying before the loss reaches it."""

from datetime import timedelta

from drbook.core.actions import Action, Finished, Probed, StepContext
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.signals import Milestone, Working
from drbook.core.standby import PAUSE, RESUME, Replay, alarm, holds_loss
from drbook.core.values import Frozen, plain, show_duration, show_time

SETTLES = timedelta(seconds=30)
"""How long it may take until a pause that was asked for has taken hold; a long recovery conflict may take
longer."""
_LOOK = timedelta(milliseconds=500)


class PauseParams(Frozen):
    source: str
    """The id of a source of `kind: standby`."""


class PauseResult(Frozen):
    """How the standby stands, and how it goes on."""

    source: str
    replay: Replay
    already: bool = False
    """True where somebody had paused it before."""
    undo: str = RESUME
    """The statement that lets it replay on."""


class PauseReplay(Action[PauseParams]):
    """Containing, and taken back by one statement: it needs no confirmation."""

    name = "postgres.pause_replay"
    title = "Pause the standby's replay"
    params = PauseParams
    result = PauseResult
    effect = Effect.IDEMPOTENT

    def plan(self, params: PauseParams, context: StepContext) -> Plan:
        name = plain(params.source, 60)
        return Plan(
            does=(
                f"asks the standby {name} to pause its replay, in a session that only reads",
                f"asks it back until it stands, for at most {show_duration(SETTLES)}",
                f"a person lets it replay on: {RESUME}",
            ),
            runs=(PAUSE,),
            source=name,
            touches=f"the replay of {name}, which falls behind and keeps the WAL that it receives, on its disk",
            expects="a standby that stands before the loss",
        )

    def perform(self, params: PauseParams, context: StepContext, ports: Ports) -> Working[Finished]:
        before = ports.standbys.look(params.source)
        name = plain(params.source, 60)
        yield Milestone(f"{name}: {before.show()}", before.model_dump(mode="json"))
        if said := alarm(before, context.occurred):
            yield Milestone(f"{name}: {said}")
        if before.held:
            return _finished(params, before, context, already=True)
        yield Milestone(f"asking {name} to pause its replay; to undo it, there: {RESUME}")
        ports.standbys.pause(params.source)
        after = yield from self._settled(params, before, ports)
        return _finished(params, after, context)

    def _settled(self, params: PauseParams, before: Replay, ports: Ports) -> Working[Replay]:
        """As it stands; in the wait of its delay a request counts once replay has not moved for a look."""
        until = ports.clock.monotonic() + SETTLES.total_seconds()
        last = before
        while True:
            found = ports.standbys.look(params.source)
            still = found.held and found.replayed == last.replayed
            if found.pause == "paused" or still or ports.clock.monotonic() > until:
                yield Milestone(f"asked back: {found.show()}", found.model_dump(mode="json"))
                return found
            last = found
            ports.cancel.wait(_LOOK)
            ports.cancel.raise_if_requested()

    def probe(self, params: PauseParams, context: StepContext, ports: Ports) -> Probed:
        try:
            found = ports.standbys.look(params.source)
        except DrbookError as error:
            return Probed("unknown", error.what)
        if found.pause is None:
            return Probed("unknown", "it does not say whether its replay is paused")
        answer: str = "not paused" if found.pause == "not paused" else "paused or asked to pause"
        return Probed(
            "did-not-happen" if found.pause == "not paused" else "happened", f"it is {answer}"
        )


def _finished(
    params: PauseParams, replay: Replay, context: StepContext, *, already: bool = False
) -> Finished:
    name = plain(params.source, 60)
    result = PauseResult(source=params.source, replay=replay, already=already)
    if not replay.held:
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            f"{name} was asked to pause, and does not say that it stands: {replay.pause or 'it cannot say'}.",
            means="It may replay on, and the loss may reach it.",
            next="Look at its log and at pg_get_wal_replay_pause_state() there; if it must stand now, stop its "
            "server (pg_ctl stop): stopped, it replays nothing.",
        )
    how = (
        "is paused"
        if replay.pause == "paused"
        else "pauses before the next commit that waits for its delay"
    )
    reason = f"{name} {how}, at {replay.replayed}, of {show_time(replay.moment)}"
    reason += " (somebody had paused it before)" if already else ""
    if loss := holds_loss(replay, context.occurred):
        reason += f"; too late: {loss}"
    return Finished(result, reason=f"{reason}; to undo it: {RESUME}")
