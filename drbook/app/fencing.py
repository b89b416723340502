"""The fence of a take-over: laid in the mirrors where the incident's writer looks, before anything else."""

import secrets as random
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drbook.app.places import Home
from drbook.app.vouching import Vouch
from drbook.core.errors import DrbookError, JournalError, Refused
from drbook.core.runbook import Runbook
from drbook.core.values import plain
from drbook.mirror.config import OpenableMirror, same_place
from drbook.mirror.fence import LAST, Fence, Held, keeps_conditions, lay, newest
from drbook.mirror.place import MirrorConflict, MirrorDown, fence_name
from drbook.mirror.recover import Recovered, Source, read_source
from drbook.providers import private
from drbook.providers.secrets import Secrets

AT_ONCE = timedelta(minutes=2)
"""A fence of somebody else that is younger belongs to a take-over that goes on, or has just been."""


@dataclass(slots=True)
class TakeOver:
    """One attempt: what was read, and where the fence lies."""

    incident: str
    reason: str
    actor: str
    home: Home
    vouch: Vouch = field(default_factory=Vouch)
    tell: Callable[[str], None] = lambda _: None
    token: str = field(default_factory=lambda: random.token_hex(16))
    host: str = field(default_factory=lambda: socket.gethostname())
    fenced: list[Source] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    vouched: tuple[str, ...] = ()

    @property
    def _own(self) -> Path:
        """The tokens of fences that were laid from this state directory, one a line."""
        return self.home.path / "fences" / self.incident

    def remember(self) -> None:
        """Keep the token before a fence with it is laid. Raises JournalError."""
        try:
            private.folders(self._own.parent)
            with private.append(self._own) as stream:
                stream.write(f"{self.token}\n")
        except OSError as error:
            raise JournalError(
                f"{self._own} cannot be written: {error.strerror or error}.",
                means="No fence was laid: the other machine was not stopped. Nothing was taken over.",
                next="Make room or mend the permissions, or point DRBOOK_HOME at another place.",
            ) from None

    def laid_here(self, token: str) -> bool:
        """Whether an attempt of this state directory laid it: one that ended, for this one has the
        claim on the incident."""
        try:
            return token in private.read(self._own, 1024 * 1024).decode("ascii").split()
        except (OSError, UnicodeDecodeError):
            return False  # then it counts as somebody else's, who is asked

    def forget(self) -> None:
        with suppress(OSError):  # what stays there harms nobody
            self._own.unlink()


def source_in(
    mirror: OpenableMirror, incident: str, secret: Secrets, opened: ExitStack
) -> Source | None:
    """One mirror's place, read; None where it holds no record. It is closed with `opened`."""
    place = mirror.open(incident, secret)
    opened.callback(place.close)
    return read_source(place)


def gather(
    runbook: Runbook,
    given: OpenableMirror,
    found: Source,
    attempt: TakeOver,
    secret: Secrets,
    opened: ExitStack,
) -> list[Source]:
    """The runbook's own mirrors that hold the incident: there, and only there, its writer looks."""
    held: list[Source] = []
    for config in runbook.mirrors:
        if not isinstance(config, OpenableMirror):
            continue
        try:
            source = source_in(config, attempt.incident, secret, opened)
        except DrbookError as error:
            if not same_place(config, given):
                attempt.unseen.append(f"{plain(config.place, 200)}: {error.what}")
                continue
            source = found  # reached in another way, by this machine's own credentials
        if source is None:
            attempt.unseen.append(
                f"{plain(config.place, 200)}: it holds no record of this incident"
            )
        else:
            held.append(source)
    return held


def _no_next(highest: int, held: Sequence[Source]) -> Refused:
    places = ", ".join(plain(source.place.location, 200) for source in held[:3])
    return Refused(
        f"A mirror holds fence {highest}, and there is no greater number: no other one can be laid.",
        means="Somebody who can write there put it there; a hundred million take-overs did not. Nobody can "
        "take over from these mirrors while it stands. Nothing was changed.",
        next=f"Take `{fence_name(highest)}` away from {places}, keeping a copy of it, and ask who could "
        "write there. Where a lock holds it, lead a new incident by the same runbook: the record of this one "
        "stays what it is.",
        code="fence-last",
    )


def fence(attempt: TakeOver, held: Sequence[Source], recovered: Recovered) -> None:
    """Lay the next fence in every mirror that can hold one. Raises Refused where none can."""
    highest = recovered.state.epoch
    able: list[Source] = []
    for source in held:
        try:
            if not keeps_conditions(source.place):
                raise MirrorDown(f"{source.place.location} overwrites what it should not")
            last = newest(source.place)
        except MirrorDown as error:
            attempt.unseen.append(error.what)
            continue
        if last is not None and _just_now(last, attempt):
            raise lost(source, attempt)
        highest = max(highest, last.epoch if last is not None else 0)
        able.append(source)
    if highest >= LAST:
        raise _no_next(highest, held)
    attempt.remember()
    laying = Fence(
        epoch=highest + 1,
        incident=attempt.incident,
        token=attempt.token,
        host=attempt.host[:300],
        actor=attempt.actor[:300],
        at=datetime.now(UTC),
        head=recovered.head,
        records=len(recovered.records),
        reason=attempt.reason[:4000],
    )
    for source in able:
        try:
            lay(source.place, laying)
        except MirrorConflict:
            raise lost(source, attempt) from None
        except MirrorDown as error:
            attempt.unseen.append(error.what)
        else:
            attempt.fenced.append(source)
    if not attempt.fenced:
        said = " ".join(f"{one.rstrip('.')}." for one in attempt.unseen)
        raise Refused(
            f"No fence could be laid in a mirror of the incident's own runbook. {said}".strip(),
            means="The other machine, if it lives, could not know that it was replaced, and two would "
            "act. Nothing was taken over.",
            next="Make one of the runbook's mirrors reachable from here under the name and with the "
            "credentials that the runbook states, then try again.",
            code="no-fence",
        )


def _just_now(last: Held, attempt: TakeOver) -> bool:
    """Two who take over at the same time do not know of each other; one of them has to ask."""
    fence = last.fence
    if fence is None or attempt.laid_here(fence.token):
        return False
    return abs(datetime.now(UTC) - fence.at) < AT_ONCE


def lost(source: Source, attempt: TakeOver) -> Refused:
    held = newest(source.place)
    laid = ", ".join(one.place.location for one in attempt.fenced)
    return Refused(
        f"Somebody else takes over at the same time, or just has: {held.show() if held else 'unknown'}.",
        means="Nothing was taken over here."
        + (f" A fence of this attempt lies in {laid} all the same." if laid else ""),
        next="Speak to each other. Where they gave up, try again two minutes later.",
        code="take-over-lost",
    )
