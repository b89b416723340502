"""What drills left behind on this machine, from their records, and its removal where it is proven to be theirs.

An incident that somebody leads just now is left alone. Nothing of a live incident is touched.
"""

import shlex
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from drbook.app.aftermath import end_children, left_running
from drbook.app.ledger import Ledger
from drbook.app.onewriter import claim, claims_left, writer_now
from drbook.app.places import JOURNAL, Home, listed
from drbook.app.recordless import holds_targets, recordless
from drbook.app.teardown import KEPT, Found, Remover, lives_of
from drbook.app.writing import operator, seat
from drbook.core.errors import DrbookError
from drbook.core.events import Mode, NoteAdded, Record
from drbook.core.fold import fold
from drbook.core.leftovers import Leftover, outstanding
from drbook.core.state import IncidentState
from drbook.core.values import counted, plain
from drbook.journal.reader import read
from drbook.mirror.mirrors import Mirrors
from drbook.providers import scratch
from drbook.providers.download import part_of
from drbook.providers.targets import removal

_MADE_BY_DRBOOK = (
    "its mark says that a drbook made this very folder, and the one that locked it is gone"
)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Drill:
    """One drill of this machine, and what it left."""

    incident: str
    folder: Path
    led: str = ""
    """Who leads it just now; then nothing of it is looked at."""
    kept: bool = False
    """True where its targets were asked to stay."""
    problem: str = ""
    """Why its record could not be read; then nothing of it is known."""
    leftovers: tuple[Leftover, ...] = ()


@dataclass(slots=True)
class Cleaned:
    """What came of it."""

    removed: list[Leftover] = field(default_factory=list)
    stayed: list[Leftover] = field(default_factory=list)
    """Each with its reason."""


def drills(home: Home, only: Path | None, environment: Mapping[str, str]) -> list[Drill]:
    """Those drills that left something, are led, or cannot be read, folders that hold targets and no record among
    them; oldest first. Changes nothing. Servers that
    a drill made databases on are asked. Raises JournalError where the incidents cannot be listed."""
    found = []
    every = [only] if only is not None else sorted([*listed(home), *recordless(home)])
    for folder in every:
        one = drill(folder, environment)
        if one is not None and (one.led or one.problem or one.leftovers):
            found.append(one)
    return found


def drill(folder: Path, environment: Mapping[str, str]) -> Drill | None:
    """What one incident left; None for one that is no drill."""
    try:
        records = read(folder / JOURNAL)
        state = fold(records)
    except DrbookError as error:
        return Drill(folder.name, folder, problem=error.what)
    if state.opened_at is None:
        return _never_opened(folder)
    if state.mode is not Mode.DRILL:
        return None
    if led := writer_now(state.incident):
        return Drill(state.incident, folder, led=led)
    remover = Remover(records, folder, environment)
    left = [*_targets(state, remover), *_beside(state, records, folder)]
    since = state.closed_at or (records[-1].at if records else None)
    dated = tuple(replace(one, incident=state.incident, since=one.since or since) for one in left)
    return Drill(state.incident, folder, kept=state.keep_targets, leftovers=dated)


def _never_opened(folder: Path) -> Drill:
    """It was killed before its first record: of any mode, it had done nothing but claim its name."""
    if led := writer_now(folder.name):
        return Drill(folder.name, folder, led=led)
    if holds_targets(folder):
        return Drill(folder.name, folder, problem="it holds nothing, and targets lie beside it")
    return Drill(folder.name, folder, leftovers=tuple(_claims(folder.name)))


def _claims(incident: str) -> list[Leftover]:
    proof = "named by this incident, and nobody holds it"
    return [
        Leftover("lock", one.name[:12], str(one), incident, since=_since(one), proof=proof)
        for one in claims_left(incident)
    ]


def _targets(state: IncidentState, remover: Remover) -> list[Leftover]:
    found = []
    for one in remover.found(state):
        sockets = one.folder is not None and removal.sockets_left(one.resource.nonce) is not None
        if not one.there and not sockets:
            continue
        found.append(_leftover(one))
    return found


def _leftover(found: Found) -> Leftover:
    size = removal.size_of_folder(found.folder) if found.folder is not None else None
    proof, may = found.proof.words, found.proof.may
    return Leftover(
        found.resource.kind if found.there else "sockets",
        found.resource.name,
        found.place,
        size=size,
        proof=proof if may else "",
        reason="" if may else proof,
        look=found.look,
    )


def _beside(state: IncidentState, records: Sequence[Record], folder: Path) -> list[Leftover]:
    """Processes, temporary folders, half-downloaded copies, and the file of a claim that nobody holds."""
    found = [
        Leftover(
            "process",
            words,
            socket.gethostname(),
            proof="its token is this drill's, or its number and start are on its record",
        )
        for words in left_running(records, socket.gethostname())
    ]
    lives = lives_of(records)
    for each in scratch.left():
        if each.life in lives:
            found.append(_scratch(each))
    for part in parts(folder):
        found.append(
            Leftover(
                "part",
                part.name,
                str(part),
                size=_size(part),
                since=_since(part),
                proof="a half-downloaded copy in this incident's own folder",
            )
        )
    found += _claims(state.incident)
    return found


def _scratch(left: scratch.Left) -> Leftover:
    return Leftover(
        "scratch",
        left.path.name,
        str(left.path),
        size=removal.size_of_folder(left.path),
        since=left.since,
        proof="" if left.why_not else _MADE_BY_DRBOOK,
        reason=left.why_not,
        look=f"ls -la {shlex.quote(str(left.path))}",
    )


