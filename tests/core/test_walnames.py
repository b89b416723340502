"""Names of WAL files, how far a row of them reaches, and whose child a base backup is."""

import json

import pytest

from drbook.core.basebackups import Kin, chain, read_contents, read_label
from drbook.core.walnames import (
    SIZES,
    Reach,
    Segment,
    Span,
    alone,
    at_lsn,
    place,
    reach,
    row,
    segment,
    way_by_names,
    way_of,
)


def of(*names: str) -> list[Segment]:
    found = [segment(name) for name in names]
    assert None not in found
    return [one for one in found if one is not None]


def name(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{0:08X}{number:08X}"


def test_a_name_is_a_timeline_and_a_number() -> None:
    assert segment("0000000200000003000000FF") == Segment(3 * 256 + 255, 2)
    assert segment("000000020000000300000100") is None  # of segments of 16 MiB there are 256
    assert segment("00000002000000030000003F", 64 * 1024**2) == Segment(3 * 64 + 63, 2)
    assert segment("00000002.history") is None
    assert Segment(4 * 256, 2).name() == "000000020000000400000000"
    assert at_lsn("3/FF000028", 2) == segment("0000000200000003000000FF")


@pytest.mark.parametrize("size", SIZES)
def test_numbers_go_on_where_the_second_half_is_full(size: int) -> None:
    per = 2**32 // size
    for number in (0, 1, per - 1, per, 5 * per - 1, 5 * per):
        assert segment(Segment(number, 7).name(size), size) == Segment(number, 7)
    assert segment(f"{7:08X}{0:08X}{per:08X}", size) is None
    over = list(row(Segment(per - 1, 1), Segment(per, 1)))
    assert [one.name(size)[8:] for one in over] == [f"{0:08X}{per - 1:08X}", f"{1:08X}{0:08X}"]
    assert reach(per - 1, over, alone(1)) == Reach(Segment(per, 1))
    assert at_lsn("1/28", 1, size) == Segment(per, 1)


@pytest.mark.parametrize(
    "text",
    [name(2) + ".partial", name(2) + ".gz", name(2).lower() + "a", name(2)[1:], "x" * 24, name(256), "", name(2) + "\n"],
)  # fmt: skip
def test_what_is_no_segment(text: str) -> None:
    assert segment(text) is None


@pytest.mark.parametrize(
    ("held", "last", "missing", "beyond"),
    [
        ((2, 3), 3, None, 0),
        ((2, 4), 2, 3, 1),
        ((2, 4, 6, 7), 2, 3, 3),
        ((1, 2), 2, None, 0),
        ((3,), None, 2, 1),
        ((1,), None, 2, 0),
        ((), None, 2, 0),
    ],
    ids=["a row", "a gap", "two gaps", "older ones", "not its first", "only older ones", "nothing"],
)
def test_a_row_reaches_to_its_first_gap(
    held: tuple[int, ...], last: int | None, missing: int | None, beyond: int
) -> None:
    found = reach(2, [Segment(each, 1) for each in held], alone(1))
    assert found.last == (Segment(last, 1) if last else None)
    assert found.missing == (Segment(missing, 1) if missing else None)
    assert found.beyond == beyond


def test_along_no_timeline_nothing_is_reached() -> None:
    assert reach(2, of(name(2), name(3)), ()) == Reach(None)


FORKED = "1\t0/5800000\tno recovery target specified\n"
TWICE = FORKED + "\n# a remark\n2\t0/7800000\tbefore the loss\n"


@pytest.mark.parametrize(
    ("own", "newest", "history", "end", "way"),
    [
        (1, 2, FORKED, "0/3000100", ((1, 0, 5), (2, 5, None))),
        (1, 3, TWICE, "0/3000100", ((1, 0, 5), (2, 5, 7), (3, 7, None))),
        (2, 3, TWICE, "0/6000100", ((2, 5, 7), (3, 7, None))),
        (1, 2, FORKED, "0/5800000", ((1, 0, 5), (2, 5, None))),
        (1, 2, FORKED, "0/5800001", ()),
        (4, 5, FORKED, "0/3000100", ()),
        (1, 2, "", "0/3000100", ()),
        (1, 2, "# nothing\n", "0/3000100", ()),
    ],
)
def test_a_history_says_the_way(
    own: int, newest: int, history: str, end: str, way: tuple[tuple[int, int, int | None], ...]
) -> None:
    assert tuple(way_of(own, newest, history, place(end))) == tuple(Span(*each) for each in way)
    large = way_of(own, newest, history, place(end), 2**26)
    assert [each.first for each in large] == [first // 4 for _, first, _ in way]


@pytest.mark.parametrize(
    ("held", "histories", "way"),
    [
        ((name(2), name(3)), (), ((1, 2, None),)),
        ((name(2), name(3, 2)), (), ((1, 2, None),)),
        ((name(2), name(3), name(3, 2)), (2,), ((1, 2, 3), (2, 3, None))),
        ((name(2), name(4, 2), name(3, 2)), (2,), ((1, 2, 3), (2, 3, None))),
        ((name(2), name(3, 2), name(5, 3)), (2, 3), ((1, 2, 3), (2, 3, 5), (3, 5, None))),
        ((name(2), name(5, 2), name(4, 3)), (2, 3), ((1, 2, 4), (3, 4, None))),
        ((name(2), name(3, 3)), (3,), ((1, 2, None),)),
        ((name(2), name(3, 3)), (2, 3), ((1, 2, 3), (3, 3, None))),
        ((name(2), name(1, 2), name(3, 2)), (2,), ((1, 2, None),)),
    ],
    ids=[
        "alone", "no history", "a branch", "in any order", "two in a row", "beside the second",
        "a history is missing", "nothing of the second", "before the copy",
    ],
)  # fmt: skip
def test_names_say_the_way(
    held: tuple[str, ...], histories: tuple[int, ...], way: tuple[tuple[int, int, int | None], ...]
) -> None:
    (own,) = of(name(2))
    assert tuple(way_by_names(own, of(*held), histories)) == tuple(Span(*each) for each in way)


@pytest.mark.parametrize(
    ("held", "last", "missing", "beyond"),
    [
        ((name(2), name(3), name(3, 2), name(4, 2)), name(4, 2), None, 0),
        # The old one went on beside the new one.
        ((name(2), name(3), name(4), name(5), name(3, 2)), name(3, 2), None, 0),
        ((name(2), name(3), name(3, 2), name(5, 2), name(6, 2)), name(3, 2), name(4, 2), 2),
        ((name(2), name(5, 2)), name(2), name(3), 1),
        ((name(2), name(3), name(9, 7)), name(3), None, 0),
    ],
    ids=["over to a new one", "not on along the old one", "a gap on the new one", "a gap before it", "a stranger"],
)  # fmt: skip
def test_a_row_goes_over_to_a_new_timeline(
    held: tuple[str, ...], last: str, missing: str | None, beyond: int
) -> None:
    (own,) = of(name(2))
    found = reach(2, of(*held), way_by_names(own, of(*held), {2}))
    assert (found.last.name() if found.last else None) == last
    assert (found.missing.name() if found.missing else None) == missing
    assert found.beyond == beyond


LABEL = """START WAL LOCATION: 0/5000028 (file 000000010000000000000005)
CHECKPOINT LOCATION: 0/5000080
BACKUP METHOD: streamed
BACKUP FROM: primary
START TIME: 2026-11-28 02:22:46 UTC
LABEL: pg_basebackup base backup
START TIMELINE: 1
"""


def test_a_label_says_where_it_begins_and_what_it_is_based_on() -> None:
    found = read_label(LABEL + "INCREMENTAL FROM LSN: 0/3000028\n")
    assert found.start_segment == "000000010000000000000005"
    assert found.based_on == "0/3000028"
    assert found.began is not None
    assert read_label(LABEL.replace("UTC", "CET")).began is None
    with pytest.raises(ValueError, match="where the WAL begins"):
        read_label("LABEL: something\n")


def test_a_manifest_says_how_much_and_whose() -> None:
    data = {
        "PostgreSQL-Backup-Manifest-Version": 2, "System-Identifier": 7713056111813341364,
        "Files": [{"Path": "a", "Size": 5, "Checksum": "00"}, {"Path": "b", "Size": 7}],
        "WAL-Ranges": [{"Timeline": 1, "Start-LSN": "0/5000028", "End-LSN": "0/5000158"}],
    }  # fmt: skip
    found = read_contents(json.dumps(data).encode())
    assert (found.bytes, found.files, found.end_lsn) == (12, 2, "0/5000158")
    assert found.system_identifier == "7713056111813341364"
    assert not found.checksums
    for bad in (b"{}", b"[]", b"{", json.dumps(data | {"Files": 5}).encode()):
        with pytest.raises(ValueError, match=r".+"):
            read_contents(bad)


def kin(id: str, start: str, based_on: str | None = None, system: str = "1") -> Kin:
    return Kin(id=id, system_identifier=system, start_lsn=start, based_on=based_on)


FULL, FIRST, SECOND = kin("full", "0/1"), kin("first", "0/2", "0/1"), kin("second", "0/3", "0/2")


def test_a_chain_is_told_by_where_its_parents_begin() -> None:
    every = [FULL, FIRST, SECOND, kin("other", "0/1", system="2")]
    assert chain(FULL, every) == ()
    assert chain(SECOND, every) == ("full", "first")
    assert chain(SECOND, [SECOND, FIRST]) is None
    assert chain(kin("loop", "0/9", "0/9"), [kin("loop", "0/9", "0/9")]) is None
