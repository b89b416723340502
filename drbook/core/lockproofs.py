"""Does a store keep what it calls locked? What attempts on an object of drbook's own showed.

Pure. A lock is proved by an attempt on an object of one's own, not by a header: some stores repeat a lock
that they do not enforce (FACTS.md, section 7). What was not seen is *unknown*; an attempt that was refused
counts only where the object was seen to be as it was afterwards.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from drbook.core.copyset import Line
from drbook.core.points import Answer, Observed
from drbook.core.values import Frozen, UtcTime, counted, plain, show_duration, show_time

NAME = "drbook-lock-proof-"
"""How the name of every such object begins."""
PROOF_AGE = timedelta(days=30)
"""A store is another one after an upgrade: what was refused longer ago says little of it."""
AHEAD = timedelta(minutes=5)
"""How far a clock may be ahead before a proof that is dated later than now is not believed."""

Mode = Literal["COMPLIANCE", "GOVERNANCE"]


class Outcome(StrEnum):
    """What came of an attempt, by what the store held afterwards."""

    REFUSED = "refused"
    ALLOWED = "allowed"
    UNTOLD = "unknown"


class Attempt(Frozen):
    """One thing that a lock has to prevent, tried on an object of one's own."""

    name: str
    """`shorten`, `lower`, `overwrite`, `hide`, `delete` or `bypass`."""
    outcome: Outcome
    said: str
    """What the store answered and held afterwards, in words."""


class LockPlace(Frozen):
    """The bucket and prefix of a source, a mirror or the baselines. No credential is in it."""

    name: str
    """A source's id, `mirror` or `baselines`."""
    bucket: str
    prefix: str
    endpoint: str = ""

    @property
    def location(self) -> str:
        at = f" at {self.endpoint}" if self.endpoint else ""
        return plain(f"s3://{self.bucket}/{self.prefix}{at}", 300)

    def same_store(self, other: "LockPlace") -> bool:
        return (self.bucket, self.endpoint) == (other.bucket, other.endpoint)


class LockPlan(Frozen):
    """What would be written into one place to try its lock; `why` tells why nothing would be."""

    place: LockPlace
    mode: Mode | None = None
    until: UtcTime | None = None
    by_default: bool = False
    """True where the bucket's own default retention locks it, so that this is what is tried."""
    why: str = ""
    unknown: bool = False
    """With `why`: whether it is locked could not be asked, so nothing is known."""

    def show(self) -> str:
        """What will be written, in words."""
        assert self.mode is not None
        assert self.until is not None
        by = "the bucket's own default" if self.by_default else "stated with the object"
        return (
            f"{self.place.name}: one object of under 1 KB, and a second version of it, named "
            f"{NAME}… in {self.place.location}, locked in {self.mode} mode ({by}) until "
            f"{show_time(self.until)}; it cannot be removed before that where the lock holds"
        )


class LockProof(Frozen):
    """The attempts on one object."""

    place: LockPlace
    key: str
    version: str | None = None
    mode: Mode | None = None
    until: UtcTime | None = None
    by_default: bool = False
    at: UtcTime
    attempts: tuple[Attempt, ...] = ()
    why: str = ""
    """Why it was not tried to its end; empty where it was."""
    left: str = ""
    """What still lies there, and until when."""

    def got(self, outcome: Outcome) -> list[str]:
        return [each.name for each in self.attempts if each.outcome is outcome]

    @property
    def lifted(self) -> bool:
        """True where the credential itself may pass a governance lock: its power, and no lie of the store."""
        return self.mode == "GOVERNANCE" and self.got(Outcome.ALLOWED) == ["bypass"]

    @property
    def answer(self) -> Answer:
        """Does the store enforce what it says? Passed only where nothing was allowed and all was seen."""
        if self.got(Outcome.ALLOWED) and not self.lifted:
            return Answer.FAIL
        if self.why or self.got(Outcome.UNTOLD) or "delete" not in self.got(Outcome.REFUSED):
            return Answer.UNKNOWN
        return Answer.PASS


def line_of(proof: LockProof) -> Line:
    """The audit's line of one proof."""
    name = f"lock {plain(proof.place.name, 13)}"
    what = f"{plain(proof.key, 200)} in {proof.place.location}"
    if proof.answer is Answer.FAIL:
        allowed = ", ".join(proof.got(Outcome.ALLOWED))
        reason = f"FOUND OUT: the store repeats a lock and did not keep it ({allowed}): {what}"
        return Line(name=name, answer=Answer.FAIL, reason=reason)
    if proof.lifted:
        reason = (
            "it keeps a governance lock, and the credential that the runbook uses there lifts it: "
            f"as good as none against whoever has that one: {what}"
        )
        return Line(name=name, answer=Answer.FAIL, reason=reason)
    if proof.answer is Answer.PASS:
        refused = ", ".join(proof.got(Outcome.REFUSED))
        reason = f"{proof.mode} was kept against: {refused}; {what}"
        return Line(name=name, answer=Answer.PASS, reason=reason)
    untold = ", ".join(proof.got(Outcome.UNTOLD))
    why = proof.why or f"what came of {untold or 'it'} could not be seen"
    return Line(name=name, answer=Answer.UNKNOWN, reason=f"{plain(why, 300)}: {what}")


def unplanned(plan: LockPlan) -> Line:
    """The line of a place of which nobody could say whether it is locked."""
    reason = f"not tried, {plain(plan.why, 300)}: {plan.place.location}"
    return Line(name=f"lock {plain(plan.place.name, 13)}", answer=Answer.UNKNOWN, reason=reason)


def observed(proofs: Sequence[LockProof], place: LockPlace, now: datetime) -> Observed:
    """What the proofs tell of a place, as `SourceFacts.lock_enforced` has it.

    A store that was found out anywhere in the bucket stays so until the same prefix is proved anew. Kept is
    only what was tried in compliance mode, under this prefix, and not too long ago.
    """
    at = [one for one in proofs if one.attempts and one.place.same_store(place)]
    here = [one for one in at if one.place.prefix == place.prefix]
    newest = max(here, key=lambda one: one.at, default=None)
    found_out = [one for one in at if one.answer is Answer.FAIL]
    proved_since = newest is not None and newest.answer is Answer.PASS
    if any(not proved_since or newest is None or one.at >= newest.at for one in found_out):
        return Observed(value=False)
    if newest is None:
        return Observed(why="not tried")
    age = now - newest.at
    if age < -AHEAD:
        return Observed(why="the last attempt is dated in the future")
    if newest.answer is not Answer.PASS:
        return Observed(why="tried, and what came of it could not be seen")
    if age > PROOF_AGE:
        return Observed(why=f"tried {show_duration(age)} ago, which is too long")
    if newest.mode != "COMPLIANCE":
        return Observed(why="tried with a governance lock only")
    return Observed(value=True)


def interrupted(begun: Sequence[LockProof], ended: Sequence[LockProof]) -> str:
    """Objects that were begun and of which no end is on record, in words; empty where there is none."""
    known = {(one.place.bucket, one.place.endpoint, one.key) for one in ended}
    open_ = [one for one in begun if (one.place.bucket, one.place.endpoint, one.key) not in known]
    if not open_:
        return ""
    names = "; ".join(f"{plain(one.key, 120)} in {one.place.location}" for one in open_[:5])
    return f"{counted(len(open_), 'lock proof')} broke off, and may have left an object: {names}"
