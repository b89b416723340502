"""The findings before a load, each a function of facts that providers read.

What nobody knows is *unknown*, and is shown and counted as that. Only what surely makes the load fail,
or fills the disk, *stops* it: an estimate that is merely exceeded does not, for there is no key that
goes past a stop.
"""

from collections.abc import Iterable

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.preflight import (
    DIFFERS,
    OK,
    STOPS,
    UNKNOWN,
    CopyFacts,
    Item,
    PlaceFacts,
    Preflight,
)
from drbook.core.values import plain, show_size

MIB = 1024 * 1024
EMPTY_CLUSTER = 48 * MIB
"""Bytes of a cluster without data (FACTS.md §7: about 33 MB), with its first WAL segment."""
WAL_KEPT = 1152 * MIB
"""Bytes of WAL that a load leaves lying: `max_wal_size` is 1 GB and is overshot a little."""
ROW_HEAD = 28
"""Bytes that a row takes beside its values: 24 of header and 4 of line pointer."""
INDEXES = 1.65
"""Tables with their indexes against tables alone, as measured: 1.62 with one index on two numbers, 1.66
with three indexes on a row of 130 bytes."""
PACKED = 0.25
"""What long values may shrink to where PostgreSQL compresses them."""
RECORD = 32 * MIB
"""Bytes that the record must have: without them an incident ends."""


def judge(copy: CopyFacts, place: PlaceFacts, production: int = 0) -> Preflight:
    """The page for one copy and one place; `production` is its server's version, 0 where unknown."""
    held = copy.held
    return Preflight(
        items=(
            judge_digest(copy),
            judge_tools(held, place),
            judge_server(held, place, production),
            _of_all(held, judge_roles(held, place, copy.roles)),
            _of_all(held, judge_owners(held)),
            _of_all(held, judge_extensions(held, place)),
            _of_all(held, judge_tablespaces(held)),
            *judge_text(held.settings, place.settings),
            judge_disk(copy, place),
            judge_record(place),
        )
    )


def _of_all(held: ArchiveFacts, item: Item) -> Item:
    """What the archive names may be more than what was found: then nothing about it is well."""
    if held.complete or item.verdict is not OK:
        return item
    words = "what it names could not be read to its end"
    return item.model_copy(update={"verdict": UNKNOWN, "words": words})


def settled(page: Preflight, held: ArchiveFacts | None, made: DatabaseSettings | None) -> Preflight:
    """The page with what the new database says of its own text, in the place of what was foreseen."""
    if held is None:
        return page
    return page.with_items(judge_text(held.settings, made))


def names(found: Iterable[str]) -> str:
    """Names from an archive, safe to show; `none` where there is none."""
    listed = list(found)
    more = f" and {len(listed) - 10} more" if len(listed) > 10 else ""
    return ", ".join(plain(name, 63) for name in listed[:10]) + more if listed else "none"


def version(number: int) -> str:
    return f"{number // 10000}.{number % 10000}" if number else "unknown"


def judge_digest(copy: CopyFacts) -> Item:
    wanted = "a digest that was stated when it was made"
    if copy.proven == "digest":
        return Item(what="digest", verdict=OK, found=plain(copy.reason, 200), wanted=wanted)
    read = "structure read to the end" if copy.proven == "structure" else "not read"
    return Item(
        what="digest",
        verdict=UNKNOWN,
        found=read,
        wanted=wanted,
        words=f"{read}, content unproven: a flipped bit inside a row would not be seen",
    )


def judge_tools(held: ArchiveFacts, place: PlaceFacts) -> Item:
    dumped = held.dump_version or held.source_version
    wanted = f"{dumped.split('.')[0]} or newer" if dumped else "unknown"
    if place.unreadable:
        return Item(
            what="tools",
            verdict=STOPS,
            found=version(place.restore_version),
            wanted="newer ones",
            words=f"no program here can read it: {plain(place.unreadable, 200)}",
        )
    if not place.restore_version or not dumped.split(".")[0].isdecimal():
        return Item(
            what="tools", verdict=UNKNOWN, found=version(place.restore_version), wanted=wanted
        )
    new_enough = place.restore_version // 10000 >= int(dumped.split(".")[0])
    return Item(
        what="tools",
        verdict=OK if new_enough else STOPS,
        found=version(place.restore_version),
        wanted=wanted,
        words="" if new_enough else f"programs of {wanted} are needed to load it",
    )


