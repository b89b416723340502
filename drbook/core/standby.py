"""A standby as a source of a recovery point: when a loss reaches it, whether it holds it, and how it becomes
a copy that stands still. Pure.

A delayed standby holds every commit back until the standby's own clock shows production's commit time plus
the delay (PostgreSQL, `recovery_min_apply_delay`). While it waits so, a pause is only *requested*: it takes
hold when the wait is over, and before that commit is applied (`xlogrecovery.c`, PerformWalRecovery). The
lock of a DROP, TRUNCATE or rewrite is replayed before its commit: while that one waits, nobody can read the
table there.
"""

from collections.abc import Set
from datetime import datetime, timedelta
from typing import Literal

from drbook.core.values import Frozen, UtcTime, plain, show_duration, show_time

PAUSE = "SELECT pg_catalog.pg_wal_replay_pause()"
RESUME = "SELECT pg_catalog.pg_wal_replay_resume()"
"""The undo of a pause."""
PAUSE_STEP = "postgres.pause_replay"


FOREIGN = "it is a standby of another system"
"""How the reason begins for which it is no way back at all."""


class Replay(Frozen):
    """How a standby's replay stands, as the standby itself said in one look."""

    system_identifier: str | None = None
    """Of its cluster, which is production's own; None where the login may not ask."""
    timeline: int | None = None
    received: str | None = None
    """The end of the WAL that its receiver brought since it started; None where none came."""
    replayed: str
    """The end of what is replayed: what anybody sees there."""
    transaction_at: UtcTime | None = None
    """Commit time of its last replayed transaction, by production's clock; None where it replayed none since
    it started."""
    moment: UtcTime
    """That, or the later time of the checkpoint that it began from: everything up to then is in it."""
    asked_at: UtcTime
    """By the standby's own clock, which is the one that its delay runs on."""
    pause: Literal["not paused", "pause requested", "paused"] | None = None
    """None where it does not say: before PostgreSQL 14 nobody is told whether a pause has taken hold."""
    delay_ms: int | None = None
    """`recovery_min_apply_delay`."""
    receiver: str | None = None
    """State of its WAL receiver, `running` where a login may see no more; empty where none runs."""
    server_version: int
    database_bytes: int | None = None
    locked: tuple[str, ...] = ()
    """Tables of its database that replay holds against every reader."""
    unknown: tuple[str, ...] = ()
    """What could not be asked, each with the reason."""

    @property
    def delay(self) -> timedelta:
        return timedelta(milliseconds=self.delay_ms or 0)

    @property
    def held(self) -> bool:
        """Whether nothing more is applied: paused, or asked to in the wait before a delayed commit."""
        return self.pause == "paused" or (self.pause == "pause requested" and bool(self.delay_ms))

    @property
    def stopped(self) -> bool:
        """Whether no WAL comes by streaming now."""
        return self.receiver == ""

    def arrives(self, occurred: datetime | None) -> datetime | None:
        """When a loss of that moment is replayed, by the standby's clock, if nobody pauses it."""
        if occurred is None or self.delay_ms is None:
            return None
        return occurred + self.delay

    def show(self) -> str:
        """One line of facts, safe to show."""
        late = show_duration(self.delay) if self.delay_ms else "no"
        parts = [
            f"timeline {self.timeline if self.timeline is not None else 'unknown'}",
            f"replayed up to {plain(self.replayed, 40)}, received up to {plain(self.received or 'unknown', 40)}",
            f"{late} delay" if self.delay_ms is not None else "delay unknown",
            self.pause or "whether it is paused is unknown",
        ]
        if self.receiver is None:
            parts.append("WAL receiver unknown")
        elif self.stopped:
            parts.append(
                "no WAL receiver runs: its sender is away, or has not the WAL that it needs"
            )
        else:
            parts.append(f"WAL receiver {plain(self.receiver, 40)}")
        if self.locked:
            parts.append(
                f"locked by replay: {', '.join(plain(each, 100) for each in self.locked[:5])}"
            )
        parts += [f"unknown: {plain(each, 200)}" for each in self.unknown]
        return "; ".join(parts)


def holds_loss(replay: Replay, occurred: datetime | None) -> str:
    """Why what happened then is in it; empty where it is not, or where nobody said when it happened.

    What replays on is judged to hold the loss once its time has passed: that it shows no later transaction
    may only mean that there was none.
    """
    if occurred is None:
        return ""
    if replay.moment >= occurred:
        after = show_duration(replay.moment - occurred)
        return f"it has replayed up to {show_time(replay.moment)}, {after} after the loss: what happened is in it"
    arrives = replay.arrives(occurred)
    if replay.held or replay.stopped or arrives is None or replay.asked_at < arrives:
        return ""
    when = f"the loss reached it at {show_time(arrives)}"
    if not replay.delay_ms:
        when = f"it replays without delay, and the loss was at {show_time(arrives)}"
    return f"{when}: what happened is in it"


