"""The finding of findings: what can destroy production and every copy that looks independent at once.

Pure, like `core.credentials`, whose answers it takes.
"""

from collections.abc import Sequence

from drbook.core.credentials import PRODUCTION, Exposed, Might, Stated, reached
from drbook.core.values import Frozen, plain


class Kill(Frozen):
    """A single credential, or one place, that destroys production and every copy that looks independent."""

    what: str
    """`one credential`, `one file` or `this machine`."""
    where: str
    fingerprints: tuple[str, ...]
    things: tuple[str, ...]
    reasons: tuple[str, ...]


def kills(exposed: Sequence[Exposed], stated: Stated) -> tuple[Kill, ...]:
    """What destroys production and every last hope at once: single credentials, then files (and the
    environment) that hold several, then this machine as a whole, where nothing smaller does."""
    singles: dict[str, list[Exposed]] = {}
    for one in exposed:
        singles.setdefault(one.found.fingerprint, []).append(one)
    found = []
    for fingerprint, same in singles.items():
        where = ", ".join(dict.fromkeys(each.found.where for each in same))
        kill = _kill("one credential", where, same, stated)
        if kill is not None:
            found.append(kill.model_copy(update={"fingerprints": (fingerprint,)}))
    dead = {fingerprint for kill in found for fingerprint in kill.fingerprints}
    places: dict[str, list[Exposed]] = {}
    for one in exposed:
        if one.found.fingerprint not in dead:
            places.setdefault(one.found.place, []).append(one)
    for place, held in places.items():
        what = "this process's environment" if place == "environment" else "one file"
        found += [kill] if (kill := _kill(what, place, held, stated)) else []
    if not found and (kill := _kill("this machine", "all places together", exposed, stated)):
        found.append(kill)
    return tuple(found)


def _kill(what: str, where: str, held: Sequence[Exposed], stated: Stated) -> Kill | None:
    """None where something survives, as far as is known."""
    things = (stated.production, *stated.last_hopes)
    names = tuple(dict.fromkeys(name for each in held for name in each.is_))
    reasons: list[str] = []
    holders: dict[str, None] = {}
    production = any(each.on(PRODUCTION).might is Might.DESTROYS for each in held)
    for thing in things:
        by = [each for each in held if each.on(thing.id).might is Might.DESTROYS]
        if by:
            holders.update({each.found.fingerprint: None for each in by})
            reasons.append(f"{thing.id}: {by[0].on(thing.id).reason}")
            continue
        holds = production and thing.id != PRODUCTION
        might, _, reason = reached(names, thing, stated, holds_production=holds)
        if might is not Might.DESTROYS:
            return None
        reasons.append(f"{thing.id}: {reason}")
    if not stated.things[1:]:
        reasons.append("the runbook names no backup source: there is no other copy")
    shown = tuple(holders) or tuple(dict.fromkeys(each.found.fingerprint for each in held))
    return Kill(
        what=what,
        where=where,
        fingerprints=shown,
        things=tuple(thing.id for thing in things),
        reasons=tuple(plain(reason, 400) for reason in reasons),
    )