def judge_server(held: ArchiveFacts, place: PlaceFacts, production: int = 0) -> Item:
    """The target's major version against that of the dumped server, and of production."""
    source, found = held.source_major, place.server_version // 10000
    wanted = production // 10000 or source
    item = Item(
        what="server",
        verdict=UNKNOWN,
        found=version(place.server_version),
        wanted=f"{wanted}" if wanted else "unknown",
    )
    if not found or not wanted:
        return item
    if found < (source or 0):
        words = f"a dump of version {source} is not loaded into a server of version {found}"
        return item.model_copy(update={"verdict": STOPS, "wanted": f"{source}", "words": words})
    if found == wanted:
        return item.model_copy(update={"verdict": OK})
    kind = "newer" if found > wanted else "older"
    words = f"{kind} than production: what depends on the version may behave otherwise"
    return item.model_copy(update={"verdict": DIFFERS, "words": words})


def judge_roles(held: ArchiveFacts, place: PlaceFacts, known: frozenset[str] = frozenset()) -> Item:
    """Roles that grants and policies name: without them a load ends at the first of these. `known` are
    those of a globals file."""
    item = Item(what="roles", verdict=OK, found="none", wanted=names(held.roles))
    if not held.roles:
        return item
    if place.roles is None:
        return item.model_copy(update={"verdict": UNKNOWN, "found": "unknown"})
    missing = sorted(set(held.roles) - set(place.roles))
    there = names(sorted(set(held.roles) & set(place.roles)))
    if not missing:
        return item.model_copy(update={"found": there})
    if place.whole_server:
        made = [name for name in missing if name in known]
        strange = [name for name in missing if name not in known]
        words = "; ".join(
            part
            for part in (
                made
                and f"made from the globals file, without login or any attribute: {names(made)}",
                strange and f"stand in without login or any attribute: {names(strange)}",
                strange and known and "the globals file does not name them",
                strange
                and not known
                and "who could log in, and with what rights, is not in a dump (`globals:` takes a file of "
                "`pg_dumpall --globals-only`)",
            )
            if part
        )
        return item.model_copy(update={"verdict": DIFFERS, "found": there, "words": words})
    words = f"the server does not have {names(missing)}"
    return item.model_copy(update={"verdict": STOPS, "found": there, "words": words})


def judge_owners(held: ArchiveFacts) -> Item:
    item = Item(what="owners", verdict=OK, found="the login that loads", wanted=names(held.owners))
    if not held.owners:
        return item.model_copy(update={"verdict": UNKNOWN, "wanted": "not in the archive"})
    words = "everything belongs to the login that loads it, until somebody gives it back"
    return item.model_copy(update={"verdict": DIFFERS, "words": words})


def judge_extensions(held: ArchiveFacts, place: PlaceFacts) -> Item:
    item = Item(what="extensions", verdict=OK, found="none", wanted=names(held.extensions))
    if not held.extensions:
        return item
    if place.extensions is None:
        return item.model_copy(update={"verdict": UNKNOWN, "found": "unknown"})
    known = place.extensions
    there = names(f"{name} {known[name]}".strip() for name in held.extensions if name in known)
    missing = [name for name in held.extensions if name not in known]
    if missing:
        words = f"not installed for the target's server: {names(missing)}"
        return item.model_copy(update={"verdict": STOPS, "found": there, "words": words})
    words = "which version production had is not in the archive"
    return item.model_copy(update={"found": there, "words": words})


def judge_tablespaces(held: ArchiveFacts) -> Item:
    item = Item(what="tablespaces", verdict=OK, found="the default one", wanted="the default one")
    if not held.tablespaces:
        return item
    words = "everything is put into the default one: another disk's speed and room are not there"
    return item.model_copy(
        update={"verdict": DIFFERS, "wanted": names(held.tablespaces), "words": words}
    )


def judge_text(
    wanted: DatabaseSettings | None, found: DatabaseSettings | None
) -> tuple[Item, Item]:
    """Encoding, and what sorts text."""
    return _encoding(wanted, found), _sorting(wanted, found)


