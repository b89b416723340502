"""Is a recovery point outside the blast radius? Fifteen criteria, each passed, failed or unknown.

Pure: facts in, a judgement with its reasons out. Unknown is never independent, and what rests on
somebody's word in the runbook is marked as declared.
"""

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from drbook.core.case import Case
from drbook.core.criteria import CRITERIA, lies_in
from drbook.core.custody import applies, to_pause
from drbook.core.disagreeing import held_against
from drbook.core.holding import Disagreement, Stated
from drbook.core.located import Located
from drbook.core.points import (
    Answer,
    Back,
    Basis,
    Criterion,
    FailureDomain,
    Finding,
    Judgement,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
    Verdict,
)
from drbook.core.proofs import Proofs
from drbook.core.reach import Reach, leaked_credentials
from drbook.core.snapshots import way_back
from drbook.core.standby import coupling, foreign, holds_loss, unproven
from drbook.core.values import plain, show_duration

BEGINS: Mapping[Back, str] = {
    "bin": "gone but recoverable; to bring it back: ",
    "provider": "only its provider can read it; to bring it back: ",
    "tier": "it cannot be read yet: ",
    "replay": "it is a standby that replays, and no copy until that stands; ",
}
"""How the first reason of a recoverable copy begins."""
PREFERRED = "preferred: "
"""How a reason begins that speaks for a copy, though nothing requires it."""

WAY = 1500
"""Characters of a way back that are shown; it may be several commands, and half of one is none."""

NOTHING_STATED = Stated()
NOT_LOOKED_AT = Proofs()

__all__ = ["Reach", "choose", "judge", "leaked_credentials", "lies_in", "located", "seconds_lost"]


def judge(
    facts: PointFacts,
    source: SourceFacts,
    declared: FailureDomain,
    production: FailureDomain,
    reach: Reach,
    *,
    require: Sequence[Criterion],
    prefer: Sequence[Criterion] = (),
    now: datetime,
    occurred: datetime | None = None,
    observed_only: Set[Criterion] = frozenset(),
    stated: Stated = NOTHING_STATED,
    proofs: Proofs = NOT_LOOKED_AT,
    systems: Set[str] = frozenset(),
    volume: str = "",
) -> Judgement:
    """Answer every criterion for one point and draw the verdict from the required ones.

    A criterion that says nothing of this kind of copy, like the vault of what lies in none, is answered
    only where it is required or preferred.

    `declared` is what the runbook says about the source, `production` the domain that was hit. For
    criteria in `observed_only` a pass that rests on declared facts counts as unknown. `occurred` is
    the moment of the loss: a copy taken after it holds what happened, and is not independent of it.
    `stated` is what else the source's entry says, `proofs` what earlier drills restored, `systems`
    production's system identifiers, to which a standby is held, `volume` its directory: what lies in it went
    with it.
    """
    case = Case(facts, source, declared, production, reach, now, stated, proofs, systems, volume)
    findings = []
    for criterion in Criterion:
        if criterion not in (*require, *prefer) and not applies(criterion, case):
            continue
        answer, basis, reason = CRITERIA[criterion](case)
        if criterion in observed_only and answer is Answer.PASS and basis is not Basis.OBSERVED:
            answer, reason = (
                Answer.UNKNOWN,
                f"only declared, and the policy asks for proof: {reason}",
            )
        findings.append(Finding(criterion=criterion, answer=answer, basis=basis, reason=reason))
    barred = _barred(case, occurred)
    back = "" if barred else plain(way_back(facts, occurred), WAY)
    verdict, reasons = _verdict(case, findings, require, occurred, barred, back)
    disagreements, agreed = held_against(case)
    remarks = _remarks(verdict, findings, require, prefer)
    return Judgement(
        point=facts.point,
        verdict=verdict,
        reasons=(*reasons, *remarks, *_disagree(disagreements), *_notes(case)),
        findings=tuple(findings),
        disagreements=disagreements,
        agreed=agreed,
        pause=to_pause(case),
        recoverable=back,
        back=_back(facts) if verdict is Verdict.RECOVERABLE else None,
        readable_in=facts.readable_in,
        replay=facts.replay,
        place=case.source.resource or "",
    )


def _back(facts: PointFacts) -> Back:
    if facts.point.standby:
        return "replay"
    if facts.readable_in is not None:
        return "tier"
    return "provider" if facts.recoverable is None else "bin"


def _barred(case: Case, occurred: datetime | None) -> list[str]:
    """Why a standby is of no use, paused or not."""
    replay = case.facts.replay
    if replay is None:
        return []
    found = (foreign(replay, case.systems), holds_loss(replay, occurred))
    return [reason for reason in found if reason]


