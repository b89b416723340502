"""The ways back, not only the copies: what each loses, how long it may take, what proves it and what may go
wrong with it. They are compared, and nobody is told which to take: that is the step's choice or a person's.
"""

from collections.abc import Sequence
from datetime import datetime
from statistics import median

from drbook.core.points import Answer, Criterion, Judgement, RecoveryPoint, Verdict
from drbook.core.proofs import Pace, Proofs, proof_of
from drbook.core.standby import FOREIGN, holds_loss, promotion
from drbook.core.values import counted, plain, show_time
from drbook.core.way import Kind, Way


def ways(
    judgements: Sequence[Judgement],
    proofs: Proofs,
    occurred: datetime | None,
    *,
    standby: str = "",
) -> tuple[Way, ...]:
    """The best of each kind: those that lose least first, and of these the one that is ready first. What
    nobody knows comes last.

    `standby` names a replica that the runbook states; whether it has replayed the loss is not asked here.
    """
    ordered = sorted(judgements, key=lambda each: each.point.holds_to(occurred), reverse=True)
    good = [each for each in ordered if each.verdict is Verdict.INDEPENDENT]
    found: list[Way] = []
    back = [each for each in ordered if each.verdict is Verdict.RECOVERABLE]
    warm = [each for each in back if each.back not in ("tier", "replay")]
    cold = [each for each in back if each.back == "tier"]
    found += [_undelete(each, proofs, occurred) for each in warm[:1]]
    found += [_thaw(each, proofs, occurred) for each in cold[:1]]
    rolling = [each for each in good if each.point.rolls_to is not None]
    plainly = [each for each in good if each.point.rolls_to is None]
    found += [_of(each, "roll forward", proofs, occurred) for each in rolling[:1]]
    found += [_of(each, "restore", proofs, occurred) for each in plainly[:1]]
    taken = {way.key for way in found}
    proved = [each for each in good if proof_of(proofs.known, each.point) is not None]
    found += [
        _of(each, "restore, proved", proofs, occurred)
        for each in proved[:1]
        if each.point.key not in taken
    ]
    found += [_promote(each, occurred) for each in ordered if _promotable(each, occurred)]
    if standby and not any(way.kind == "promote" for way in found):
        found.append(
            Way(
                kind="promote",
                what=plain(standby, 200),
                proof="nothing: nobody has asked it here",
                risk="it has replayed the loss, unless it is delayed or was cut off before: see that first, and "
                "stop its replay; promoting cannot be taken back",
            )
        )
    return tuple(sorted(found, key=_order))


def _order(way: Way) -> tuple[bool, int, bool, int]:
    return (
        way.loss_seconds is None,
        way.loss_seconds or 0,
        way.ready_seconds is None and not way.ready_note,
        way.ready_seconds or 0,
    )


def _of(each: Judgement, kind: Kind, proofs: Proofs, occurred: datetime | None) -> Way:
    point = each.point
    proof = proof_of(proofs.known, point)
    return Way(
        kind=kind,
        what=f"{point.source}: {plain(point.location, 200)}, taken {show_time(point.taken_at)}",
        key=point.key,
        loss_seconds=_loss(point, occurred),
        at_least=point.dated_late,
        ready_seconds=ready(point, proofs.paces),
        proof=proof.show() if proof is not None else _unproved(each, proofs),
        risk=_risk(each),
    )


def _undelete(each: Judgement, proofs: Proofs, occurred: datetime | None) -> Way:
    point = each.point
    return Way(
        kind="undelete",
        what=f"{point.source}: {plain(point.location, 200)}, taken {show_time(point.taken_at)}",
        key=point.key,
        loss_seconds=_loss(point, occurred),
        at_least=point.dated_late,
        proof="nothing: it cannot be read as it is",
        risk=f"it goes for good when its time is over; to bring it back: {each.recoverable}",
    )


def _thaw(each: Judgement, proofs: Proofs, occurred: datetime | None) -> Way:
    then = ready(each.point, proofs.paces)
    way = _undelete(each, proofs, occurred)
    return way.model_copy(
        update={
            "kind": "thaw",
            "ready_seconds": (each.readable_in or 0) + (then or 0),
            "ready_at_least": then is None,
            "proof": "nothing: it cannot be read yet",
            "risk": f"nobody can look at it before it was asked for: {each.recoverable}",
        }
    )


def _promotable(each: Judgement, occurred: datetime | None) -> bool:
    """A standby that does not hold the loss, and is production's as far as anybody knows. Whose domain it lies
    in does not matter here: it is taken as it is, at once."""
    if each.replay is None or each.verdict in (Verdict.DAMAGED, Verdict.DESTROYED):
        return False
    foreign = any(reason.startswith(FOREIGN) for reason in each.reasons)
    return not foreign and not holds_loss(each.replay, occurred)


def _promote(each: Judgement, occurred: datetime | None) -> Way:
    point, replay = each.point, each.replay
    assert replay is not None
    return Way(
        kind="promote",
        what=f"{point.source}: {plain(point.location, 200)}, replayed to {show_time(point.taken_at)}",
        key=point.key,
        loss_seconds=_loss(point, occurred),
        ready_note="no transfer: one restart",
        proof="it answers; nobody has compared its rows",
        risk="promoting cannot be taken back, and production has to be fenced first, or two servers take "
        "writes; pg_promote() is not the way, for it first replays all that was received, the loss with it, "
        f"through a pause and a delay. drbook does not do it: {promotion(replay)}",
    )


def _loss(point: RecoveryPoint, occurred: datetime | None) -> int | None:
    if occurred is None:
        return None
    return max(0, int((occurred - point.holds_to(occurred)).total_seconds()))


def ready(point: RecoveryPoint, paces: Sequence[Pace]) -> int | None:
    """Seconds until it answers, by the middle of what earlier restores of its format took for their bytes; a
    restore of few bytes says nothing of one of many, so that none counts below a hundredth of its size."""
    like = [
        one.seconds / one.bytes
        for one in paces
        if one.format == point.format and one.bytes and one.bytes * 100 >= point.size
    ]
    return round(median(like) * point.size) if like and point.size else None


def _unproved(each: Judgement, proofs: Proofs) -> str:
    read = each.finding(Criterion.BYTES)
    words = "never restored here"
    if proofs.unread:
        words = f"whether it was restored before is not known: {proofs.unread}"
    if read.answer is Answer.PASS:
        return f"its bytes ({plain(read.reason, 200)}); {words}"
    return words


def _risk(each: Judgement) -> str:
    point = each.point
    parts = []
    if point.rolls_to is not None:
        parts.append("one missing or broken file of WAL ends it earlier")
    if point.rolls_note:
        parts.append(plain(point.rolls_note, 300))
    if point.format == "physical":
        parts.append("it needs the very same major version, and carries damage of pages along")
    if point.needs:
        parts.append(f"it needs {counted(len(point.needs), 'other copy', 'other copies')}")
    if point.format == "pg_dump":
        parts.append(f"indexes are built anew, and roles come from elsewhere ({point.sized})")
    if each.finding(Criterion.BYTES).answer is not Answer.PASS:
        parts.append("its bytes are not proven")
    return "; ".join(parts) or "none that is known"
