"""All mirrors of one incident: told of each record, asked how they stand, waited for at the end."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from drbook.core.errors import TakenOver, UsageError
from drbook.core.runbook import MirrorConfig
from drbook.mirror.config import OpenableMirror
from drbook.mirror.copier import Copier, Writing
from drbook.mirror.place import Place
from drbook.mirror.status import MirrorState
from drbook.providers.secrets import Secrets

LAST_WAIT = 15.0
"""Seconds that a mirror gets at the end to take what it lacks."""
HAVE_WAIT = 5.0
"""Seconds that a mirror which is up gets to take the start of a step, before it starts all the same."""
STALLED = 2.0
"""Seconds beyond that wait: a machine that took longer stood still, and what was seen is old."""
_LOOKS = 3
_LOOK_EVERY = 0.02


class Mirrors:
    """Starts nothing before `start`. Every method returns at once, but for `have` and `close`."""

    def __init__(self, copiers: Sequence[Copier] = ()) -> None:
        self._copiers = tuple(copiers)

    def start(self) -> None:
        for copier in self._copiers:
            copier.start()

    def written(self, seq: int) -> None:
        """So many records are synced on this machine."""
        for copier in self._copiers:
            copier.written(seq)

    def have(self, seq: int, meanwhile: Callable[[], None], *, seconds: float = HAVE_WAIT) -> None:
        """Wait, at most so long, until each mirror that is up holds this record and was looked at for a
        fence since. `meanwhile` is called now and then, and may raise.

        A record is created only where there is none, so a mirror that took it shows that nobody has
        taken over, and whoever does later knows of it. Raises TakenOver where somebody has. Where the
        machine stood still meanwhile, it looks again. A mirror that is down, or slower than that, is
        no obstacle.
        """
        for _ in range(_LOOKS):
            asked = time.monotonic()
            for copier in self._copiers:
                copier.look(asked)
            while any(one.may_still_say(seq, asked) for one in self._copiers):
                if time.monotonic() >= asked + seconds:
                    break
                meanwhile()
                time.sleep(_LOOK_EVERY)
            if (why := self.taken_over) is not None:
                raise why
            if time.monotonic() < asked + seconds + STALLED:
                return

    @property
    def states(self) -> tuple[MirrorState, ...]:
        return tuple(copier.state for copier in self._copiers)

    @property
    def taken_over(self) -> TakenOver | None:
        """Why nothing may be executed here any more; None while nobody else goes on with it."""
        for copier in self._copiers:
            if copier.beside:
                return _two_writers(copier.beside, copier.state.where)
            if copier.taken_by:
                return superseded(copier.taken_by, copier.state.where)
        return None

    def close(self, wait: float = LAST_WAIT) -> tuple[MirrorState, ...]:
        """Wait at most so many seconds for what is lacking; how each mirror stands then."""
        for copier in self._copiers:
            copier.close()
        until = time.monotonic() + wait
        for copier in self._copiers:
            copier.join(until)
        return self.states


def superseded(by: str, where: str) -> TakenOver:
    return TakenOver(
        f"Another machine has taken over this incident: {by.rstrip('.')}.",
        means=f"The fence lies in {where}. Nothing more is executed or recorded here; what ran was "
        "asked to stop. What was recorded here after the take-over is not part of the record.",
        next="Go on there. Tell whoever took over what was running here, and keep this folder as "
        "evidence. To lead it here again, move the folder aside and take over from the mirror.",
    )


def _two_writers(by: str, where: str) -> TakenOver:
    return TakenOver(
        f"Another drbook writes this incident too: {by}, in {where}.",
        means="It goes on from a copy of this folder, and each could do what the other did. Or this "
        "journal was changed. Nothing more is executed or recorded here; what ran was asked to stop.",
        next="Find the other one and decide which goes on. `drbook journal verify --mirrors` says from "
        "where on they differ; keep the folder of the one that does not go on as evidence.",
        code="two-writers",
    )


def copiers(
    configs: Sequence[MirrorConfig],
    incident: str,
    writing: Writing,
    secrets: Secrets,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Mirrors:
    """One copier for each `mirrors:` entry."""
    return Mirrors(
        [
            Copier(config.place, opener(config, incident, secrets), writing, now)
            for config in configs
        ]
    )


def opener(config: MirrorConfig, incident: str, secrets: Secrets) -> Callable[[], Place]:
    """What opens one incident's place in a mirror, each time it is called."""

    def opened() -> Place:
        if not isinstance(config, OpenableMirror):
            raise UsageError(f"Nothing here opens a mirror of kind {config.kind}.")
        return config.open(incident, secrets)

    return opened
