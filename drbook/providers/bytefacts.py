"""What a copy's size and first bytes say, without reading it all."""

from collections.abc import Callable

from drbook.core.points import ByteFact, RecoveryPoint
from drbook.core.values import plain
from drbook.providers.archive import compression_of, packed_by, sniff, why_closed

HEAD = 4096
"""Bytes that are read to tell what a file is."""


def quick(
    point: RecoveryPoint,
    size: int,
    expected: int | None,
    head: Callable[[], bytes],
    opens: str = "",
) -> ByteFact:
    """`damaged` where the copy cannot be whole, else `unread`: a good start proves nothing.

    `expected` is the manifest's size, None where there is no manifest; `head` reads the first bytes
    and may raise what its place raises. `opens` is what the source can decrypt.
    """
    if size == 0:
        return ByteFact(state="damaged", reason="it is empty")
    if expected is not None and size != expected:
        kind = "cut short" if size < expected else "too long"
        return ByteFact(
            state="damaged",
            reason=f"it is {kind}: {size} bytes, where its manifest says {expected}",
        )
    if size != point.size:
        return ByteFact(
            state="damaged", reason=f"it has {size} bytes now, {point.size} when it was listed"
        )
    start = head()
    if (by := packed_by(start)) and by == opens:
        return ByteFact(state="unread", reason=f"it is encrypted ({by}); what it holds is unread")
    if by:
        return ByteFact(state="unread", reason=why_closed(by))
    if compression_of(start) == "none" and sniff(start) == "unknown":
        shown = plain(start[:40].decode("utf-8", "replace"), 60)
        return ByteFact(
            state="damaged", reason=f"it is no pg_dump archive: it begins with {shown!r}"
        )
    same = "its size matches its manifest, its" if expected is not None else "its"
    return ByteFact(state="unread", reason=f"{same} first bytes are a dump's; the rest is unread")