def _encoding(wanted: DatabaseSettings | None, found: DatabaseSettings | None) -> Item:
    was = wanted.encoding if wanted else ""
    now = found.encoding if found else ""
    item = Item(
        what="encoding",
        verdict=OK,
        found=plain(now, 60) or "unknown",
        wanted=plain(was, 60) or "unknown",
    )
    if not was or not now:
        return item.model_copy(update={"verdict": UNKNOWN})
    if was == now:
        return item
    if "SQL_ASCII" in (was, now):
        words = "SQL_ASCII checks nothing: text may be refused, or kept with another length"
    else:
        words = "text is converted: a character that the other encoding lacks ends the load"
    return item.model_copy(update={"verdict": DIFFERS, "words": words})


def _sorting(wanted: DatabaseSettings | None, found: DatabaseSettings | None) -> Item:
    was = wanted.sorting if wanted else ""
    now = found.sorting if found else ""
    item = Item(
        what="sorting",
        verdict=OK,
        found=plain(now, 100) or "unknown",
        wanted=plain(was, 100) or "unknown",
    )
    if not was or not now:
        return item.model_copy(update={"verdict": UNKNOWN})
    if was == now and (not wanted or not found or wanted.rules == found.rules):
        return item
    words = (
        "text sorts otherwise, and upper and lower case may be told otherwise: pages and reports change "
        "their order; partitions by ranges of text, and UNIQUE and CHECK on such values, may not take "
        "every row"
    )
    return item.model_copy(update={"verdict": DIFFERS, "words": words})


def needed(copy: CopyFacts) -> tuple[int | None, int]:
    """Bytes that the restored database will probably take with its indexes and WAL (None where the
    archive's data was not read and nothing says what the dumped database took), and bytes that it will
    take in any case."""
    text, rows = copy.held.text_bytes, copy.held.total_rows
    if text is None:
        least = EMPTY_CLUSTER + int(copy.size * PACKED)
        if copy.database_bytes is None:
            return None, least
        return EMPTY_CLUSTER + copy.database_bytes + min(WAL_KEPT, copy.database_bytes), least
    # Where rows were not counted, they are taken to be 70 bytes long.
    heads = ROW_HEAD * (rows if rows is not None else text // 70)
    data = int(INDEXES * (text + heads))
    least = int(PACKED * text) + (heads if rows is not None else 0)
    return EMPTY_CLUSTER + data + min(WAL_KEPT, data), EMPTY_CLUSTER + least


def judge_disk(copy: CopyFacts, place: PlaceFacts) -> Item:
    likely, least = needed(copy)
    read = copy.held.text_bytes is not None
    source = "the archive" if read else "what production took, by the manifest"
    wanted = f"about {show_size(likely)}" if likely is not None else f"at least {show_size(least)}"
    item = Item(
        what="disk",
        verdict=OK,
        found=f"{show_size(place.free)} free" if place.free is not None else "unknown",
        wanted=wanted,
        words=f"data, indexes and WAL, as estimated from {source}" if likely is not None else "",
    )
    if place.free is None:
        return item.model_copy(update={"verdict": UNKNOWN})
    if place.free < least:
        words = f"{show_size(place.free)} are free, and at least {show_size(least)} are needed"
        return item.model_copy(update={"verdict": STOPS, "words": words})
    if likely is None:
        words = "how much it unpacks to is not known: it was not read, for its digest is proven"
        return item.model_copy(update={"verdict": UNKNOWN, "words": words})
    if place.free < likely:
        words = f"it may not fit: data, indexes and WAL are estimated from {source}"
        return item.model_copy(update={"verdict": DIFFERS, "words": words})
    return item


def judge_record(place: PlaceFacts) -> Item:
    free = place.record_free
    item = Item(
        what="record",
        verdict=UNKNOWN,
        found=f"{show_size(free)} free" if free is not None else "unknown",
        wanted=f"at least {show_size(RECORD)}",
    )
    if free is None:
        return item
    if free >= RECORD:
        return item.model_copy(update={"verdict": OK})
    words = (
        f"{show_size(free)} are free in the incident's folder: the record itself could not go on"
    )
    return item.model_copy(update={"verdict": STOPS, "words": words})
