"""The fast way to read a line is the slow way: the same record, or the same complaint in the same words."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.large import events_of, large, write

from drbook.core import events as ev
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Mode, Plan, Record, StepEnd
from drbook.core.fold import evolve, fold
from drbook.core.state import IncidentState
from drbook.journal import codec, reader
from drbook.journal.codec import FIRST, decode, decode_slowly, encode
from drbook.journal.reader import NOTHING, digests, follow, read, records, verify
from drbook.journal.writer import Writer

TEXTS = st.text(max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
TIMES = st.datetimes(timezones=st.just(UTC))
EVENTS = st.one_of(
    st.builds(ev.NoteAdded, text=TEXTS, happened_at=st.none() | TIMES, step=st.none() | TEXTS),
    st.builds(ev.MilestoneReached, step=TEXTS, attempt=st.integers(), text=TEXTS, data=JSON),
    st.builds(
        ev.StepFinished,
        step=TEXTS,
        attempt=st.integers(0, 9),
        state=st.sampled_from(StepEnd),
        result=JSON,
        reason=TEXTS,
        duration_ms=st.integers(),
    ),
    st.builds(
        ev.StepPlanned,
        step=TEXTS,
        attempt=st.integers(1, 9),
        action=TEXTS,
        effect=st.sampled_from(Effect),
        params=JSON,
        plan=st.builds(Plan, does=st.lists(TEXTS, max_size=3).map(tuple)),
        digest=TEXTS,
    ),
)
RECORDS = st.builds(
    Record,
    seq=st.integers(1, 2**60),
    at=TIMES,
    mono_ns=st.integers(0, 2**60),
    mode=st.sampled_from(Mode),
    actor=TEXTS,
    host=TEXTS,
    event=EVENTS,
    prev=TEXTS,
)


def both(line: bytes) -> tuple[object, object]:
    """What either way makes of a line."""

    def outcome(way) -> object:  # type: ignore[no-untyped-def]
        try:
            record = way(line)
        except DrbookError as error:
            return error.explain()
        except RecursionError:
            return "too deep"
        return record, repr(record), record.model_dump(), encode(record)

    return outcome(decode), outcome(decode_slowly)


@given(RECORDS)
@settings(max_examples=300)
def test_a_line_as_it_is_written(record: Record) -> None:
    line = encode(record)
    fast, slow = both(line)
    assert fast == slow
    assert not isinstance(fast, str)


@given(RECORDS, st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_a_line_that_was_changed_anywhere(record: Record, chance: random.Random) -> None:
    line = bytearray(encode(record))
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(line))
        piece = bytes(chance.choices(b'{}[]":,.eE+-019 \t\r\\uaftrn\x00\x7f\xc3\xed\xff', k=2))
        line[at : at + chance.randint(0, 2)] = piece[: chance.randint(0, 2)]
    fast, slow = both(bytes(line))
    assert fast == slow


def variants() -> Iterator[bytes]:
    """Lines that nobody writes: each one is in some way not as `encode` makes them."""
    record = Record(
        seq=7,
        at=datetime(2026, 4, 24, 19, 4, tzinfo=UTC),
        mono_ns=5,
        mode=Mode.DRILL,
        actor="alice",
        host="h",
        event=ev.MilestoneReached(step="a", attempt=1, text="t", data={"n": 1}),
        prev=FIRST,
    )
    line = encode(record)
    yield line
    for old, new in (
        (b'"n":1', b'"n":1.5'),
        (b'"n":1', b'"n":1e5'),
        (b'"n":1', b'"n":-0'),
        (b'"n":1', b'"n":-0.0'),
        (b'"n":1', b'"n":1.5,"n":1'),
        (b'"n":1', b'"n" :1.5,"n":1'),
        (b'"n":1', b'"n":1.5,"x":"\\":","n":1'),
        (b'"n":1', b'"n":1,"n":2'),
        (b'"n":1', b'"n":NaN'),
        (b'"n":1', b'"n":Infinity'),
        (b'"n":1', b'"n":' + b"9" * 400),
        (b'"n":1', b'"n":' + b"9" * 5000),
        (b'"n":1', b'"n":' + b"[" * 300 + b"]" * 300),
        (b'"n":1', b'"n":' + b"[" * 100_000),
        (b'"n":1', b'"n":01'),
        (b'"n":1', b'"n":"\\ud800"'),
        (b'"n":1', b'"n":"\xed\xa0\x80"'),
        (b'"n":1', b'"n":"\xff"'),
        (b'"n":1', b'"n":"a\tb"'),
        (b'"n":1', b'"n":\t1'),
        (b'"n":1', b'"n":1\r'),
        (b'"seq":7', b'"seq":"7"'),
        (b'"seq":7', b'"seq":7.0'),
        (b'"seq":7', b'"seq":true'),
        (b'"seq":7', b'"seq":-7'),
        (b'"seq":7', b'"seq":7,"seq":8'),
        (b'"seq":7', b'"seq" : 7'),
        (b'"seq":7', b'"seq":null'),
        (b'"mono_ns":5', b'"mono_ns":"90000000000000000000"'),
        (b'"mode":"drill"', b'"mode":"Drill"'),
        (b'"mode":"drill"', b'"mode":["drill"]'),
        (b'"event":"MilestoneReached"', b'"event":"Milestone"'),
        (b'"event":"MilestoneReached"', b'"event":["MilestoneReached"]'),
        (b'"event":"MilestoneReached"', b'"event":7'),
        (b'"attempt":1', b'"attempt":"1"'),
        (b'"attempt":1', b'"attempt":1,"more":1'),
        (b'"text":"t"', b'"text":7'),
        (b'"text":"t",', b""),
        (b'"actor":"alice"', b'"actor":7'),
        (b'"actor":"alice"', b'"actor":null'),
        (b'"actor":"alice",', b""),
        (b'"actor":"alice","host":"h"', b'"host":"h","actor":"alice"'),
        (b"19:04:00Z", b"19:04:00+00:00"),
        (b"19:04:00Z", b"19:04:00.5Z"),
        (b"19:04:00Z", b"19:04:00.123456Z"),
        (b"19:04:00Z", b"19:04:00"),
        (b"19:04:00Z", b"19:04Z"),
        (b"19:04:00Z", b"25:04:00Z"),
        (b"T19:04:00Z", b" 19:04:00 UTC"),
        (b"2026-04-24T", b"2026-02-30T"),
        (b"2026-04-24T", b"0000-04-24T"),
        (b"2026", "２０２６".encode()),
    ):
        assert old in line
        yield line.replace(old, new, 1)
    yield from (
        b"",
        b"{}",
        b"[]",
        b"7",
        b'{"seq":',
        b"\xef\xbb\xbf" + line,
        line + b" ",
        line + b"}",
    )
    yield from (b" " + line, line.decode().encode("utf-16"), line[:-1], line + line, b'{"seq":7}')


@pytest.mark.parametrize("line", list(variants()), ids=range(len(list(variants()))))
def test_lines_that_nobody_writes(line: bytes) -> None:
    fast, slow = both(line)
    assert fast == slow


def test_the_fast_way_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "j", events_of(20, 300, "0" * 64))
    lines = (tmp_path / "j").read_bytes().splitlines()
    assert all(codec._usual(line) is not None for line in lines)


# --- reading again ---------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal.jsonl"
    write(path, events_of(20, 400, "0" * 64))
    return path


def test_what_was_read_is_not_read_again(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = journal.read_bytes()
    cut = whole.index(b"\n", len(whole) // 2) + 1
    journal.write_bytes(whole[:cut])
    half = follow(journal)
    journal.write_bytes(whole)
    decoded = []
    monkeypatch.setattr(reader, "decode", lambda line: decoded.append(line) or decode(line))
    found = follow(journal, half)
    assert len(decoded) == 400 - len(half.records)
    assert found.records == read(journal)
    assert found == follow(journal)
    again = follow(journal, found)
    assert again.records is found.records
    assert digests(found.records, found.head) == [
        line_digest for _, line_digest in records(journal)
    ]
    assert digests((), FIRST) == []


@pytest.mark.parametrize("at", [0, 3, -3])
def test_a_record_that_was_changed_since_is_read_again(journal: Path, at: int) -> None:
    before = follow(journal)
    data = bytearray(journal.read_bytes())
    data[at] ^= 1
    journal.write_bytes(data)

    def outcome(way) -> object:  # type: ignore[no-untyped-def]
        try:
            return way()
        except DrbookError as error:
            return error.explain()

    assert outcome(lambda: follow(journal, before).records) == outcome(lambda: read(journal))


def test_a_record_that_was_cut_since_is_read_again(journal: Path) -> None:
    before = follow(journal)
    data = journal.read_bytes()
    journal.write_bytes(data[: len(data) // 2])  # in the middle of a line
    found = follow(journal, before)
    assert found.records == read(journal)
    assert len(found.records) < len(before.records)


def test_a_torn_end_is_no_part_of_what_was_read(journal: Path) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-20])
    before = follow(journal)
    assert len(before.records) == 399
    journal.write_bytes(whole)
    assert follow(journal, before).records == read(journal)


def test_how_far_it_is_is_told(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, events_of(20, 3500, "0" * 64))
    told: list[tuple[int, int]] = []
    follow(path, tell=lambda done, total: told.append((done, total)))
    assert told == [(1000, 3500), (2000, 3500), (3000, 3500)]


def test_a_writer_goes_on_from_what_was_read(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = follow(journal)
    decoded = []
    monkeypatch.setattr(reader, "decode", lambda line: decoded.append(line) or decode(line))
    with Writer(journal, mode=Mode.DRILL, host="h", known=known) as writer:
        assert writer.records is known.records
        writer.append("alice", ev.NoteAdded(text="here"))
        assert decoded == []
        assert writer.records == read(journal)
    assert verify(journal).records == 401


def test_a_writer_that_knows_another_record_reads_its_own(journal: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    write(other, events_of(10, 50, "1" * 64))
    with Writer(journal, mode=Mode.DRILL, host="h", known=follow(other)) as writer:
        assert writer.records == read(journal)


# --- folding -----------------------------------------------------------------------------------------


def slowly(found: list[Record], state: IncidentState | None = None) -> IncidentState:
    current = state or IncidentState()
    for record in found:
        current = evolve(current, record)
    return current


def test_a_long_fold_is_one_record_after_the_other(tmp_path: Path) -> None:
    made = large(tmp_path, 40, 1500)
    found = list(read(made.folder / "journal.jsonl"))
    for cut in (0, 1, 2, 500, 1499):
        before = slowly(found[:cut])
        held = repr(before)
        assert fold(found[cut:], before) == slowly(found)
        assert repr(before) == held  # nobody else's state was changed
    assert type(fold(found).steps) is dict


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_fold_of_records_in_any_order_says_the_same(data: st.DataObject) -> None:
    """Most of them may not stand there; both ways say so of the same record, in the same words."""
    source = list(events_of(3, 24, "0" * 64))
    source += [ev.IncidentResumed(head="0" * 64), ev.IncidentClosed(outcome="x", exit_code=0)]
    source += [ev.InputChanged(name="n", value=1), ev.HandedOver(to="b")]
    chosen = [source[0], *data.draw(st.lists(st.sampled_from(source), max_size=30))]
    legal = data.draw(st.booleans())
    found: list[Record] = []
    state = IncidentState()
    for event in chosen:
        record = Record(
            seq=len(found) + 1 + (data.draw(st.integers(0, 40)) == 1),
            at=datetime(2026, 4, 24, tzinfo=UTC) + timedelta(seconds=len(found)),
            mono_ns=0,
            mode=Mode.LIVE if data.draw(st.integers(0, 40)) == 1 else Mode.DRILL,
            actor="a",
            host="h",
            event=event,
            prev="",
        )
        try:
            state = evolve(state, record)
        except DrbookError:
            if legal:
                continue  # a course without mistakes, which goes further
        found.append(record)

    def outcome(way) -> object:  # type: ignore[no-untyped-def]
        try:
            return way(found)
        except DrbookError as error:
            return error.explain()

    assert outcome(fold) == outcome(slowly)


def test_nothing_is_read_of_nothing() -> None:
    assert (NOTHING.records, NOTHING.head, NOTHING.size) == ((), FIRST, 0)
