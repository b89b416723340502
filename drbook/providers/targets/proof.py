"""Rule 2: a target is fresh and is not production. Unknown never counts as *another server*."""

from collections.abc import Sequence

from drbook.core.baseline import Identity
from drbook.core.errors import Refused
from drbook.core.ports import ProductionIdentity
from drbook.core.targets import Target
from drbook.core.values import plain


def prove_other_server(
    given: Identity, shown: str, production: Sequence[ProductionIdentity]
) -> str:
    """The proof, in words, that a given server is not production's.

    Raises Refused `target-is-production` where it shares the system identifier, and
    `production-identity-unknown` where nobody knows what production's is.
    """
    for known in production:
        if known.identity.system_identifier == given.system_identifier:
            raise Refused(
                f"{plain(shown, 200)} is production's own server, or a physical copy of it.",
                means=f"Both have the system identifier {given.system_identifier} (production's: "
                f"{plain(known.described, 200)}). Nothing was written.",
                next="Restore into a fresh cluster instead: `target: {kind: cluster}`.",
                code="target-is-production",
            )
    if not production:
        raise Refused(
            f"Nobody knows production's identity, so nobody knows that {plain(shown, 200)} is not it.",
            means="Production does not answer, and no baseline recorded its identity. Nothing was "
            "written.",
            next="Restore into a fresh cluster instead (`target: {kind: cluster}`): that one is proven "
            "by being made here.",
            code="production-identity-unknown",
        )
    compared = "; ".join(
        f"{known.identity.system_identifier} ({plain(known.described, 200)})"
        for known in production
    )
    return (
        f"system identifier {given.system_identifier} is not production's {compared}; "
        "the database was made for this restore and was empty"
    )


def same_target(target: Target, found: Identity) -> None:
    """Raises Refused `target-changed` where another server or database answers than was created."""
    expected = target.identity
    same = (
        found.system_identifier == expected.system_identifier
        and found.database_oid == expected.database_oid
        and found.database == expected.database
    )
    if not same:
        raise Refused(
            f"What answers as target {target.name} is not what this incident created.",
            means=f"Created: system identifier {expected.system_identifier}, database "
            f"{plain(expected.database, 100)} ({expected.database_oid}). Answering: "
            f"{found.system_identifier}, {plain(found.database, 100)} ({found.database_oid}). "
            "Nothing was written.",
            next="Look which server answers there. Run the restore step again for another target.",
            code="target-changed",
        )
