"""What each way of tampering with a record is found by, as the table that the README prints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from drbook.app.places import incident_of
from drbook.core import events as ev
from drbook.core.events import Mode
from drbook.journal.codec import FIRST, decode, digest, encode
from drbook.journal.reader import verify
from drbook.journal.writer import Writer
from drbook.mirror.compare import Copy, Line, Verdict, compare

README = Path(__file__).parents[2] / "README.md"
ID = "20260424-211912-one-7f3a"
START, END = "<!-- tamper table -->", "<!-- end of the tamper table -->"


@dataclass(frozen=True)
class Evidence:
    """A whole record, another incident's, and what was kept of the first one elsewhere."""

    lines: tuple[bytes, ...]
    other: tuple[bytes, ...]


def _opened(incident: str, mode: Mode) -> ev.IncidentOpened:
    return ev.IncidentOpened(
        incident=incident,
        mode=mode,
        title="Volume deleted",
        runbook_sha256="0" * 64,
        runbook_file="r.yaml",
        drbook_version="0",
        steps=("a",),
    )


def _record(path: Path, incident: str) -> tuple[bytes, ...]:
    with Writer(path, mode=Mode.DRILL, host="recovery") as writer:
        writer.append("ops", _opened(incident, Mode.DRILL))
        for number in range(4):
            writer.append("ops", ev.NoteAdded(text=f"note {number}"))
        writer.append("ops", ev.IncidentClosed(outcome="fail", exit_code=1))
    return tuple(path.read_bytes().splitlines(keepends=True))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    folder = tmp_path_factory.mktemp("records")
    return Evidence(
        _record(folder / "one.jsonl", ID),
        _record(folder / "two.jsonl", "20260425-101500-two-11aa"),
    )


# --- what a tamperer does ----------------------------------------------------------------------------


def _flip(line: bytes) -> bytes:
    return line[:-20] + bytes([line[-20] ^ 1]) + line[-19:]


def _anew(lines: tuple[bytes, ...], change: Callable[[dict[str, object]], None]) -> bytes:
    """Every record changed as told, and the whole chain computed again."""
    previous, written = FIRST, b""
    for line in lines:
        record = decode(line.rstrip(b"\n"))
        update: dict[str, object] = {"event": record.event}
        change(update)
        changed = encode(record.model_copy(update={**update, "prev": previous}))
        previous = digest(changed)
        written += changed + b"\n"
    return written


def _passed(update: dict[str, object]) -> None:
    if isinstance(update["event"], ev.IncidentClosed):
        update["event"] = ev.IncidentClosed(outcome="pass", exit_code=0)


def _live(update: dict[str, object]) -> None:
    update["mode"] = Mode.LIVE
    if isinstance(update["event"], ev.IncidentOpened):
        update["event"] = _opened(update["event"].incident, Mode.LIVE)


def _without_a_line(lines: tuple[bytes, ...]) -> bytes:
    """A line taken out, the others numbered and chained again."""
    previous, written = FIRST, b""
    for number, line in enumerate((*lines[:2], *lines[3:]), 1):
        record = decode(line.rstrip(b"\n"))
        changed = encode(record.model_copy(update={"seq": number, "prev": previous}))
        previous = digest(changed)
        written += changed + b"\n"
    return written


def _with_a_line(lines: tuple[bytes, ...]) -> bytes:
    """One more line at the end, rightly chained: whoever can write the file can do that."""
    last = decode(lines[-1].rstrip(b"\n"))
    event = ev.NoteAdded(text="the operator was told")
    more = last.model_copy(
        update={"seq": last.seq + 1, "event": event, "prev": digest(lines[-1].rstrip(b"\n"))}
    )
    return b"".join(lines) + encode(more) + b"\n"


Tampering = Callable[[Evidence], bytes]

