"""Rule 2 as functions of data: is a target fresh, and is it not production?

What is known comes in, a proof in words comes out, or a refusal of `core.refusals` is raised. Nothing
is asked here; who asks does so on the connection that will be used, right before it is used. Unknown
never counts as *another server*, as *empty*, or as *the same as before*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drbook.core.baseline import Identity, Place
from drbook.core.ports import ProductionIdentity
from drbook.core.refusals import refused
from drbook.core.targets import Target
from drbook.core.values import counted, plain


@dataclass(frozen=True, slots=True)
class Answer:
    """What a target's own connection says about what is behind it."""

    identity: Identity
    pooled: bool
    """The backend that answers is not the one that the connection was made to."""
    databases: tuple[str, ...] | None = None
    """The names of the server's databases; None where nobody asked, which is never *none*."""


# --- a given server --------------------------------------------------------------------------


def prove_other_server(answer: Answer, shown: str, production: Sequence[ProductionIdentity]) -> str:
    """The proof, in words, that a given server is not production's.

    A database beside production's own is refused too: what destroys production's server destroys it,
    and filling it takes production's disk, memory and WAL. Raises Refused.
    """
    who, server = answer.identity, plain(shown, 200)
    known = [one for one in production if one.identity is not None]
    differences = [
        _differs(who, server, one, one.identity) for one in known if one.identity is not None
    ]
    if who.in_recovery is None:
        raise refused(
            "target-identity-unknown",
            f"{server} does not say whether it is a standby.",
            compared="nothing: it did not answer that",
        )
    if who.in_recovery:
        raise refused(
            "target-is-standby",
            f"{server} is a standby: what it holds comes from another server.",
            compared="it says that it is in recovery",
        )
    if answer.pooled:
        raise refused(
            "target-behind-pooler",
            f"A pooler answers at {server}: what was proven for one statement holds for that one only.",
            compared="the backend that answers is not the one that the connection was made to",
        )
    if not any(one.proves for one in known):
        raise refused(
            "production-identity-unknown",
            f"Nobody knows production's identity, so nobody knows that {server} is not it.",
            compared="production did not say who it is, and "
            + (
                "of these none is known to be this production's own: "
                + "; ".join(_shown(one) for one in known)
                if known
                else "no baseline recorded it"
            ),
        )
    differences += _not_moved_there(answer, server, production)
    return (
        f"system identifier {who.system_identifier} on its own connection: "
        + "; ".join(differences)
        + "; the database was made for this restore and was found empty"
    )


def _not_moved_there(
    answer: Answer, server: str, production: Sequence[ProductionIdentity]
) -> list[str]:
    """Where production itself is silent: that this server does not hold what it may be by now.

    A major upgrade, a logical move or a restore gives production another system identifier, and a
    baseline from before knows only the old one. Raises Refused.
    """
    if any(one.basis == "live" for one in production):
        return []
    recorded = [(one, one.identity) for one in production if one.ours and one.identity is not None]
    names = {identity.database for _, identity in recorded}
    held = names if answer.databases is None else names & set(answer.databases)
    said = "; ".join(plain(one.described, 200) for one, _ in recorded)
    if held:
        shown = ", ".join(plain(name, 100) for name in sorted(held))
        raise refused(
            "target-may-be-production",
            f"{server} may be production as it is today.",
            compared="the names of its databases"
            + (
                ", which it did not say"
                if answer.databases is None
                else f": it holds one of production's name, {shown}"
            )
            + f". Production does not answer, only {said} knows it, and an upgrade or a move since "
            "then would have changed its system identifier",
        )
    return [f"production did not answer; only {said} knows it, and no database here has its name"]


def _differs(who: Identity, server: str, known: ProductionIdentity, its: Identity) -> str:
    """How it differs from one identity that is known. Raises Refused where it does not."""
    if who.system_identifier != its.system_identifier:
        return f"is not production's {its.system_identifier} ({plain(known.described, 200)})"
    same = (
        f"both have the system identifier {who.system_identifier} ({plain(known.described, 200)})"
    )
    if who.in_recovery:
        raise refused(
            "target-is-standby",
            f"{server} is a standby of production.",
            compared=f"{same}, and it is in recovery",
        )
    comparable = (
        who.place is not None and its.place is not None and who.place.boot == its.place.boot
    )
    if comparable and who.place == its.place:
        raise _own_server(who, server, its, f"{same} and the data directory")
    if who.started_at is not None and who.started_at == its.started_at:
        raise _own_server(who, server, its, f"{same} and were started in the same moment")
    if comparable and known.basis == "live" and its.in_recovery is False:
        return (
            f"a physical copy of {plain(known.described, 200)}, whose data directory now is "
            f"{shown_place(its.place)}, and its own {shown_place(who.place)}"
        )
    raise refused(
        "target-may-be-production",
        f"{server} is production's own server, or a physical copy of it.",
        compared=f"{same}; " + _why_unknown(who, known, its, comparable),
    )