def _verdict(
    case: Case,
    findings: Sequence[Finding],
    require: Sequence[Criterion],
    occurred: datetime | None,
    barred: Sequence[str],
    back: str,
) -> tuple[Verdict, list[str]]:
    by_name = {finding.criterion: finding for finding in findings}
    resource = by_name[Criterion.RESOURCE]
    if case.facts.bytes.state == "damaged":
        return Verdict.DAMAGED, [by_name[Criterion.BYTES].reason]
    if resource.answer is Answer.FAIL and (not back or not case.facts.still_there):
        return Verdict.DESTROYED, [resource.reason]
    needed = [by_name[criterion] for criterion in dict.fromkeys(require)]
    failed = [*barred, *(each.reason for each in needed if each.answer is Answer.FAIL)]
    unsure = [finding.reason for finding in needed if finding.answer is Answer.UNKNOWN]
    if case.facts.bytes.state == "unknown":
        unsure.append(by_name[Criterion.BYTES].reason)
    point = case.facts.point
    if case.facts.replay is None and occurred is not None and point.taken_at > occurred:
        late = f"dated {show_duration(point.taken_at - occurred)} after the loss"
        if point.taken_by in ("manifest", "tool"):
            failed.append(f"{late}: what happened is in it")
        else:
            unsure.append(f"{late}, by a clock that may only show when it was stored")
    if back:
        begins = BEGINS[_back(case.facts)]
        return Verdict.RECOVERABLE, [f"{begins}{back}", *failed, *unsure]
    if failed:
        return Verdict.SHARED, failed + unsure
    if unsure:
        return Verdict.UNKNOWN, unsure
    if not needed:
        return Verdict.UNKNOWN, ["no criterion was required, so nothing was proven"]
    return Verdict.INDEPENDENT, [finding.reason for finding in needed]


def _remarks(
    verdict: Verdict,
    findings: Sequence[Finding],
    require: Sequence[Criterion],
    prefer: Sequence[Criterion],
) -> list[str]:
    remarks = []
    # What makes it independent has passed; of that, what nobody has seen.
    declared = [
        finding.criterion.value
        for finding in findings
        if finding.criterion in require and finding.basis is not Basis.OBSERVED
    ]
    if verdict is Verdict.INDEPENDENT and declared:
        remarks.append(f"declared in the runbook, not observed: {', '.join(declared)}")
    remarks += [
        f"{PREFERRED}{finding.reason}"
        if finding.answer is Answer.PASS
        else f"preferred but not met ({finding.criterion.value}): {finding.reason}"
        for finding in findings
        if finding.criterion in prefer and finding.criterion not in require
    ]
    return remarks


def _disagree(found: Sequence[Disagreement]) -> list[str]:
    return [f"the runbook and the place disagree on {each.words}" for each in found]


def _notes(case: Case) -> list[str]:
    """What is to be known beside: whose word its date is, and of a standby why it is no backup by itself."""
    point, replay = case.facts.point, case.facts.replay
    notes = [plain(point.taken_note, 300)] if point.taken_note else []
    if replay is not None:
        notes += [coupling(replay)[1], unproven(replay, case.systems), replay.show()]
    return [note for note in notes if note]


# --- the choice ------------------------------------------------------------------------------


def choose(
    judgements: Sequence[Judgement],
    prefer: Sequence[Criterion] = (),
    occurred: datetime | None = None,
) -> Judgement | None:
    """The independent judgement that loses least, or None: the newest, where rolling forward counts up to
    the loss.

    A preference never costs data: it only decides between copies of the same moment or bytes.
    """
    independent = [each for each in judgements if each.verdict is Verdict.INDEPENDENT]
    if not independent:
        return None
    newest = max(independent, key=lambda each: _age(each, occurred)).point
    equal = [
        each
        for each in independent
        if each.point.holds_to(occurred) == newest.holds_to(occurred)
        or (newest.digest is not None and each.point.digest == newest.digest)
    ]
    return max(
        equal,
        key=lambda each: (
            sum(each.finding(criterion).answer is Answer.PASS for criterion in set(prefer)),
            _age(each, occurred),
        ),
    )


def _age(judgement: Judgement, occurred: datetime | None) -> tuple[datetime, datetime, str]:
    """Of copies that come to the same moment, the later one has less to replay."""
    point = judgement.point
    return point.holds_to(occurred), point.taken_at, point.key


def located(
    judgements: Sequence[Judgement],
    *,
    unreachable: Sequence[SourceFacts] = (),
    require: Sequence[Criterion],
    prefer: Sequence[Criterion] = (),
    asked_at: datetime,
    occurred: datetime | None = None,
) -> Located:
    """What was found, newest first, with the choice and what it costs in seconds of data.

    Losses are None where nobody has said when it happened, and 0 for a copy that is no older.
    """
    ordered = sorted(judgements, key=lambda each: _age(each, occurred), reverse=True)
    chosen = choose(ordered, prefer, occurred)
    newest = ordered[0].point if ordered else None
    return Located(
        point=chosen.point if chosen else None,
        newest=newest,
        judgements=tuple(ordered),
        unreachable=tuple(unreachable),
        require=tuple(require),
        prefer=tuple(prefer),
        others=_others(ordered, chosen),
        asked_at=asked_at,
        occurred=occurred,
        loss_seconds=seconds_lost(chosen.point.holds_to(occurred) if chosen else None, occurred),
        newest_loss_seconds=seconds_lost(newest.holds_to(occurred) if newest else None, occurred),
    )


MOST_OTHERS = 10


def _others(ordered: Sequence[Judgement], chosen: Judgement | None) -> tuple[RecoveryPoint, ...]:
    """Of each source but the chosen one's the independent copy that comes furthest, and can be restored here."""
    found: dict[str, RecoveryPoint] = {}
    for each in ordered:
        point = each.point
        if each.verdict is Verdict.INDEPENDENT and point.format != "snapshot":
            found.setdefault(point.source, point)
    if chosen is not None:
        found.pop(chosen.point.source, None)
    return tuple(found.values())[:MOST_OTHERS]


def seconds_lost(taken_at: datetime | None, occurred: datetime | None) -> int | None:
    """From a copy's moment to the incident; None where either is unknown, 0 for a later copy."""
    if taken_at is None or occurred is None:
        return None
    return max(0, int((occurred - taken_at).total_seconds()))
