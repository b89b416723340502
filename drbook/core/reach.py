"""How far a leaked credential reaches: what is stored where it can read leaks with it, and so on.

Everything here follows from what the runbook states. What is not stated is unknown, and an unknown
reach is never read as *no reach*. Names are compared without regard to case or spelling variants of
the same characters, since `Railway-Token` and `railway-token` are one credential to whoever found it.
"""

import posixpath
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from drbook.core.points import Answer, CredentialPlace, FailureDomain
from drbook.core.values import plain


def same_name(text: str) -> str:
    """The form in which two names are compared: NFKC, case-folded, without surrounding space."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def same_place(text: str) -> str:
    """The form in which places are compared. Whoever reads a file reads each line of it, however its path is
    written: `file:/etc/app#KEY`, `/etc/app` and `file:/etc/x/../app` are one place."""
    name = same_name(text)
    path = name.removeprefix("file:").partition("#")[0].strip()
    if not path.startswith(("/", "~/")):
        return name
    return f"file:{posixpath.normpath(path)}".replace("file://", "file:/")


def same_account(text: str) -> str:
    """The form in which accounts are compared: their numbers are written with and without hyphens or
    spaces."""
    bare = same_name(text).replace("-", "").replace(" ", "")
    return bare if bare.isdigit() else same_name(text)


@dataclass(frozen=True, slots=True)
class Reach:
    """The closure of what leaked."""

    leaked: Mapping[str, str]
    """Normalised credential name → how it came to be leaked, in words."""
    stored: Mapping[str, bool]
    """Normalised credential name → True where the runbook states its storage."""
    unknown: str = ""
    """Why the leaked set itself is not known in full; empty where it is."""
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Normalised credential name → the places where it is stored, where that is stated."""
    readable: Mapping[str, str] = field(default_factory=dict)
    """Normalised place → how what leaked reads it, in words."""

    def judge(self, credentials: Sequence[str] | None) -> tuple[Answer, str]:
        """Can what leaked destroy something that these credentials can destroy?

        `()` states that no credential can; None states nothing.
        """
        if credentials is None:
            return Answer.UNKNOWN, "which credentials can delete it is not stated"
        if not credentials:
            return Answer.PASS, "no credential can delete it, as the runbook states"
        names = {same_name(name): plain(name, 100) for name in credentials}
        for name in names:
            if name in self.leaked:
                return Answer.FAIL, self.leaked[name]
        if self.unknown:
            return Answer.UNKNOWN, self.unknown
        shown = ", ".join(names.values())
        if not self.leaked:
            return Answer.PASS, f"no credential is stated to have leaked; {shown} can delete it"
        unstated = [shown for name, shown in names.items() if not self.stored.get(name)]
        if unstated:
            return Answer.UNKNOWN, f"where {', '.join(unstated)} is stored is not stated"
        return Answer.PASS, f"{shown} is stored apart from everything that leaked"


def leaked_credentials(
    production: FailureDomain,
    credentials: Mapping[str, CredentialPlace],
    named: Sequence[str] | None = None,
) -> Reach:
    """Everything that leaks with production's credentials, or with those that the operator names.

    Whoever has a credential was somewhere it is stored, and can read what it reads: all that is
    stored in those places is leaked as well, and so on until nothing is added. A leaked credential
    without an entry under `credentials:` leaves the closure open.
    """
    places = {same_name(name): place for name, place in credentials.items()}
    shown = {same_name(name): plain(name, 100) for name in credentials}
    stored = {name: place.stored_in is not None for name, place in places.items()}
    kept = {name: place.stored_in for name, place in places.items() if place.stored_in is not None}
    first = named if named is not None else production.credentials
    if first is None:
        why = "which credential destroyed production is not stated"
        return Reach({}, stored, why, kept)
    shown.update({same_name(name): plain(name, 100) for name in first})
    why = (
        "has leaked, as the operator says"
        if named is not None
        else "is one of production's own credentials"
    )
    leaked = {same_name(name): f"{plain(name, 100)} {why}" for name in first}
    readable: dict[str, str] = {}
    _read(readable, production.reads, "which whoever holds production can read")
    waiting = list(leaked)
    while waiting or _spread(leaked, waiting, places, shown, readable):
        name = waiting.pop()
        place = places.get(name)
        if place is None:
            continue
        how = "" if name in {same_name(each) for each in first} else f"; {leaked[name]}"
        _read(readable, place.stored_in or (), f"where {shown[name]} is stored too{how}")
        _read(readable, place.reads, f"which {shown[name]} can read{how}")
    open_ends = sorted(shown[name] for name in leaked if not stored.get(name))
    unknown = f"what lies beside {', '.join(open_ends)} is not stated" if open_ends else ""
    return Reach(leaked, stored, unknown, kept, readable)


def _read(readable: dict[str, str], places: Iterable[str], how: str) -> None:
    """Note places as readable; the first way in is kept, being the shortest."""
    for place in places:
        readable.setdefault(same_place(place), f"{plain(place, 100)}, {how}")


def _spread(
    leaked: dict[str, str],
    waiting: list[str],
    places: Mapping[str, CredentialPlace],
    shown: Mapping[str, str],
    readable: Mapping[str, str],
) -> bool:
    """Leak what is stored in readable places; False where nothing was added."""
    for name, place in places.items():
        if name in leaked:
            continue
        way = ""
        for where in place.stored_in or ():
            # Somebody may write a credential for the place that it opens.
            by = leaked.get(same_name(where))
            if same_place(where) in readable:
                way = readable[same_place(where)]
            elif by is not None:
                way = f"what {plain(where, 100)} opens; {by}"
            if way:
                break
        if way:
            leaked[name] = f"{shown[name]} is stored in {way}"
            waiting.append(name)
    return bool(waiting)
