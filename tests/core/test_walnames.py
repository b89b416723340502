"""Names of WAL files, how far a row of them reaches, and whose child a base backup is."""

import json

import pytest

from drbook.core.basebackups import Kin, chain, read_contents, read_label
from drbook.core.walnames import Segment, at_lsn, reach, segment


def row(*names: str) -> list[Segment]:
    found = [segment(name) for name in names]
    assert None not in found
    return [one for one in found if one is not None]


def test_a_name_is_a_timeline_and_a_number() -> None:
    assert segment("0000000200000003000000FF") == Segment(3 * 256 + 255, 2)
    assert segment("000000020000000300000100") is None  # of segments of 16 MiB there are 256
    assert segment("00000002000000030000003F", 64 * 1024**2) == Segment(3 * 64 + 63, 2)
    assert segment("00000002.history") is None
    assert Segment(4 * 256, 2).name() == "000000020000000400000000"
    assert at_lsn("3/FF000028", 2) == segment("0000000200000003000000FF")


@pytest.mark.parametrize(
    ("held", "last", "missing"),
    [
        (("000000010000000000000002", "000000010000000000000003"), "000000010000000000000003", None),
        (("000000010000000000000002", "000000010000000000000004"), "000000010000000000000002", "000000010000000000000003"),
        (("000000010000000000000003",), None, "000000010000000000000002"),
        ((), None, "000000010000000000000002"),
        (("000000010000000000000002", "000000010000000000000003", "000000020000000000000003", "000000020000000000000004"), "000000020000000000000004", None),
        (("000000010000000000000002", "000000020000000000000003", "000000010000000000000004"), "000000020000000000000003", None),
    ],
    ids=["a row", "a gap", "not its first", "nothing", "over to a new timeline", "not back to the old one"],
)  # fmt: skip
def test_a_row_reaches_to_its_first_gap(held, last, missing) -> None:
    (first,) = row("000000010000000000000002")
    found = reach(first, row(*held))
    assert (found.last.name() if found.last else None) == last
    assert (found.missing.name() if found.missing else None) == missing


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
