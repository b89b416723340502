"""What is decided before a physical copy is laid down: where it should stop, and whether it can be here."""

from collections.abc import Sequence
from datetime import datetime

from drbook.core.errors import StepFailed
from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.preflight import DIFFERS, OK, STOPS, UNKNOWN, Item, PlaceFacts, Preflight
from drbook.core.preflightrules import judge_record, version
from drbook.core.recovery import RecoveryAim
from drbook.core.values import plain, show_size, show_time

WAL_ROOM = 1024**3
"""Bytes for what a recovery itself writes: its checkpoints and the WAL at hand."""


def aim_of(
    point: RecoveryPoint, wanted: RecoveryAim | None, occurred: datetime | None
) -> RecoveryAim:
    """To where the copy is rolled forward: as the runbook says, else to right before the loss.

    Raises StepFailed where nobody said when that was, and for an aim before the copy's own end: a physical
    copy only goes forward.
    """
    if wanted is None and point.rolls_to is None:
        return RecoveryAim(consistent=True)
    if wanted is None and occurred is None:
        raise StepFailed(
            "Nobody has said when the loss happened, and this copy can be rolled forward to any moment.",
            means="Rolled forward to the end, it would repeat the loss. Nothing was created.",
            next="Give the time of the loss (the runbook's input `occurred`), or say where to stop: "
            "`to: {time: …}`, `{lsn: …}`, `{name: …}` or `{end: true}`.",
            code="no-aim",
        )
    aim = wanted or RecoveryAim(time=occurred)
    sure = not point.dated_late  # a copy that is dated by its storing ended earlier than that
    if sure and aim.time is not None and aim.time < point.taken_at:
        raise StepFailed(
            f"This copy ended at {show_time(point.taken_at)}, and the aim is {show_time(aim.time)}, before it.",
            means="A physical copy is whole only at its own end, and goes nowhere but forward. Nothing was "
            "created.",
            next="Choose a copy that ended before the aim.",
            code="aim-before-copy",
        )
    return aim


def judge_physical(
    point: RecoveryPoint, proof: ByteFact, place: PlaceFacts, servers: Sequence[int]
) -> Preflight:
    """The page for one physical copy; `servers` are the versions of the servers that are installed here."""
    return Preflight(
        items=(
            _bytes(proof),
            _server(point, servers),
            _disk(point, place),
            judge_record(place),
        )
    )


def _bytes(proof: ByteFact) -> Item:
    verdict = OK if proof.state == "intact" else UNKNOWN
    return Item(
        what="digest",
        verdict=verdict,
        found=plain(proof.reason, 200) or proof.state,
        wanted="every file as its backup says",
        words="" if verdict is OK else "what is in its files was not proven",
    )


def _server(point: RecoveryPoint, servers: Sequence[int]) -> Item:
    major = (point.server_version or 0) // 10000
    shown = ", ".join(version(each) for each in sorted(servers)) or "none"
    item = Item(
        what="server",
        verdict=UNKNOWN,
        found=shown,
        wanted=f"PostgreSQL {major}" if major else "unknown",
        words="" if major else "the copy does not say of which version it is",
    )
    if not major:
        return item
    if major not in [each // 10000 for each in servers]:
        words = f"a data directory is started by its own major version alone, and here is: {shown}"
        return item.model_copy(update={"verdict": STOPS, "words": words})
    return item.model_copy(update={"verdict": OK})


def _disk(point: RecoveryPoint, place: PlaceFacts) -> Item:
    """Its files are as large here as they were there; as stored they are compressed, mostly."""
    known = point.database_bytes
    need = (known if known is not None else point.size) + WAL_ROOM
    item = Item(
        what="disk",
        verdict=OK,
        found=f"{show_size(place.free)} free" if place.free is not None else "unknown",
        wanted=f"about {show_size(need)}" if known is not None else f"more than {show_size(need)}",
        words="its files, and what rolling forward writes",
    )
    if place.free is None:
        return item.model_copy(update={"verdict": UNKNOWN})
    if place.free < need - WAL_ROOM:
        words = f"{show_size(place.free)} are free, and its files alone take {show_size(need - WAL_ROOM)}"
        return item.model_copy(update={"verdict": STOPS, "words": words})
    if known is None:
        words = "how much it unpacks to is not known"
        return item.model_copy(update={"verdict": UNKNOWN, "words": words})
    if place.free < need:
        return item.model_copy(
            update={"verdict": DIFFERS, "words": "what is rolled forward may not fit"}
        )
    return item
