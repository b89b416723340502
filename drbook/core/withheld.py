"""Rows of a database that a record holds, taken out of a copy of it.

Only what drbook knows to be rows: what a query answered, and the rows in which two databases differ. What
a command printed and a request was answered may be anything, and is listed instead of looked through.
"""

from collections.abc import Iterable, Mapping, Sequence

from drbook.core.difference import RowDifference
from drbook.core.events import Event, Record, StepFinished, StepPlanned, StepResolved
from drbook.core.results import (
    COMPARE,
    PROPOSE,
    SQL,
    DifferenceResult,
    ProposeResult,
    SqlResult,
    read_result,
)
from drbook.core.values import Json

LEFT_OUT = "(left out)"
"""Stands for each value of a row, so that nobody takes it for an empty answer."""


def actions_of(records: Iterable[Record]) -> dict[tuple[str, int], str]:
    """The action of each attempt, by step and number."""
    return {
        (event.step, event.attempt): event.action
        for event in (record.event for record in records)
        if isinstance(event, StepPlanned)
    }


def holds_rows(event: Event, actions: Mapping[tuple[str, int], str]) -> bool:
    return without_rows(event, actions) is not event


def without_rows(event: Event, actions: Mapping[tuple[str, int], str]) -> Event:
    """The event without the values of its rows; the event itself where it has none. A result of these
    actions that has another shape than they hand back loses every text."""
    if not isinstance(event, StepFinished | StepResolved) or event.result is None:
        return event
    action = actions.get((event.step, event.attempt), "")
    result: Json = event.result
    if action == SQL:
        asked = read_result(SqlResult, result)
        result = _blank(result) if asked is None else _asked(asked, result)
    elif action == COMPARE:
        compared = read_result(DifferenceResult, result)
        result = _blank(result) if compared is None else _compared(compared, result)
    elif action == PROPOSE:
        proposed = read_result(ProposeResult, result)
        result = _blank(result) if proposed is None else _proposed(proposed, result)
    return event if result == event.result else event.model_copy(update={"result": result})


def _asked(found: SqlResult, result: Json) -> Json:
    if not any(found.rows):
        return result
    rows = tuple(tuple(LEFT_OUT for _ in row) for row in found.rows)
    return found.model_copy(update={"rows": rows, "value": LEFT_OUT}).model_dump(mode="json")


def _compared(found: DifferenceResult, result: Json) -> Json:
    tables = found.difference.tables
    if not any(row.key or row.left or row.right for table in tables for row in table.sample):
        return result
    blanked = tuple(
        table.model_copy(update={"sample": tuple(map(_row, table.sample))}) for table in tables
    )
    difference = found.difference.model_copy(update={"tables": blanked})
    return DifferenceResult(difference=difference).model_dump(mode="json")


def _proposed(found: ProposeResult, result: Json) -> Json:
    if not any(found.conflicts.values()):
        return result
    parts = ("key", "restored", "production")
    blanked = {
        table: tuple(
            row.model_copy(
                update={part: dict.fromkeys(getattr(row, part), LEFT_OUT) for part in parts}
            )
            for row in rows
        )
        for table, rows in found.conflicts.items()
    }
    return found.model_copy(update={"conflicts": blanked}).model_dump(mode="json", by_alias=True)


def _row(row: RowDifference) -> RowDifference:
    parts = ("key", "left", "right")
    return row.model_copy(
        update={part: dict.fromkeys(getattr(row, part), LEFT_OUT) for part in parts}
    )


def _blank(value: Json) -> Json:
    if isinstance(value, str):
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {name: _blank(each) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_blank(each) for each in value]
    return value
