"""How a verification ends, and in which words."""

from drbook.core.actions import Finished
from drbook.core.comparison import ARCHIVE, Comparison, TableVerdict
from drbook.core.events import StepEnd
from drbook.core.pages import PAGES
from drbook.core.remarks import Question
from drbook.core.results import VerifyResult
from drbook.core.values import counted

UNREAD = "the manifest could not be read: "
"""How the note begins that says why a manifest tells nothing, where it could not be asked."""


def ended(
    result: VerifyResult, comparison: Comparison, no_loss_told: str, *, unread: str = ""
) -> Finished:
    """The end of the step. `no_loss_told`: why nobody knows what users have lost, where a baseline was asked for; `unread`: what
    is said of a manifest that says nothing."""
    total = len(comparison.tables)
    if comparison.verdict is TableVerdict.PASS:
        beside = _beside(comparison)
        unknown = ""
        if no_loss_told:
            unknown = f"; what users have lost is unknown: {no_loss_told.rstrip('.')}"
        if comparison.reference == "manifest":
            equal = "equal what" if comparison.content_compared else "hold as many rows as"
            reason = f"{total} tables {equal} the backup held (manifest){beside}"
        elif comparison.reference == ARCHIVE:
            reason = (
                f"{total} tables hold as many rows as the archive that was loaded{beside}; their "
                "content is unproven, for the backup has no manifest"
            )
        else:
            reason = (
                f"{total} tables hold as many rows as the baseline says{beside}; what the backup "
                "itself held is unknown, for it has no manifest"
            )
        return Finished(result, reason=reason + unknown)
    failed = _those(comparison, TableVerdict.FAIL)
    if failed:
        return Finished(
            result,
            StepEnd.FAILED,
            f"{_how_many(comparison, TableVerdict.FAIL)} not as they should be: {_first(failed)}",
            means="The restored database is not what the backup says it held, or is not sound.",
            next="Do not send users to it. Restore another recovery point into another target.",
        )
    unsure = _those(comparison, TableVerdict.COULD_NOT_VERIFY)
    if unread.startswith(UNREAD):
        return Finished(
            result,
            StepEnd.COULD_NOT_VERIFY,
            f"{unread} {_how_many(comparison, TableVerdict.COULD_NOT_VERIFY)} could not be verified",
            means="It may say what these should be; nobody could ask. Nothing is known to be wrong or right.",
            next="Give what it needs (a secret that is not set, a network), then run this step again.",
        )
    return Finished(
        result,
        StepEnd.COULD_NOT_VERIFY,
        f"{_how_many(comparison, TableVerdict.COULD_NOT_VERIFY)} could not be verified, "
        f"{comparison.count(TableVerdict.PASS)} tables are equal: {_first(unsure)}",
        means="Nothing says what these should be, or they could not be looked at.",
        next="See the reasons in the table list; go on only with a recorded decision.",
    )


def _those(comparison: Comparison, verdict: TableVerdict) -> list[str]:
    """Everything with this verdict, in words, tables first."""
    tables = [f"{row.table}: {row.reason}" for row in comparison.tables if row.verdict is verdict]
    return tables + [
        f"{one.check} {one.subject}: {one.words}"
        for one in comparison.remarks
        if one.verdict is verdict and one.question is not Question.LOSS
    ]


def _how_many(comparison: Comparison, verdict: TableVerdict) -> str:
    """`2 of 41 tables and 1 other thing`; tables are named even where none is among them."""
    others = len(_those(comparison, verdict)) - comparison.count(verdict)
    more = f" and {counted(others, 'other thing')}" if others else ""
    return f"{comparison.count(verdict)} of {counted(len(comparison.tables), 'table')}{more}"


def _first(said: list[str]) -> str:
    more = f"; {len(said) - 5} more" if len(said) > 5 else ""
    return "; ".join(said[:5]) + more


def _beside(comparison: Comparison) -> str:
    """What else was compared, and what was not."""
    asserted = len(comparison.of(Question.ASSERTION))
    said = (
        [f", {counted(asserted, 'assertion')} {'holds' if asserted == 1 else 'hold'}"]
        if asserted
        else []
    )
    if not any(one.startswith("structure") for one in comparison.not_compared):
        said.append(", structure too")
    if any(one.check == PAGES for one in comparison.remarks):
        said.append(", pages too")
    left = "; ".join(comparison.not_compared)
    return "".join(said) + (f"; not compared: {left}" if left else "")