def parts(folder: Path) -> list[Path]:
    """What was being fetched, unpacked or dumped into the incident's folder and never got its name."""
    ends = part_of("")
    copies = folder / "copies"
    found = [path for path in copies.rglob("*") if path.name.endswith(ends)]
    found += [path for path in copies.glob(".*") if path.is_dir()]
    return sorted(found + [path for one in ("archive-*", "wal-*") for path in folder.glob(one)])


def _size(path: Path) -> int | None:
    try:
        return removal.size_of_folder(path) if path.is_dir() else path.lstat().st_size
    except OSError:
        return None


def _since(path: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(path.lstat().st_mtime, UTC)
    except OSError:
        return None


def nobodys(home: Home, known: Sequence[Drill]) -> list[Leftover]:
    """Temporary folders of drbooks that are gone and that led nothing here: neither one of these drills nor any
    other incident. Raises JournalError where the incidents cannot be listed."""
    theirs = {one.place for each in known for one in each.leftovers}
    found = [one for one in scratch.left() if str(one.path) not in theirs]
    led = _lives_in(home) if found else frozenset()
    return [_scratch(one) for one in found if one.life not in led]


def _lives_in(home: Home) -> frozenset[str]:
    """As temporary folders name them; a record that cannot be read is told of by its drill's own line."""
    found = set[str]()
    for folder in listed(home):
        with suppress(DrbookError):
            found |= lives_of(read(folder / JOURNAL))
    return frozenset(found)


# --- taking away -------------------------------------------------------------------------------


def clean(found: Drill, environment: Mapping[str, str], tell: Tell, *, kept_too: bool) -> Cleaned:
    """Take away what one drill left, on record, after one more look. `kept_too`: what was asked to stay as
    well. Raises JournalError where its record cannot be written or somebody leads it by now, Refused where a
    process of it does not end, TakenOver where another machine goes on with it."""
    if {one.kind for one in found.leftovers} == {"lock"}:  # its holder takes it away
        claim(found.incident).release()
        return _sorted(found.leftovers, {})
    writer, unasked = seat(found.folder, environment=environment)
    for one in unasked:
        tell(f"Not asked whether another machine has taken over: {plain(one, 300)}")
    try:
        records = writer.records
        ledger = Ledger(writer, records, fold(records), lambda: datetime.now(UTC), Mirrors())
        who = operator()
        if beside := [one for one in found.leftovers if one.kind in BESIDE and one.proof]:
            ledger.put(NoteAdded(text=_beside_in_words(beside)), who)
        end_children(records, socket.gethostname(), tell)
        stays: dict[str, str] = {}
        if found.kept and not kept_too:
            stays = {one.name: KEPT for one in ledger.state.resources}
        else:
            remover = Remover(records, found.folder, environment)
            left = remover.tear_down(ledger.state, lambda event: ledger.put(event, who))
            stays = {one.name: one.reason for one in left}
        # While nobody else can go on with it, and with what came of its downloads.
        done = _sorted([one for one in found.leftovers if one.kind != "lock"], stays)
    finally:
        writer.close()
    claims = _sorted([one for one in found.leftovers if one.kind == "lock"], {})
    return Cleaned(done.removed + claims.removed, done.stayed + claims.stayed)


def _beside_in_words(found: Sequence[Leftover]) -> str:
    names = "; ".join(f"{one.kind} {plain(one.name, 200)}" for one in found[:20])
    more = f"; and {len(found) - 20} more" if len(found) > 20 else ""
    return f"drill clean takes away, beside targets: {names}{more}"


def _sorted(found: Sequence[Leftover], stays: Mapping[str, str]) -> Cleaned:
    """What went and what stayed, once what is no target is taken away."""
    done = Cleaned()
    for each in found:
        why = stays.get(each.name, "") if each.kind in TARGETS else _away(each)
        if why:
            done.stayed.append(replace(each, proof="", reason=why))
        else:
            done.removed.append(each)
    return done


TARGETS = frozenset({"cluster", "database", "sockets"})
"""The kinds that `--keep` keeps."""
BESIDE = frozenset({"process", "part", "scratch"})
"""Those that no removal of a target tells of."""


def clean_nobodys(left: Sequence[Leftover]) -> Cleaned:
    """Take away temporary folders of drbooks that are gone and on no record here."""
    done = Cleaned()
    for one in left:
        if why := _away(one):
            done.stayed.append(replace(one, proof="", reason=why))
        else:
            done.removed.append(one)
    return done


def _away(one: Leftover) -> str:
    """Why it is still there; empty where it is gone."""
    if not one.proof:
        return one.reason
    try:
        if one.kind == "scratch":
            return "" if scratch.remove(Path(one.place)) else "a drbook uses it by now"
        if one.kind == "part":
            path = Path(one.place)
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        elif one.kind == "lock":  # it went with the claim on its incident, unless another took it
            return "somebody claims that incident by now" if Path(one.place).exists() else ""
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"{plain(str(error.filename or one.place), 200)}: {error.strerror or error}"
    return ""


def told_before(home: Home) -> list[str]:
    """What is left of earlier drills, a line each, for whoever begins another; asks no server."""
    lines = []
    for folder in sorted([*listed(home), *recordless(home)]):
        state = _state_of(folder)
        if state is None:
            if holds_targets(folder):
                where = plain(str(folder), 300)
                lines.append(f"Targets in {where}, whose record cannot be read. drbook drill clean")
            continue
        left = outstanding(state)
        if not left or state.keep_targets or writer_now(state.incident):
            continue
        places = ", ".join(plain(one.location, 200) for one in left[:3])
        lines.append(
            f"Left by drill {state.incident}: {counted(len(left), 'target')} ({places}). "
            f"drbook drill clean {state.incident}"
        )
    return lines


def _state_of(folder: Path) -> IncidentState | None:
    """None where no record says it."""
    try:
        state = fold(read(folder / JOURNAL))
    except DrbookError:
        return None
    return state if state.opened_at is not None else None