def foreign(replay: Replay, systems: Set[str]) -> str:
    """Why it is a standby of something else; empty where it is production's, or nobody knows. `systems` are
    production's identifiers, as far as they are known."""
    if replay.system_identifier is None or not systems or replay.system_identifier in systems:
        return ""
    known = " or ".join(sorted(systems))
    return f"{FOREIGN}: {replay.system_identifier}, and production's is {known}"


def unproven(replay: Replay, systems: Set[str]) -> str:
    """A remark where nobody knows that it is production's standby; empty where that is known."""
    if replay.system_identifier is None:
        return "whose standby it is, it does not say: its system identifier may not be read"
    if not systems:
        return "that it is production's standby is not shown: nothing here knows production's system identifier"
    return ""


def unreadable(replay: Replay) -> str:
    """Why it cannot be dumped whole although it stands; empty where it can."""
    if not replay.locked:
        return ""
    names = ", ".join(plain(each, 100) for each in replay.locked[:5])
    more = f" and {len(replay.locked) - 5} more" if len(replay.locked) > 5 else ""
    return (
        f"replay holds {names}{more} locked: the commit that comes next there drops, empties or rewrites it, "
        "and until then nobody can read it, so that no dump of it is whole; promoted to where it stands, that "
        "commit never happens (see the ways back)"
    )


def coupling(replay: Replay) -> tuple[bool, str]:
    """Whether deletes in production come here, and how that is said: replication is no backup."""
    if replay.held:
        how = "paused" if replay.pause == "paused" else "asked to pause before its next commit"
        return False, f"its replay is {how} at {replay.replayed}: deletes come no further"
    if replay.pause is None:
        return True, "deletes replicate to it; whether its replay is paused, it does not say"
    when = f"{show_duration(replay.delay)} later" if replay.delay_ms else "at once"
    if replay.delay_ms is None:
        when = "after a delay that is unknown"
    return True, f"deletes replicate: what is deleted in production is deleted here {when}"


def alarm(replay: Replay, occurred: datetime | None) -> str:
    """What happens if nobody pauses it, with the clock; empty where it is held."""
    if replay.held:
        return ""
    arrives = replay.arrives(occurred)
    if replay.stopped:
        return (
            "nothing comes to it now, and the loss may come with the next WAL: pause its replay now"
        )
    if arrives is None:
        when = (
            f"{show_duration(replay.delay)} after it was" if replay.delay_ms else "as soon as it is"
        )
        when = when if replay.delay_ms is not None else "after a delay that is unknown, once it is"
        return f"a loss reaches it {when} committed in production: pause its replay now"
    left = arrives - replay.asked_at
    if left <= timedelta(0):
        return f"the loss may have reached it at {show_time(arrives)}"
    return (
        f"the loss reaches this standby at {show_time(arrives)} by its own clock, in "
        f"{show_duration(left)}: pause its replay now"
    )


def to_hold(replay: Replay, occurred: datetime | None) -> str:
    """How it becomes a copy; empty where it is one."""
    if replay.held:
        return ""
    if replay.pause is None:
        return (
            "nobody is told there whether a pause has taken hold (PostgreSQL 14 is the first that says it): "
            f"pause it by hand (`{PAUSE}`) and dump it by hand"
        )
    return f"{alarm(replay, occurred)} (step {PAUSE_STEP}, or there: {PAUSE})"


def promotion(replay: Replay) -> str:
    """How it becomes production without replaying the loss, for a person.

    `pg_promote()` is not the way: it first replays all WAL that was received, through a pause and a delay.
    A recovery target stops before the record at which replay stands.
    """
    if not replay.held:
        return "pause its replay first, and look again"
    settings = (
        ("recovery_target_lsn", f"'{plain(replay.replayed, 40)}'"),
        ("recovery_target_inclusive", "off"),
        ("recovery_target_action", "'promote'"),
        ("primary_conninfo", "''"),
        ("restore_command", "''"),
    )
    said = "; ".join(f"ALTER SYSTEM SET {name} = {value}" for name, value in settings)
    return f"there, as a superuser: {said}; then pg_ctl -D ITS-DATA-DIRECTORY restart"
