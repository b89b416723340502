"""Credentials that were found on a machine: what each can destroy, and which one destroys everything.

Pure: what was found and what the runbook states in, answers with their reasons out. What cannot be told
is *unknown*, never harmless; reach is transitive, as `core.reach` has it. No value is ever in here, only
fingerprints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import Field

from drbook.core.points import Answer, Basis, CredentialPlace, FailureDomain
from drbook.core.reach import leaked_credentials, same_name
from drbook.core.values import Frozen, counted, plain

PRODUCTION = "production data"
"""How production is called among the things; a backup source's id has no space in it."""


class Might(StrEnum):
    """Whether a credential can destroy something."""

    DESTROYS = "destroys"
    CANNOT = "cannot"
    UNKNOWN = "unknown"


class Found(Frozen):
    """One credential in one place. Its value is nowhere in it."""

    kind: str
    """What it is by its shape or its place, like `postgres password`."""
    name: str = ""
    """The variable, section or field that holds it."""
    place: str
    """The file's path, or `environment`."""
    line: int | None = None
    readers: str
    """Who else can read it, by the mode bits."""
    fingerprint: str
    """Equal fingerprints in one report are equal values; see `providers.credfiles`."""
    scope: str = ""
    """What its shape and place tell of its power, in words."""
    marks: frozenset[str] = Field(default=frozenset(), exclude=True, repr=False)
    """By what the runbook may refer to it: `env:NAME`, `file:PATH#NAME`, `service:NAME`, `print:…`."""

    @property
    def where(self) -> str:
        at = f":{self.line}" if self.line is not None else ""
        return f"{self.place}{at}"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that can be destroyed: production's data, or all that one backup source holds."""

    id: str
    domain: FailureDomain
    uses: frozenset[str] = frozenset()
    """Marks of the credentials that the runbook itself opens it with."""
    near: frozenset[str] = frozenset()
    """Marks of the server or store that holds it: whose credential it is, and no more."""
    independent: bool = False
    """True where at least one copy in it looks independent."""
    lock: Answer = Answer.FAIL
    """Whether what it holds is locked: passed only where a lock was tried, unknown where it was not."""
    versioned: Answer = Answer.UNKNOWN
    """Whether a delete or an overwrite leaves the version before behind."""


class Power(Frozen):
    """What one credential can do to one thing."""

    thing: str
    might: Might
    basis: Basis
    reason: str


class Exposed(Frozen):
    """One found credential, what it is in the runbook's words, and what it can destroy."""

    found: Found
    is_: tuple[str, ...]
    """Names under `credentials:` that it is known to be."""
    powers: tuple[Power, ...]

    def on(self, thing: str) -> Power:
        return next(power for power in self.powers if power.thing == thing)


@dataclass(frozen=True, slots=True)
class Stated:
    """What the runbook says, and what production's own server answered."""

    things: Sequence[Thing]
    """Production first."""
    credentials: Mapping[str, CredentialPlace] = field(default_factory=dict)
    asked: Power | None = None
    """What production's server says that the runbook's own login may do; None where nobody asked."""
    told: Mapping[tuple[str, str], Power] = field(default_factory=dict)
    """What others say, who were asked: by fingerprint and thing."""

    @property
    def production(self) -> Thing:
        return self.things[0]

    @property
    def last_hopes(self) -> tuple[Thing, ...]:
        """The places whose loss would be the end: those that look independent, else all of them."""
        copies = self.things[1:]
        return tuple(one for one in copies if one.independent) or tuple(copies)


def marks_of(place: CredentialPlace) -> frozenset[str]:
    """Places of `stored_in` that name a credential exactly; the others are hosts and vaults."""
    exact = ("env:", "file:", "service:", "profile:")
    return frozenset(one for one in place.stored_in or () if one.startswith(exact))


def expose(found: Sequence[Found], stated: Stated) -> tuple[Exposed, ...]:
    """Every credential with its powers. Whoever holds the same value is the same credential, wherever
    the runbook says that it lies."""
    names = _names(found, stated.credentials)
    openers = {one.fingerprint for one in found if one.marks & stated.production.uses}
    if len(openers) > 1 and stated.asked is not None:  # a service of that name in two files
        several = "several credentials open it by that name; which one was asked nobody knows"
        unsure = stated.asked.model_copy(
            update={"might": Might.UNKNOWN, "basis": Basis.NONE, "reason": several}
        )
        stated = replace(stated, asked=unsure)
    shown = []
    for one in found:
        is_ = names.get(one.fingerprint, ())
        powers = tuple(_power(one, is_, thing, stated) for thing in stated.things)
        shown.append(Exposed(found=one, is_=is_, powers=powers))
    return tuple(shown)


