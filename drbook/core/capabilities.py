"""What a kind of backup source can say and do, as it claims itself; the conformance suite holds it to that."""

from drbook.core.points import Clock
from drbook.core.values import Frozen


class Capabilities(Frozen):
    """Claims of a kind. The absent ones claim nothing: what nobody claims is unknown wherever it counts."""

    clocks: tuple[Clock, ...] = ()
    """Whose clocks may say when a copy was taken, the most trusted first."""
    pinned: str = ""
    """What keeps a chosen copy from being another one later, in a few words."""
    digest: bool = False
    """Whether the place may have a SHA-256 of a copy's bytes from when they were stored."""
    observes: frozenset[str] = frozenset()
    """The facts of `SourceFacts` that the place itself can answer."""
    locks: bool = False
    """Whether it answers for each copy how long it is locked."""
    hidden: bool = False
    """Whether it sees copies that a delete marker hides."""
    resumes: bool = False
    """Whether a broken download goes on where it stopped, without reading what was read before."""
    untried: str = ""
    """What the kind was never run against, in a few words; empty where its tests run the real thing."""


OBSERVABLE = {
    "resource": "its own name",
    "account": "its account",
    "versioned": "versions",
    "lock_default": "locks",
    "deletes_replicated": "replication",
    "expires_after_days": "expiry",
    "policy_limits_deletes": "policy",
    "region": "its region",
    "opened": "that its key opens it",
}
"""Fields of `SourceFacts` and how the table calls them."""


def table(kinds: dict[str, Capabilities]) -> str:
    """The kinds and what they claim, as a Markdown table."""
    head = ("kind", "says when", "pinned by", "digest of the place", "observes of the place",
            "lock of a copy", "hidden copies", "goes on after a break")  # fmt: skip
    rows = [head, tuple("---" for _ in head)]
    for kind, can in kinds.items():
        seen = [words for name, words in OBSERVABLE.items() if name in can.observes]
        rows.append(
            (
                f"`{kind}`" + (f" ({can.untried})" if can.untried else ""),
                ", then ".join(can.clocks) or "unknown", can.pinned or "nothing",
                _yes(can.digest), ", ".join(seen) or "nothing", _yes(can.locks),
                _yes(can.hidden), "yes" if can.resumes else "reads it again",
            )
        )  # fmt: skip
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _yes(can: bool) -> str:
    return "where it has one" if can else "never"
