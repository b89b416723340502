"""Stores that tell more than is true of the copy's safety."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from corpus.case import BAD, GOOD, UNSURE, Case, Production
from drbook.core.points import LockFact, Observed, PointFacts, SourceFacts

SMALL = Production("CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
RULES = ("resource", "account", "credential", "locked")


def claims(facts: SourceFacts) -> SourceFacts:
    """The place as a whole says that it locks."""
    return facts.model_copy(update={"lock_default": Observed(value=True)})


def tried(answer: bool) -> Callable[[SourceFacts], SourceFacts]:
    def tell(facts: SourceFacts) -> SourceFacts:
        return claims(facts).model_copy(update={"lock_enforced": Observed(value=answer)})

    return tell


def echoed(facts: PointFacts) -> PointFacts:
    """The copy's own headers say so."""
    lock = LockFact(mode="COMPLIANCE", until=datetime.now(UTC) + timedelta(days=90))
    return facts.model_copy(update={"lock": lock})


def silent(facts: PointFacts) -> PointFacts:
    return facts.model_copy(update={"lock": LockFact(why_unknown="not implemented")})


CASES = (
    Case("a place that locks, and a copy that is not locked", BAD, ("locked",), of=SMALL, place=claims,
         require=RULES),
    Case("a place that locks, and does not say of the copy", UNSURE, ("locked",), bad=True, of=SMALL,
         place=claims, seen=silent, require=RULES),
    Case("a lock that the place repeats and does not enforce", BAD, ("locked",), of=SMALL,
         place=tried(False), seen=echoed, require=RULES),
    Case("a lock that nobody tried, where it must be observed", UNSURE, ("locked",), bad=True, of=SMALL,
         place=claims, seen=echoed, require=RULES, observed=("locked",)),
    Case("a lock that was tried", GOOD, of=SMALL, place=tried(True), seen=echoed, require=RULES,
         observed=("locked",)),
)  # fmt: skip