def _names(
    found: Sequence[Found], credentials: Mapping[str, CredentialPlace]
) -> dict[str, tuple[str, ...]]:
    names: dict[str, dict[str, None]] = {}
    for name, place in credentials.items():
        marks = marks_of(place)
        for one in found:
            if marks & one.marks:
                names.setdefault(one.fingerprint, {})[name] = None
    return {fingerprint: tuple(each) for fingerprint, each in names.items()}


def _power(one: Found, is_: tuple[str, ...], thing: Thing, stated: Stated) -> Power:
    opens = bool(one.marks & thing.uses)
    if opens and thing.id == PRODUCTION and stated.asked is not None:
        asked = stated.asked
        if asked.might is Might.DESTROYS or not is_:
            return asked
    told = stated.told.get((one.fingerprint, thing.id))
    might, basis, reason = reached(is_, thing, stated)
    if told is not None:
        return _stricter(told, Power(thing=thing.id, might=might, basis=basis, reason=reason))
    if might is Might.UNKNOWN and opens:
        reason = (
            f"the runbook opens it with this; whether it may delete there was not asked: {reason}"
        )
    elif might is Might.UNKNOWN and one.marks & thing.near:
        reason = f"it belongs to the server or store that holds this: {reason}"
    return Power(thing=thing.id, might=might, basis=basis, reason=reason)


def _stricter(told: Power, stated: Power) -> Power:
    """What was asked counts, unless the runbook's reach is worse, or the answer told nothing."""
    if told.might is Might.DESTROYS or stated.might is Might.UNKNOWN:
        return told
    if told.might is stated.might:
        return told
    reason = f"{stated.reason}; {told.reason}"
    if stated.might is Might.DESTROYS:
        return stated.model_copy(update={"reason": reason})
    return told.model_copy(update={"reason": reason})


def reached(
    names: Sequence[str], thing: Thing, stated: Stated, *, holds_production: bool = False
) -> tuple[Might, Basis, str]:
    """Can somebody who has exactly these credentials destroy it, as the runbook states?"""
    credentials = thing.domain.credentials
    if not names and not (holds_production or credentials == ()):
        return Might.UNKNOWN, Basis.NONE, "which credential of the runbook it is, nothing states"
    reach = leaked_credentials(_without_reads(stated), stated.credentials, names)
    if not holds_production and thing.id != PRODUCTION:
        answer, _ = reach.judge(stated.production.domain.credentials)
        holds_production = answer is Answer.FAIL
    if holds_production:  # and so reads what production's holder reads
        reach = leaked_credentials(stated.production.domain, stated.credentials, names)
    answer, reason = reach.judge(credentials)
    # The words of an incident, in which whatever is held has leaked.
    reason = reason.replace("has leaked, as the operator says", "is this one")
    reason = reason.replace("everything that leaked", "all that this one reaches")
    if answer is Answer.PASS:
        return Might.CANNOT, Basis.DECLARED, reason
    if answer is Answer.UNKNOWN:
        return Might.UNKNOWN, Basis.NONE, reason
    return _past_the_lock(thing, reason)


def _past_the_lock(thing: Thing, reason: str) -> tuple[Might, Basis, str]:
    if thing.lock is Answer.PASS:
        reason = f"{reason}; but a lock that was tried holds what is there"
        return Might.CANNOT, Basis.OBSERVED, reason
    if thing.lock is Answer.UNKNOWN:
        return Might.UNKNOWN, Basis.DECLARED, f"{reason}; whether its lock holds was not tried"
    return Might.DESTROYS, Basis.DECLARED, reason


def _without_reads(stated: Stated) -> FailureDomain:
    return stated.production.domain.model_copy(update={"reads": ()})


def undecided(exposed: Sequence[Exposed]) -> str:
    """How many powers nobody could tell, in words; empty where all were told."""
    open_ends = sum(any(power.might is Might.UNKNOWN for power in one.powers) for one in exposed)
    if not open_ends:
        return ""
    return f"what {counted(open_ends, 'credential')} can destroy could not be told"


def gaps(stated: Stated) -> list[str]:
    """What the runbook does not say, so that no search could find it: who can delete, and where that lies."""
    said = []
    known = {same_name(name): place for name, place in stated.credentials.items()}
    for thing in stated.things:
        if thing.domain.credentials is None:
            said.append(f"{thing.id}: which credentials can delete it is not stated")
        for name in thing.domain.credentials or ():
            place = known.get(same_name(name))
            if place is None or place.stored_in is None:
                said.append(f"where {plain(name, 100)} is stored is not stated")
    return list(dict.fromkeys(said))


def unstated(exposed: Sequence[Exposed], credentials: Mapping[str, CredentialPlace]) -> list[str]:
    """Places that hold a credential of the runbook and that its `stored_in` does not name."""
    said = []
    for one in exposed:
        for name in one.is_:
            place = next(
                each for key, each in credentials.items() if same_name(key) == same_name(name)
            )
            if not marks_of(place) & one.found.marks:
                said.append(f"{plain(name, 100)} also lies in {one.found.where}")
    return said