def _own_server(who: Identity, server: str, its: Identity, compared: str) -> Exception:
    if (who.database_oid, who.database) == (its.database_oid, its.database):
        what = f"{server} is production's own server, and the database is production itself."
        return refused(
            "target-is-production",
            what,
            compared=f"{compared}, and the database oid {its.database_oid}",
        )
    what = f"{server} is production's own server: a database in it would share production's fate."
    return refused("target-in-production-cluster", what, compared=compared)


def _why_unknown(who: Identity, known: ProductionIdentity, its: Identity, comparable: bool) -> str:
    if known.basis != "live":
        return (
            "a baseline says where production's data directory was then, and a failover or a move "
            "changes that"
        )
    if not comparable:
        missing = "its" if who.place is None else "production's"
        return f"{missing} data directory cannot be looked at from here"
    return "production itself was reached through a standby, so where it writes is unknown"


def shown_place(place: Place | None) -> str:
    return f"device {place.device} inode {place.inode}" if place is not None else "unknown"


def _shown(known: ProductionIdentity) -> str:
    assert known.identity is not None
    reached = f", reached as {plain(known.identity.dialled, 200)}" if known.identity.dialled else ""
    return f"{known.identity.system_identifier} ({plain(known.described, 200)}{reached})"


_LOOPBACK = ("localhost", "127.", "[::1]", "/", ":")


def of_this_production(recorded: Identity, dialled: str, resource: str) -> bool:
    """Whether a baseline's identity is known to be that of the production which a runbook describes.

    Several productions may keep baselines in one place. It is the same where it was reached in the
    same way and declared to be the same resource. Behind a tunnel or a socket every production is
    reached in the same way, so there a declared resource is needed.
    """
    if not dialled or recorded.dialled != dialled or recorded.resource != resource:
        return False
    return bool(resource) or not dialled.lower().startswith(_LOOPBACK)


# --- the same target again -------------------------------------------------------------------


def prove_same_target(target: Target, answer: Answer) -> None:
    """Raises Refused `target-changed` where something else answers than was created."""
    expected, found = target.identity, answer.identity
    compared = (
        f"created were system identifier {expected.system_identifier}, database "
        f"{plain(expected.database, 100)} ({expected.database_oid}), data directory "
        f"{shown_place(expected.place)}; answering are {found.system_identifier}, "
        f"{plain(found.database, 100)} ({found.database_oid}), {shown_place(found.place)}"
    )
    moved = (
        expected.place is not None
        and found.place is not None
        and expected.place.boot == found.place.boot
        and expected.place != found.place
    )
    same = (
        found.system_identifier == expected.system_identifier
        and found.database_oid == expected.database_oid
        and found.database == expected.database
        and found.in_recovery is False
        and not moved
        and not answer.pooled
    )
    if found.in_recovery is not False:
        compared += ", a standby"
    if answer.pooled:
        compared += ", behind a pooler"
    if not same:
        raise refused(
            "target-changed",
            f"What answers as target {plain(target.name, 100)} is not what this incident created.",
            compared=compared,
        )


# --- emptiness -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FoundObject:
    """Something in a database that initdb did not make."""

    kind: str
    schema: str | None
    """None for what belongs to the database and not to a schema."""
    name: str
    of_extension: bool


def prove_empty(found: Sequence[FoundObject], ignored: Sequence[str], shown: str) -> None:
    """Raises Refused `target-not-empty` for anything that neither an extension owns nor an ignored
    schema holds.

    Large objects, event triggers, publications, subscriptions, foreign servers, settings and default
    rights count: they are data, or they act on what is restored.
    """
    held = [
        one
        for one in found
        if not one.of_extension
        and one.schema not in ignored
        and not (one.kind == "schema" and one.name in ignored)
    ]
    if not held:
        return
    some = ", ".join(
        plain(f"{one.kind} {one.schema + '.' if one.schema else ''}{one.name}", 120)
        for one in held[:5]
    )
    raise refused(
        "target-not-empty",
        f"{plain(shown, 200)} is not empty: it holds {some}"
        + (f" and {len(held) - 5} more." if len(held) > 5 else "."),
        compared=f"{counted(len(held), 'object')} that neither an extension owns nor an ignored schema holds",
        means="Nothing was written to it; it is neither used nor removed.",
    )
