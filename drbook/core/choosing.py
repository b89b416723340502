"""Another recovery point than the proposed one, chosen by a person: what may be, and what comes of it.

Pure, and used by the fold as well as by the timeline, so that both tell the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from drbook.core.criteria import GONE
from drbook.core.independence import PREFERRED, seconds_lost
from drbook.core.located import Located
from drbook.core.points import Answer, Criterion, Judgement, Verdict
from drbook.core.results import RestoreResult, read_result
from drbook.core.values import Json


@dataclass(frozen=True, slots=True)
class Which:
    """One recovery point as a person names it."""

    source: str
    id: str
    version: str | None


def judgement_of(located: Located, which: Which) -> Judgement | None:
    """What was found about that recovery point; None where it is not among what was located."""
    for each in located.judgements:
        point = each.point
        if (point.source, point.id, point.version) == (which.source, which.id, which.version):
            return each
    return None


def why_not(judgement: Judgement) -> str:
    """Empty where a person may choose the copy; otherwise why nobody can.

    A copy that lies in what was destroyed and is still listed may be all that is left: it is a matter
    of break-glass, and the restore reads it to its end before it makes anything. One that cannot be read
    as it is has to be brought back first.
    """
    if judgement.verdict is Verdict.DAMAGED:
        return "its bytes are broken, and drbook loads no broken copy: " + "; ".join(
            judgement.reasons
        )
    if judgement.verdict is Verdict.RECOVERABLE:
        return (
            "it cannot be read as it is. Bring it back, and run the locate step again: "
            + judgement.recoverable
        )
    if any(found.reason == GONE for found in judgement.findings):
        return GONE
    return ""


def was_read(judgement: Judgement) -> bool:
    """Whether somebody has read the copy to its end, and found it whole."""
    return any(
        found.criterion is Criterion.BYTES and found.answer is Answer.PASS
        for found in judgement.findings
    )


def needs_break_glass(judgement: Judgement) -> bool:
    """True for every copy that is not known to be independent, or that nobody has read to its end."""
    return judgement.verdict is not Verdict.INDEPENDENT or not was_read(judgement)


def against(judgement: Judgement) -> tuple[str, ...]:
    """What speaks against a copy, in words, whether it was read among it; nothing that is in its favour."""
    words: list[str] = []
    if judgement.verdict is not Verdict.INDEPENDENT:
        passed = {found.reason for found in judgement.findings if found.answer is Answer.PASS}
        words = [
            reason for reason in judgement.reasons if reason.removeprefix(PREFERRED) not in passed
        ][:3]
    read = [found for found in judgement.findings if found.criterion is Criterion.BYTES]
    words += [found.reason for found in read if found.answer is not Answer.PASS]
    return tuple(dict.fromkeys(words))


def standing(judgement: Judgement) -> str:
    """What is not known of a copy, in words: whether it is independent, and whether it was read."""
    return "; ".join((f"its verdict is {judgement.verdict.value}", *against(judgement)))


def restored_instead(located: Located, restored: RestoreResult | None) -> Located:
    """What was located, with the copy that was verified first where several were restored side by side: that is
    the one that counts from then on."""
    if restored is None or not restored.beside or located.point is None:
        return located
    if restored.point.key == located.point.key:
        return located
    return located.model_copy(
        update={
            "point": restored.point,
            "loss_seconds": seconds_lost(
                restored.point.holds_to(located.occurred), located.occurred
            ),
            "local_copy": None,
            "local_digest": None,
        }
    )


def chosen_instead(result: Json, which: Which, occurred: datetime | None) -> Json:
    """The recorded result of a locate step with another point, as JSON; None where it holds no such one.

    The copy that was checked belongs to the other point, so it goes; a restore fetches and reads the
    chosen one to its end before it makes anything.
    """
    located = read_result(Located, result)
    if located is None or not isinstance(result, Mapping):
        return None
    found = judgement_of(located, which)
    judgements = result["judgements"]
    if found is None or not isinstance(judgements, Sequence):
        return None
    entry = judgements[located.judgements.index(found)]
    if not isinstance(entry, Mapping):
        return None
    return {
        **result,
        "point": entry["point"],
        "loss_seconds": seconds_lost(found.point.holds_to(occurred), occurred),
        "local_copy": None,
        "local_digest": None,
    }
