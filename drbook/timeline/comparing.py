"""What was compared, in the words and rows that all exports share."""

from collections.abc import Mapping
from datetime import datetime

from drbook.core.comparison import Comparison
from drbook.core.difference import Difference
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.values import show_time
from drbook.timeline.words import number, signed


def as_of(baseline_at: datetime | None) -> str:
    """What `lost` rows are counted against."""
    if baseline_at is None:
        return "Lost rows are unknown: there is no baseline."
    return f"Lost rows: against the baseline of {show_time(baseline_at)}; nothing later is counted."


def content_said(comparison: Comparison) -> str:
    """That only numbers of rows were compared, where that is so."""
    return "" if comparison.content_compared else ", by their numbers of rows; content not compared"


QUESTIONS = {
    Question.FIDELITY: "what the backup held",
    Question.SOUNDNESS: "sound in itself",
    Question.ASSERTION: "the runbook's own assertions",
    Question.LOSS: "what production had",
}
"""What each kind of remark was held against."""


def beside_rows(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    """Everything that a verification says beside the rows: verdict, held against, kind, name, words."""
    found = [
        (_spoken(one), QUESTIONS[one.question], one.check, one.subject, one.words)
        for one in comparison.remarks
    ]
    return found + [
        (signed("not compared"), QUESTIONS[Question.FIDELITY], "", "", one)
        for one in comparison.not_compared
    ]


def places(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Where the tables differ: held against, table, which keys or days."""
    return [
        (QUESTIONS[question], row.table, where)
        for row in comparison.tables
        for question, lines in ((Question.FIDELITY, row.where), (Question.LOSS, row.lost_where))
        for where in lines
    ]


def compared_tables(found: Difference) -> list[tuple[str, str, str, str, str]]:
    """Two living databases: verdict, table, rows of both, what differs, and where."""
    return [
        (
            signed("could-not-verify" if one.why_unknown else "equal" if one.equal else "differs"),
            one.table,
            f"{number(one.left)} and {number(one.right)}",
            one.in_words().removeprefix(f"{one.table}: "),
            "; ".join(one.where),
        )
        for one in found.tables
    ]


def compared_rows(found: Difference) -> list[tuple[str, str, str, str, str]]:
    """The rows that were kept as a sample: table, change, key, and the values that may be shown."""
    return [
        (table.table, row.change, _pairs(row.key), _pairs(row.left), _pairs(row.right))
        for table in found.tables
        for row in table.sample
    ]


def _pairs(values: Mapping[str, str | None]) -> str:
    return ", ".join(
        f"{name} {'NULL' if value is None else value}" for name, value in values.items()
    )


def _spoken(one: Remark) -> str:
    """A difference that speaks against nothing is no check that passed; an assertion that holds is."""
    if one.verdict is TableVerdict.PASS and one.question is not Question.ASSERTION:
        return "· worth knowing"
    return signed(one.verdict.value)
