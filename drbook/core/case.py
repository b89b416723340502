"""Everything that a criterion of independence may look at, and the shape of its answer."""

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drbook.core.holding import Stated
from drbook.core.points import Answer, Basis, FailureDomain, PointFacts, SourceFacts
from drbook.core.proofs import Proofs
from drbook.core.reach import Reach

MARGIN = timedelta(days=7)
"""A lock or an expiry must leave at least this long for the recovery itself."""

Answered = tuple[Answer, Basis, str]


@dataclass(frozen=True, slots=True)
class Case:
    """One copy, its place, and what the runbook and the record say of both."""

    facts: PointFacts
    source: SourceFacts
    declared: FailureDomain
    production: FailureDomain
    reach: Reach
    now: datetime
    stated: Stated = field(default_factory=Stated)
    proofs: Proofs = field(default_factory=Proofs)
    systems: Set[str] = frozenset()
    """Production's system identifiers, as far as they are known."""
    volume: str = ""
    """Production's own directory, as the runbook states it."""