WAYS: dict[str, Tampering] = {
    "a bit flipped in a line": lambda e: b"".join((e.lines[0], _flip(e.lines[1]), *e.lines[2:])),
    "a text changed in the last line": lambda e: b"".join(e.lines).replace(b'"fail"', b'"pass"'),
    "a line inserted": lambda e: b"".join((*e.lines[:2], e.other[2], *e.lines[2:])),
    "a line deleted": lambda e: b"".join((*e.lines[:2], *e.lines[3:])),
    "two lines exchanged": lambda e: b"".join((*e.lines[:2], e.lines[3], e.lines[2], *e.lines[4:])),
    "lines cut off at the end": lambda e: b"".join(e.lines[:-2]),
    "the last line cut in the middle": lambda e: b"".join(e.lines)[:-40],
    "everything cut off": lambda e: b"",
    "a line changed, the chain computed again": lambda e: _anew(e.lines, _passed),
    "a line deleted, the chain computed again": lambda e: _without_a_line(e.lines),
    "a line added at the end, rightly chained": lambda e: _with_a_line(e.lines),
    "another incident's record in its place": lambda e: b"".join(e.other),
    "a drill's lines marked live": lambda e: b"".join(e.lines).replace(b'"drill"', b'"live"'),
    "one line of a drill marked live": lambda e: b"".join(
        (e.lines[0], e.lines[1].replace(b'"drill"', b'"live"'), *e.lines[2:])
    ),
    "a drill replayed as live, the chain computed again": lambda e: _anew(e.lines, _live),
}


# --- what finds it -----------------------------------------------------------------------------------


def by_chain(evidence: Evidence, path: Path) -> str:
    found = verify(path, incident=incident_of(path.parent))
    return "found" if not found.intact else "a crash" if found.torn else "no"


def by_head(evidence: Evidence, path: Path) -> str:
    head = digest(evidence.lines[-1].rstrip(b"\n"))
    found = verify(path, head, incident_of(path.parent))
    if not found.intact:
        return "found"
    return "records behind it" if found.after_head else "no"


def by_mirror(evidence: Evidence, path: Path) -> str:
    """What `journal verify --mirrors` tells, where the mirror holds what was written."""
    if not verify(path, incident=incident_of(path.parent)).intact:
        return "found"
    held = [decode(line.rstrip(b"\n")) for line in evidence.lines]
    there = Copy(
        "mirror",
        tuple(
            Line(record.seq, digest(line.rstrip(b"\n")), record.prev)
            for record, line in zip(held, evidence.lines, strict=True)
        ),
    )
    here = [digest(line) for line in path.read_bytes().split(b"\n")[:-1]]
    said = compare(here, there).verdict
    return {Verdict.SAME: "no", Verdict.BEHIND: "records behind it"}.get(said, "found")


MEANS = {
    "the chain, and the folder's name": by_chain,
    "the head, noted at the close": by_head,
    "a mirror": by_mirror,
}


def row(name: str, evidence: Evidence, folder: Path) -> tuple[str, ...]:
    path = folder / ID / "journal.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(WAYS[name](evidence))
    return (name, *(find(evidence, path) for find in MEANS.values()))


def table(evidence: Evidence, folder: Path) -> str:
    heading = ("done to `journal.jsonl`", *MEANS)
    rows = [heading, tuple("---" for _ in heading)]
    rows += [row(name, evidence, folder) for name in WAYS]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows)


def test_the_readme_prints_what_is_found_by_what(evidence: Evidence, tmp_path: Path) -> None:
    text = README.read_text(encoding="utf-8")
    printed = text.partition(START)[2].partition(END)[0].strip()
    assert printed == table(evidence, tmp_path)


def test_an_untouched_record_is_found_whole_by_every_means(
    evidence: Evidence, tmp_path: Path
) -> None:
    path = tmp_path / ID / "journal.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"".join(evidence.lines))
    assert [find(evidence, path) for find in MEANS.values()] == ["no"] * len(MEANS)


@pytest.mark.parametrize("name", WAYS)
def test_nothing_slips_past_a_head_but_what_was_added_behind_it(
    evidence: Evidence, tmp_path: Path, name: str
) -> None:
    found = dict(zip(("name", *MEANS), row(name, evidence, tmp_path), strict=True))
    behind = "a line added at the end, rightly chained"
    expected = "records behind it" if name == behind else "found"
    assert found["the head, noted at the close"] == expected
    assert found["a mirror"] == expected
