"""`postgres.difference`: which rows the restored database has and production, as it is now, has not."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from drbook.actions.outside import production_database
from drbook.core.actions import Action, Finished, StepContext
from drbook.core.difference import Difference, Wish
from drbook.core.events import Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import DifferenceResult
from drbook.core.signals import Working
from drbook.core.targets import DatabaseRef, Target
from drbook.core.values import Frozen, counted, plain

Column = Annotated[str, Field(min_length=1, max_length=63)]


class DifferenceParams(Frozen):
    target: Target
    """What `postgres.restore` made: the left side."""
    database: DatabaseRef | None = None
    """The right side; absent: production's."""
    tables: tuple[str, ...] = Field(default=(), max_length=1000)
    """Which tables, like `public.orders`; absent: all."""
    sample: int = Field(default=20, ge=0, le=1000)
    """So many rows of a table are named by their keys."""
    show: Mapping[str, tuple[Column, ...]] = Field(default_factory=dict)
    """Table → columns whose values may be shown and put on record. Keys are always."""


class CompareRows(Action[DifferenceParams]):
    """Bisects both by hashed stretches of the key; only what differs is read row by row."""

    name = "postgres.difference"
    title = "Find the rows that production has lost"
    params = DifferenceParams
    result = DifferenceResult

    def plan(self, params: DifferenceParams, context: StepContext) -> Plan:
        other = params.database or context.document.production.database
        right = plain(other.show(), 200) if other is not None else "production"
        which = ", ".join(plain(one, 80) for one in params.tables[:5]) or "every table"
        more = len(params.tables) - 5
        does = [
            f"counts and hashes {which}{f' and {more} more' if more > 0 else ''} of {params.target.name} "
            f"and of {right} in stretches of their keys",
            "cuts the stretches that differ into smaller ones, and reads their rows",
            f"puts the keys of at most {params.sample} rows of each table on record",
        ]
        does += [
            f"shows of {plain(table, 80)}: {', '.join(plain(one, 63) for one in columns)}"
            for table, columns in params.show.items()
        ]
        return Plan(
            does=tuple(does),
            source=right,
            touches="nothing; both are only read",
            expects="for each table the rows that are missing there, extra or changed",
        )

    def perform(
        self, params: DifferenceParams, context: StepContext, ports: Ports
    ) -> Working[Finished]:
        right = production_database(params.database, context)
        left = yield from ports.targets.reach(params.target)
        found = yield from ports.databases.differences(
            left,
            right,
            Wish(tables=params.tables, sample=params.sample, show=params.show),
            ignore_schemas=context.document.production.ignore_schemas,
        )
        return _finish(found)


def _finish(found: Difference) -> Finished:
    """Differences are what was asked for, and no failure; a table that was not compared is unknown."""
    rank = sorted(found.tables, key=lambda one: -one.differing)
    result = DifferenceResult(difference=found.model_copy(update={"tables": tuple(rank)}))
    unknown = [one for one in rank if one.why_unknown]
    apart = [one for one in rank if not one.equal and not one.why_unknown]
    equal = len(rank) - len(unknown) - len(apart)
    said = "; ".join(plain(one.in_words(), 300) for one in [*unknown, *apart][:5])
    reason = f"{len(apart)} of {counted(len(rank), 'table')} differ, {equal} are equal"
    reason += f": {said}" if said else ""
    if not unknown and rank:
        return Finished(result, reason=reason)
    return Finished(
        result,
        StepEnd.COULD_NOT_VERIFY,
        f"{counted(len(unknown), 'table')} could not be compared; {reason}",
        means="Of these nobody knows which rows are lost.",
        next="See the reasons; name the tables that can be compared under `tables`, or look by hand.",
    )
