"""Who may be merged into, as functions of data: the database whose rows were reviewed, and no other.

A restore's lease is for what is fresh and is not production; this one is for production alone, or in a drill
for its disposable stand-in. Neither opens what the other does. Unknown never counts as the same.
"""

from drbook.core.baseline import Identity
from drbook.core.errors import NotExercised, Refused
from drbook.core.events import Mode
from drbook.core.freshness import Answer, shown_place
from drbook.core.reviewed import Proposal
from drbook.core.values import plain

REVIEW_AGAIN = "Run the step that proposes again, review what it finds, then apply that."


def prove_reviewed(
    proposal: Proposal, answer: Answer, *, whose: str, now: Identity | None = None
) -> None:
    """Raises Refused where what answers is not the database that the proposal was made against, or where
    what is behind the connection may be another with the next statement. `now` is what production's own
    address says at this moment: a physical copy has its numbers, and was started at another moment."""
    expected, found = proposal.what.production, answer.identity
    if answer.pooled:
        raise _refused(
            "merge-behind-pooler",
            f"A pooler answers for {whose}: what was proven for one statement holds for that one only.",
            "the backend that answers is not the one that the connection was made to",
            "Give a `login` with the server's own address.",
        )
    if found.in_recovery is not False:
        raise _refused(
            "merge-standby",
            f"{whose[:1].upper()}{whose[1:]} answers as a standby, or does not say whether it is one.",
            "it says that it is in recovery, or nothing",
            "Give a `login` with the primary's address. After a failover, propose again against it.",
        )
    other_run = now is not None and now.started_at != found.started_at
    if other_run or not _same(expected, found):
        raise _refused(
            "merge-elsewhere",
            f"What answers for {whose} is not the database that was reviewed.",
            f"reviewed was {_who(expected)}; answering is {_who(found)}"
            + (", and it was started at another moment than production" if other_run else ""),
            REVIEW_AGAIN,
        )


def _same(expected: Identity, found: Identity) -> bool:
    """A physical copy has the same numbers; where both directories are known they decide."""
    places = expected.place, found.place
    moved = (
        places[0] is not None
        and places[1] is not None
        and places[0].boot == places[1].boot
        and places[0] != places[1]
    )
    numbers = ("system_identifier", "database_oid", "database")
    return not moved and all(getattr(expected, one) == getattr(found, one) for one in numbers)


def _who(one: Identity) -> str:
    return (
        f"system identifier {one.system_identifier}, database {plain(one.database, 63)} "
        f"({one.database_oid}), data directory {shown_place(one.place)}"
    )


def allowed(mode: Mode, proposal: Proposal) -> None:
    """Raises NotExercised or Refused where the mode lets nobody merge this proposal."""
    stand_in = proposal.what.stand_in
    if mode is Mode.DRY_RUN:
        raise NotExercised(
            "A dry run merges nothing, not even to roll it back.",
            means="Whether the rows would go in is not proven.",
        )
    if mode is Mode.DRILL and stand_in is None:
        raise NotExercised(
            "A drill does not write to production, not even to roll it back.",
            means="The proposal was made against production itself. Whether its rows would go in is not "
            "proven.",
            next="To exercise it, restore a second copy and give its target to `postgres.propose` as "
            "`stand_in`: it then stands for production.",
        )
    if mode is Mode.LIVE and stand_in is not None:
        raise _refused(
            "merge-stand-in",
            f"The proposal was made against the stand-in {plain(stand_in.name, 100)}, and this is a live "
            "incident.",
            "the database that was reviewed with production",
            "Leave `stand_in` out of `postgres.propose`, and run it again.",
        )


def _refused(code: str, what: str, compared: str, next: str) -> Refused:
    return Refused(what, means=f"Compared: {compared}. Nothing was written.", next=next, code=code)
