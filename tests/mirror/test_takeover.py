"""A lost machine's incident, gone on with on another one: one winner, on record, nothing pretended."""

import hashlib
import itertools
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.mirrors import Memory, Recorded, until
from support.pg import drain

from drbook.app import aftermath, onewriter, takeover, writing
from drbook.app import model as cmd
from drbook.app import session as sessions
from drbook.app.against import bring, held_against
from drbook.app.ledger import Ledger
from drbook.app.places import Home
from drbook.app.planning import context_of
from drbook.app.session import Session, open_incident, resume_incident
from drbook.app.takeover import take_over, told
from drbook.app.vocabulary import vocabulary
from drbook.app.vouching import Vouch
from drbook.core import events as ev
from drbook.core.actions import StepContext
from drbook.core.baseline import Identity
from drbook.core.errors import CouldNotVerify, DrbookError, JournalError, Refused, UsageError
from drbook.core.events import Mode, StepEnd
from drbook.core.fold import fold
from drbook.core.state import StepState
from drbook.core.targets import DatabaseRef, Target
from drbook.journal.codec import decode, encode
from drbook.journal.disk import OsDisk
from drbook.journal.reader import read, verify
from drbook.journal.writer import Writer
from drbook.language.load import load
from drbook.mirror.compare import Verdict
from drbook.mirror.copier import Copier
from drbook.mirror.dirplace import DirectoryPlace
from drbook.mirror.fence import Fence, lay
from drbook.mirror.mirrors import HAVE_WAIT, Mirrors
from drbook.mirror.place import Place, record_name
from drbook.mirror.status import Standing
from drbook.providers import hiding
from drbook.providers.life import this_life
from drbook.providers.targets.kinds import ClusterTarget

if TYPE_CHECKING:
    from conftest import Bucket  # type: ignore[import-not-found]

STEPS = """
steps:
  - {id: noted, phase: detect, do: note, with: {text: "it is gone"}}
  - {id: pause, phase: contain, do: wait, with: {for: 10m}}
  - {id: change, phase: restore, needs: [], do: shell,
     with: {shell: sleep 600, changes: outside}}
  - {id: revoke, phase: contain, needs: [], do: manual}
"""


class Machines:
    """Two machines with one runbook and its mirrors; leaving one open is losing it."""

    def __init__(self, folder: Path, mirrors: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.runbook = load(
            f"drbook: 1\ntitle: T\nmirrors:\n{mirrors}{STEPS}".encode(), "r.yaml", vocabulary()
        )
        self.sessions: list[Session] = []
        self.host = "a"

    def home(self, name: str) -> Home:
        return Home(self.folder / name)

    def on(self, name: str) -> None:
        """What follows happens on this machine."""
        self.host = name

    def run(self, name: str = "a") -> Session:
        self.on(name)
        session = open_incident(
            self.runbook, Mode.LIVE, self.home(name), {}, environment=self.environment, actor=name
        )
        return self._entered(session)

    def resume(self, folder: Path) -> Session:
        self.on(folder.parent.parent.name)
        self.told: list[str] = []
        return self._entered(
            resume_incident(
                folder, environment=self.environment, actor="again", tell=self.told.append
            )
        )

    def take(self, given: str, name: str = "b") -> Session:
        self.on(name)
        session, self.event = take_over(
            given, self.home(name), "the host is gone", environment=self.environment, actor=name
        )
        return self._entered(session)

    def _entered(self, session: Session) -> Session:
        self.sessions.append(session)
        return session.__enter__()

    def close(self) -> None:
        for session in self.sessions:
            session.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mirrors are looked at and tried again within moments."""
    monkeypatch.setitem(Copier.__init__.__kwdefaults__, "poll", 0.05)
    monkeypatch.setitem(Copier.__init__.__kwdefaults__, "first_wait", 0.05)


@pytest.fixture(autouse=True)
def _machines_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines know nothing of each other's locks."""
    places = (tmp_path / "locks" / str(number) for number in itertools.count())
    monkeypatch.setattr(onewriter, "places", lambda: [next(places)])
    monkeypatch.setattr(onewriter, "PREFIX", _Counted(onewriter.PREFIX))


class _Counted:
    """Another prefix each time that it is put into a name; two threads get two of them."""

    def __init__(self, prefix: str) -> None:
        self._each = (f"{prefix}{number}-" for number in itertools.count())

    def __format__(self, how: str) -> str:
        return next(self._each)


def _told_apart(monkeypatch: pytest.MonkeyPatch, host: Callable[[], str]) -> None:
    """Each machine has a name and a boot of its own."""
    ours = this_life()
    monkeypatch.setattr(socket, "gethostname", host)
    for module in (sessions, takeover, aftermath):
        monkeypatch.setattr(
            module, "this_life", lambda: ours.model_copy(update={"boot": f"boot of {host()}"})
        )


@pytest.fixture
def share(tmp_path: Path) -> Path:
    made = tmp_path / "share"
    made.mkdir()
    return made


@pytest.fixture
def machines(tmp_path: Path, share: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    made = Machines(tmp_path, f"  - {{kind: directory, path: {share}}}", {})
    _told_apart(monkeypatch, lambda: made.host)
    yield made
    made.close()


def ask(session: Session, command: cmd.Command) -> None:
    session.driver.submit(command).result(timeout=20)


def mirrored(session: Session) -> None:
    """Wait until the mirrors hold what the journal's file holds now."""
    size = len(names(session.folder))
    until(lambda: all(one.records >= size for one in session.mirrors.states))


def cut_off(session: Session) -> None:
    """From now on this machine reaches no mirror, and is not heard of any more."""
    for copier in session.mirrors._copiers:
        copier.close()
        copier.join(time.monotonic() + 20)


def names(folder: Path) -> list[str]:
    return [type(record.event).__name__ for record in read(folder / "journal.jsonl")]


# --- a machine that is gone -----------------------------------------------------------------------


def test_the_incident_goes_on_where_the_mirror_ends(machines: Machines, share: Path) -> None:
    lost = machines.run()
    ask(lost, cmd.Run("noted"))
    until(lambda: lost.driver.snapshot.state.steps["noted"].state is StepState.SUCCEEDED)
    ask(lost, cmd.Run("pause"))
    ask(lost, cmd.Run("change"))
    until(lambda: names(lost.folder).count("ProcessStarted") == 1)
    mirrored(lost)
    cut_off(lost)
    ask(lost, cmd.WriteNote("the mirror never gets this"))
    incident = lost.folder.name
    taken = machines.take(f"{share}/{incident}")
    held = read(lost.folder / "journal.jsonl")[: machines.event.records]
    assert 0 < len(held) < len(read(lost.folder / "journal.jsonl"))
    state = taken.driver.snapshot.state
    assert state.steps["noted"].state is StepState.SUCCEEDED
    assert state.steps["pause"].state is StepState.PENDING  # it changes nothing
    assert state.steps["change"].state is StepState.IN_DOUBT
    assert "another machine took over" in state.steps["change"].reason
    assert (state.epoch, state.resumed) == (1, 1)
    records = read(taken.folder / "journal.jsonl")
    assert records[: len(held)] == held
    event = records[len(held)].event
    assert isinstance(event, ev.IncidentTakenOver)
    assert event.records == len(held)
    assert event.from_host == held[-1].host
    assert event.reason == "the host is gone"
    assert event.mirrors == (f"{share}/{incident}",)
    assert "not known here" in " ".join(told(event))
    assert verify(taken.folder / "journal.jsonl").intact
    assert (taken.folder / "runbook.yaml").read_bytes() == machines.runbook.source
    assert not list((machines.home("b").path / "taking-over").iterdir())
    ask(taken, cmd.Resolve("change", "failed", "its host is off"))
    mirrored(taken)
    (found,) = held_against(taken.folder / "journal.jsonl", ())
    assert found.verdict is Verdict.SAME
    (forked,) = held_against(lost.folder / "journal.jsonl", ())
    assert forked.verdict is Verdict.FORKED
    assert "b on " in forked.problem


def test_a_writer_that_lives_stops_and_says_who_took_over(machines: Machines, share: Path) -> None:
    old = machines.run()
    ask(old, cmd.Run("change"))
    until(lambda: names(old.folder).count("ProcessStarted") == 1)
    mirrored(old)
    attempt = old.driver.steps.running["change"]
    taken = machines.take(f"{share}/{old.folder.name}")
    until(lambda: old.driver.snapshot.broken)
    trouble = old.driver.snapshot.trouble
    assert trouble is not None
    assert trouble.code == "taken-over"
    assert "b on " in trouble.what
    assert "the host is gone" in trouble.what
    assert "Go on there" in trouble.next
    assert attempt.cancel.requested  # type: ignore[attr-defined]
    for command in (cmd.Run("noted"), cmd.WriteNote("x"), cmd.Abort("enough")):
        with pytest.raises(DrbookError) as refused:
            ask(old, command)
        assert refused.value.code == "taken-over"
    count = len(read(old.folder / "journal.jsonl"))
    old.close()
    assert len(read(old.folder / "journal.jsonl")) == count
    with pytest.raises(JournalError) as caught:
        resume_incident(old.folder, environment={})
    assert caught.value.code == "taken-over"
    assert len(read(old.folder / "journal.jsonl")) == count
    assert not taken.driver.broken
    machines.on("a")
    (left,) = held_against(old.folder / "journal.jsonl", ())
    assert left.verdict is Verdict.TAKEN_OVER


def test_a_record_that_comes_while_it_is_taken_over_is_not_lost(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old machine puts one more between the reading and the record of the take-over."""
    old = machines.run()
    mirrored(old)
    monkeypatch.setitem(Copier.__init__.__kwdefaults__, "poll", 60)
    late: list[int] = []

    def write(draft: Path, *rest: Any) -> ev.IncidentTakenOver:
        event = wrote(draft, *rest)
        if not late:
            late.append(event.records)
            line = (old.folder / "journal.jsonl").read_bytes().splitlines(keepends=True)[-1]
            path = share / old.folder.name / record_name(event.records + 1)
            path.write_bytes(line)
        return event

    wrote = takeover._write
    monkeypatch.setattr(takeover, "_write", write)
    cut_off(old)
    ask(old, cmd.WriteNote("just in time"))
    taken = machines.take(f"{share}/{old.folder.name}")
    records = read(taken.folder / "journal.jsonl")
    assert [type(one.event).__name__ for one in records[late[0] :]] == [
        "NoteAdded",
        "IncidentTakenOver",
    ]


def test_of_two_who_take_over_at_once_one_wins(machines: Machines, share: Path) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    start = threading.Barrier(4)
    machines.on("spare")  # the same name and the same user: machines made from one image

    def attempt(name: str) -> str:
        start.wait()
        try:
            session, _ = take_over(
                f"{share}/{lost.folder.name}", machines.home(name), "gone", actor="ops"
            )
        except Refused as error:
            return error.code
        machines.sessions.append(session)
        return "won"

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(attempt, ["b", "c", "d", "e"]))
    assert sorted(ended) == ["take-over-lost"] * 3 + ["won"]


def test_whoever_comes_a_moment_later_has_to_ask(machines: Machines, share: Path) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    taken = machines.take(f"{share}/{lost.folder.name}")
    with pytest.raises(Refused) as caught:
        machines.take(f"{share}/{lost.folder.name}", "c")
    assert caught.value.code == "take-over-lost"
    assert "b on " in caught.value.what
    assert len(list((share / lost.folder.name / "fence").iterdir())) == 1
    assert not taken.driver.broken


def test_not_one_more_record_is_written_once_it_is_known(machines: Machines, share: Path) -> None:
    session = machines.run()
    mirrored(session)
    session.close()
    records = read(session.folder / "journal.jsonl")
    with Writer(session.folder / "journal.jsonl", mode=Mode.LIVE, host="h") as writer:
        mirrors = Mirrors(session.mirrors._copiers)
        ledger = Ledger(writer, records, fold(records), lambda: records[-1].at, mirrors)
        session.mirrors._copiers[0].taken_by = "bob"
        for _ in range(2):
            with pytest.raises(JournalError):
                ledger.put(ev.NoteAdded(text="x"), "ops")
    assert ledger.broken
    assert read(session.folder / "journal.jsonl") == records


def test_whoever_lays_the_fence_second_has_lost(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)

    def slower(place: Place, fence: Fence) -> None:
        lay(place, fence.model_copy(update={"token": "theirs", "actor": "carla"}))
        lay(place, fence)

    monkeypatch.setattr("drbook.app.fencing.lay", slower)
    error = refused(machines, f"{share}/{lost.folder.name}", Refused, "take-over-lost")
    assert "carla on " in error.what


def test_a_take_over_that_died_half_way_is_done_again(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its fence laid and nothing on record, and with its record in the mirror and not here."""
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    given = f"{share}/{lost.folder.name}"
    for name in ("_write", "_settle"):
        with monkeypatch.context() as patched:

            def dies(*_: object) -> None:
                raise KeyboardInterrupt

            patched.setattr(takeover, name, dies)
            with pytest.raises(KeyboardInterrupt):
                machines.take(given)
        assert not (machines.home("b").path / "incidents").exists()
    taken = machines.take(given)
    assert machines.event.epoch == 3
    events = names(taken.folder)
    assert events.count("IncidentTakenOver") == 2
    mirrored(taken)
    assert not taken.driver.broken


def test_a_machine_that_lives_and_heeds_no_fence_is_not_taken_over(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    wrote = takeover._write

    def write(draft: Path, *rest: Any) -> ev.IncidentTakenOver:
        event = wrote(draft, *rest)
        ask(lost, cmd.WriteNote("still here"))
        line = (lost.folder / "journal.jsonl").read_bytes().splitlines(keepends=True)[-1]
        (share / lost.folder.name / record_name(event.records + 1)).write_bytes(line)
        return event

    monkeypatch.setattr(takeover, "_write", write)
    monkeypatch.setattr(takeover, "_TRIES", 3)
    error = refused(machines, f"{share}/{lost.folder.name}", Refused, "take-over-lost")
    assert "does not look at the fence" in error.means
    assert names(lost.folder).count("NoteAdded") == 3
    assert list((machines.home("b").path / "taking-over").iterdir()) == []


def test_taking_over_twice_counts_on(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drbook.app.fencing.AT_ONCE", timedelta(0))
    first = machines.run()
    mirrored(first)
    second = machines.take(f"{share}/{first.folder.name}", "b")
    mirrored(second)
    third = machines.take(f"{share}/{first.folder.name}", "c")
    assert machines.event.epoch == 2
    until(lambda: second.driver.snapshot.broken)
    assert third.driver.snapshot.state.epoch == 2
    mirrored(third)
    third.close()
    again = machines.resume(third.folder)  # its own fence does not stop it
    ask(again, cmd.WriteNote("goes on"))
    mirrored(again)
    assert not again.driver.broken


# --- refusals: nothing is taken over ---------------------------------------------------------------


def refused(machines: Machines, given: str, kind: type[DrbookError], code: str) -> DrbookError:
    machines.on("b")
    with pytest.raises(kind) as caught:
        take_over(given, machines.home("b"), "gone", environment=machines.environment)
    assert caught.value.code == code
    assert caught.value.means
    assert not (machines.home("b").path / "incidents").exists()
    return caught.value


def test_without_a_reason_or_a_name_nothing_is_done(machines: Machines, share: Path) -> None:
    lost = machines.run()
    mirrored(lost)
    with pytest.raises(UsageError, match="reason"):
        take_over(f"{share}/{lost.folder.name}", machines.home("b"), " ")
    assert lost.folder.name in refused(machines, str(share), UsageError, "mirror-place").next
    other = lost.folder.name[:-4] + "0000"
    refused(machines, f"{share}/{other}", CouldNotVerify, "mirror-empty")
    gone = share.with_name("gone")
    refused(machines, f"{gone}/{lost.folder.name}", CouldNotVerify, "mirror-down")
    refused(machines, f"s3://x/{lost.folder.name}", UsageError, "mirror-place")
    assert not (share / lost.folder.name / "fence").exists()


def test_what_is_here_already_is_resumed_not_taken_over(machines: Machines, share: Path) -> None:
    lost = machines.run()
    mirrored(lost)
    with pytest.raises(Refused) as caught:
        take_over(f"{share}/{lost.folder.name}", machines.home("a"), "gone")
    assert caught.value.code == "incident-here"


def test_a_copy_is_no_place_for_a_fence(machines: Machines, share: Path, tmp_path: Path) -> None:
    """The old machine does not look at a copy; the runbook's own mirror is out of reach here."""
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    copied = tmp_path / "copied"
    shutil.copytree(share, copied)
    shutil.move(share, tmp_path / "unplugged")
    error = refused(machines, f"{copied}/{lost.folder.name}", Refused, "no-fence")
    assert str(share) in error.what


def test_there_is_no_fence_behind_the_last_number(machines: Machines, share: Path) -> None:
    """Somebody put it there; the second last still lets one lay the last."""
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    fences = share / lost.folder.name / "fence"
    fences.mkdir(exist_ok=True)
    (fences / "99999999.json").write_text("{}")
    error = refused(machines, f"{share}/{lost.folder.name}", Refused, "fence-last")
    assert "fence/99999999.json" in error.next
    (fences / "99999999.json").rename(fences / "99999998.json")
    machines.take(f"{share}/{lost.folder.name}")
    assert machines.event.epoch == 99_999_999


def test_a_mirror_without_the_incident_is_no_place_for_a_fence(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    shutil.move(share, tmp_path / "copied")
    share.mkdir()  # what is mounted there on this machine is another share
    error = refused(machines, f"{tmp_path}/copied/{lost.folder.name}", Refused, "no-fence")
    assert "holds no record of this incident" in error.what


def test_a_store_that_overwrites_is_no_place_for_a_fence(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = machines.run()
    mirrored(lost)
    monkeypatch.setattr("drbook.app.fencing.keeps_conditions", lambda place: False)
    error = refused(machines, f"{share}/{lost.folder.name}", Refused, "no-fence")
    assert "overwrites" in error.what


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "a record missing": (lambda where: (where / record_name(2)).unlink(), "mirror-damaged"),
    "a record changed": (
        lambda where: (where / record_name(2)).write_bytes(
            (where / record_name(2)).read_bytes().replace(b"gone", b"fine")
        ),
        "mirror-damaged",
    ),
    "another runbook": (
        lambda where: (where / "runbook.yaml").write_bytes(b"drbook: 1\n"),
        "runbook-missing",
    ),
    "no runbook": (lambda where: (where / "runbook.yaml").unlink(), "runbook-missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_mirror_that_was_changed_is_not_gone_on_with(
    damage: str, machines: Machines, share: Path
) -> None:
    lost = machines.run()
    ask(lost, cmd.WriteNote("it is gone"))
    ask(lost, cmd.WriteNote("more"))
    mirrored(lost)
    cut_off(lost)
    act, code = DAMAGES[damage]
    act(share / lost.folder.name)
    kind = Refused if code == "runbook-missing" else JournalError
    refused(machines, f"{share}/{lost.folder.name}", kind, code)


def test_another_incidents_record_under_this_name_is_not_gone_on_with(
    machines: Machines, share: Path
) -> None:
    lost = machines.run()
    mirrored(lost)
    other = lost.folder.name[:-4] + "0000"
    shutil.copytree(share / lost.folder.name, share / other)
    refused(machines, f"{share}/{other}", JournalError, "mirror-damaged")


def test_a_closed_incident_is_not_taken_over(machines: Machines, share: Path) -> None:
    lost = machines.run()
    ask(lost, cmd.Abort("enough"))
    until(lambda: lost.driver.snapshot.state.closed_at is not None)
    mirrored(lost)
    refused(machines, f"{share}/{lost.folder.name}", UsageError, "closed")


# --- several mirrors -------------------------------------------------------------------------------


@pytest.fixture
def two(
    tmp_path: Path, share: Path, bucket_of: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Machines, "Bucket"]]:
    bucket = bucket_of()
    mirrors = (
        f"  - {{kind: directory, path: {share}}}\n"
        f"  - {{kind: s3, bucket: {bucket.name}, prefix: record, endpoint: '{bucket.server.endpoint}',"
        " access_key: env:MIRROR_KEY, secret_key: env:MIRROR_SECRET}"
    )
    key, secret = bucket.server.keys()
    made = Machines(tmp_path, mirrors, {"MIRROR_KEY": key, "MIRROR_SECRET": secret})
    _told_apart(monkeypatch, lambda: made.host)
    yield made, bucket
    made.close()


def test_the_longest_record_that_all_agree_with_is_taken(
    two: tuple[Machines, "Bucket"], share: Path
) -> None:
    machines, _ = two
    lost = machines.run()
    for number in range(3):
        ask(lost, cmd.WriteNote(f"note {number}"))
    mirrored(lost)
    cut_off(lost)
    for seq in (3, 4):  # the share went down earlier
        (share / lost.folder.name / record_name(seq)).unlink()
    taken = machines.take(f"{share}/{lost.folder.name}")
    assert machines.event.records == 4
    assert len(machines.event.mirrors) == 2
    mirrored(taken)
    found = held_against(taken.folder / "journal.jsonl", (), environment=machines.environment)
    assert [one.verdict for one in found] == [Verdict.SAME, Verdict.SAME]


def test_mirrors_that_disagree_are_not_chosen_between(
    two: tuple[Machines, "Bucket"], share: Path, tmp_path: Path
) -> None:
    machines, bucket = two
    lost = machines.run()
    ask(lost, cmd.WriteNote("one"))
    mirrored(lost)
    cut_off(lost)
    kept = tmp_path / "kept"
    shutil.copytree(lost.folder, kept)
    ask(lost, cmd.WriteNote("seen by the bucket"))
    last = (lost.folder / "journal.jsonl").read_bytes().splitlines(keepends=True)[-1]
    key = f"record/{lost.folder.name}/{record_name(3)}"
    bucket.client.put_object(Bucket=bucket.name, Key=key, Body=last)
    with Writer(kept / "journal.jsonl", mode=Mode.LIVE, host="h") as writer:
        writer.append("x", ev.NoteAdded(text="seen by the share"))
    other = (kept / "journal.jsonl").read_bytes().splitlines(keepends=True)[-1]
    (share / lost.folder.name / record_name(3)).write_bytes(other)
    error = refused(machines, f"{share}/{lost.folder.name}", JournalError, "mirrors-disagree")
    assert "Record 3" in error.what


def test_a_mirror_that_cannot_be_asked_is_on_record(
    two: tuple[Machines, "Bucket"], share: Path
) -> None:
    machines, bucket = two
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    machines.environment = {}  # this machine has no credentials for the bucket
    machines.take(f"{share}/{lost.folder.name}")
    (unseen,) = machines.event.unseen
    assert bucket.name in unseen
    assert "MIRROR_KEY" in unseen
    assert any(line.startswith("Not asked: ") for line in told(machines.event))


# --- going on here: has it been taken over, was it cut? --------------------------------------------


def test_a_journal_that_was_cut_is_not_gone_on_with(machines: Machines, share: Path) -> None:
    session = machines.run()
    ask(session, cmd.WriteNote("one"))
    ask(session, cmd.WriteNote("two"))
    mirrored(session)
    session.close()
    journal = session.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    with pytest.raises(JournalError) as caught:
        resume_incident(session.folder, environment={})
    assert caught.value.code == "journal-cut"
    assert "--take-over" in caught.value.next
    assert journal.read_bytes() == b"".join(lines[:-1])
    (found,) = held_against(journal, ())
    assert found.verdict is Verdict.CUT
    session.folder.rename(session.folder.with_name("aside"))
    taken = machines.take(f"{share}/{session.folder.name}", "a")
    assert machines.event.records == len(lines)
    assert not taken.driver.broken


def test_a_runbook_that_was_changed_does_not_say_where_the_copies_are(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    """Whoever can cut the journal can write the file beside it, too."""
    session = machines.run()
    ask(session, cmd.WriteNote("one"))
    mirrored(session)
    session.close()
    journal, runbook = session.folder / "journal.jsonl", session.folder / "runbook.yaml"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))
    other = tmp_path / "other"
    shutil.copytree(share, other)
    (other / session.folder.name / "records" / f"{len(lines):08}.jsonl").unlink()
    (found,) = held_against(journal, ())
    assert found.verdict is Verdict.CUT
    (found,) = held_against(journal, (f"{other}/{session.folder.name}",))
    assert found.verdict is Verdict.SAME  # it was named, and is believed
    runbook.chmod(0o600)
    runbook.write_bytes(runbook.read_bytes().replace(str(share).encode(), str(other).encode()))
    (found,) = held_against(journal, ())
    assert (found.verdict, found.code) == (Verdict.UNREADABLE, 5)
    assert found.where == str(runbook)
    assert "--against" in found.problem


def test_a_reason_with_a_secret_takes_nothing_over(tmp_path: Path, share: Path) -> None:
    """It would stand in the mirror's fence, which nobody may delete."""
    machines = Machines(
        tmp_path, f"  - {{kind: directory, path: {share}}}", {"PW": "hunter2hunter2-7f3a9c51"}
    )
    text = machines.runbook.source.replace(
        b"title: T\n", b"title: T\nproduction: {database: {host: h, password: 'env:PW'}}\n"
    )
    machines.runbook = load(text, "r.yaml", vocabulary())
    session = machines.run()
    mirrored(session)
    session.close()
    session.folder.rename(session.folder.with_name("aside"))
    hiding.KNOWN.__init__()  # type: ignore[misc]
    for reason in ("its password was hunter2hunter2-7f3a9c51", "hunter2hunter2%2d7f3a9c51 leaked"):
        with pytest.raises(UsageError) as caught:
            take_over(
                f"{share}/{session.folder.name}",
                machines.home("b"),
                reason,
                environment=machines.environment,
            )
        assert caught.value.code == "secret-typed"
    assert not (share / session.folder.name / "fence").exists()
    assert not any(b"hunter2" in one.read_bytes() for one in share.rglob("*") if one.is_file())


def test_nothing_is_added_to_a_record_that_another_machine_goes_on_with(
    machines: Machines, share: Path
) -> None:
    lost = machines.run()
    mirrored(lost)
    lost.close()
    held = (lost.folder / "journal.jsonl").read_bytes()
    writer, unseen = writing.seat(lost.folder, environment={})
    writer.close()
    assert unseen == ()
    machines.take(f"{share}/{lost.folder.name}")
    machines.on("a")
    with pytest.raises(DrbookError) as caught:
        writing.seat(lost.folder, environment={})
    assert caught.value.code == "taken-over"
    share.rename(share.with_name("away"))
    writer, (unseen,) = writing.seat(lost.folder, environment={})
    writer.close()
    assert str(share) in unseen
    (lost.folder / "runbook.yaml").unlink()
    writer, (unseen,) = writing.seat(lost.folder, environment={})
    writer.close()
    assert "runbook" in unseen
    assert (lost.folder / "journal.jsonl").read_bytes() == held


def test_a_mirror_that_does_not_answer_does_not_stop_a_resume(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    session = machines.run()
    mirrored(session)
    session.close()
    shutil.move(share, tmp_path / "unplugged")
    again = machines.resume(session.folder)
    (told,) = machines.told
    assert told.startswith(f"Not asked whether another machine has taken over: {share}: ")
    resumed = read(session.folder / "journal.jsonl")[-1].event
    assert isinstance(resumed, ev.IncidentResumed)
    assert told.endswith(resumed.unseen[0])
    ask(again, cmd.WriteNote("goes on"))
    until(lambda: again.driver.snapshot.mirrors[0].behind > 0)
    assert "mounted" in again.driver.snapshot.mirrors[0].error or again.mirrors.states[0].error
    shutil.move(tmp_path / "unplugged", share)
    mirrored(again)
    assert len(list((share / session.folder.name / "records").iterdir())) == len(
        read(session.folder / "journal.jsonl")
    )


def test_a_mirror_that_cannot_be_asked_from_this_shell_is_no_outage(
    two: tuple[Machines, "Bucket"],
) -> None:
    """Its credentials are not here, so that nobody would see who took over meanwhile."""
    machines, _ = two
    session = machines.run()
    mirrored(session)
    session.close()
    before = (session.folder / "journal.jsonl").read_bytes()
    with pytest.raises(UsageError) as caught:
        resume_incident(session.folder, environment={})
    assert caught.value.code == "mirror-unset"
    assert "MIRROR_KEY" in caught.value.what
    assert "--without-mirrors" in caught.value.next
    assert (session.folder / "journal.jsonl").read_bytes() == before
    session = resume_incident(session.folder, environment={}, without_mirrors=True)
    machines.sessions.append(session)
    resumed = read(session.folder / "journal.jsonl")[-1].event
    assert isinstance(resumed, ev.IncidentResumed)
    assert "MIRROR_KEY" in resumed.unseen[0]


def test_what_was_lacking_at_the_end_is_brought_later(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    session = machines.run()
    mirrored(session)
    shutil.move(share, tmp_path / "unplugged")
    ask(session, cmd.Abort("enough"))
    until(lambda: session.driver.snapshot.state.closed_at is not None)
    session.close()
    (state,) = session.mirrors.states
    assert state.behind == 1
    (late,) = held_against(session.folder / "journal.jsonl", ())
    assert late.verdict is Verdict.UNREADABLE
    shutil.move(tmp_path / "unplugged", share)
    (late,) = held_against(session.folder / "journal.jsonl", ())
    assert late.verdict is Verdict.BEHIND
    (state,) = bring(session.folder, 20)
    assert state.behind == 0
    (now,) = held_against(session.folder / "journal.jsonl", ())
    assert now.verdict is Verdict.SAME


def test_what_was_made_on_the_other_machine_is_not_here(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    """Neither the cluster that is on record, nor the one whose intent the mirror never got."""
    lost = machines.run()
    ask(lost, cmd.Run("change"))
    until(lambda: names(lost.folder).count("ProcessStarted") == 1)
    home = str(tmp_path / "targets")  # the path exists here, as it would on a shared disk
    intended = ev.ResourceIntended(
        step="change", attempt=1, kind="cluster", name="known", nonce="n" * 32, location=home
    )
    lost.driver.call(lambda: lost.driver.put(intended))
    until(lambda: "ResourceIntended" in names(lost.folder))
    mirrored(lost)
    cut_off(lost)
    taken = machines.take(f"{share}/{lost.folder.name}")
    unknown = f"change-{lost.folder.name[-4:]}-1"
    with taken.wiring.open(_context(taken), taken.wiring.switch()) as ports:
        for name in ("known", unknown):
            look = ports.targets.look(ClusterTarget(), name)
            assert look.state == "unknown"
            assert "took over from" in look.reason
            with pytest.raises(CouldNotVerify) as caught:
                drain(ports.targets.count(_target(name, home)))
            assert caught.value.code == "target-elsewhere"
            assert "makes another target on this machine" in caught.value.next
        assert ports.targets.look(ClusterTarget(), unknown[:-1] + "2").state == "absent"


def _context(session: Session) -> StepContext:
    state = session.driver.snapshot.state
    runbook = session.driver.runbook
    return context_of(runbook, state, session.driver.actions, "change", 2)


def _target(name: str, home: str) -> Target:
    return Target(
        kind="cluster",
        name=name,
        nonce="n" * 32,
        location=home,
        connect=DatabaseRef(host=home),
        identity=Identity.model_construct(),
        proof="made there",
        whole_server=True,
    )


def test_evidence_that_no_mirror_holds_is_named(machines: Machines, share: Path) -> None:
    lost = machines.run()
    there, gone = (f"artifacts/{hashlib.sha256(one).hexdigest()}" for one in (b"there", b"gone"))
    (lost.folder / "artifacts").mkdir()
    for name, data in ((there, b"there"), (gone, b"gone")):
        (lost.folder / name).write_bytes(data)
    ask(lost, cmd.Run("revoke"))
    lost.driver.call(
        lambda: lost.driver.put(
            ev.StepFinished(
                step="revoke", attempt=1, state=StepEnd.SUCCEEDED, duration_ms=1,
                artifacts=(there, gone, "../../etc/passwd"),
            )
        )
    )  # fmt: skip
    until(lambda: lost.driver.snapshot.state.steps["revoke"].state is StepState.SUCCEEDED)
    mirrored(lost)
    cut_off(lost)
    (share / lost.folder.name / gone).unlink()
    taken = machines.take(f"{share}/{lost.folder.name}")
    assert machines.event.missing == (gone, "../../etc/passwd")
    assert (taken.folder / there).read_bytes() == b"there"
    assert not (taken.folder / gone).exists()


# --- a machine that cannot keep the record ----------------------------------------------------------


@pytest.mark.parametrize("place", ["a file", "no room", "no locks"])
def test_a_machine_that_cannot_keep_the_record_stops_nobody(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A fence stops the machine that leads; who cannot go on must not lay one."""
    leads = machines.run()
    mirrored(leads)
    given = f"{share}/{leads.folder.name}"
    with monkeypatch.context() as patch:
        if place == "a file":
            machines.home("b").path.write_text("no folder")
        elif place == "no room":
            patch.setattr(takeover, "store", _no_room)
        else:
            patch.setattr(OsDisk, "lock", _no_locks)
        with pytest.raises(JournalError) as caught:
            machines.take(given)
    assert "DRBOOK_HOME" in caught.value.next
    if place != "a file":
        assert "the other machine was not stopped" in caught.value.means
    assert not (share / leads.folder.name / "fence").exists()
    ask(leads, cmd.WriteNote("still leading"))
    assert not leads.driver.broken


def test_a_disk_that_fills_after_the_fence_is_said_to_have_stopped_the_other(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    given = f"{share}/{lost.folder.name}"
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise JournalError("No space left.", means="Nothing was started.", code="journal")

        patch.setattr(takeover, "_write", full)
        with pytest.raises(JournalError) as caught:
            machines.take(given)
    assert f"the fence lies in {share}/{lost.folder.name} already" in caught.value.means
    assert "take over again" in caught.value.next
    assert (share / lost.folder.name / "fence").is_dir()
    assert not machines.take(given).driver.broken


# --- a journal that a mirror contradicts --------------------------------------------------------------


def _changed_last(lines: list[bytes]) -> bytes:
    """As after an edit of the last line: whole, chained, and not what was written."""
    record = decode(lines[-1][:-1])
    return encode(record.model_copy(update={"mono_ns": record.mono_ns + 1})) + b"\n"


@pytest.mark.parametrize("how", ["cut and changed", "changed", "an older copy gone on with"])
def test_a_journal_that_a_mirror_contradicts_is_not_gone_on_with(
    machines: Machines, share: Path, how: str
) -> None:
    """What is done already would be done again."""
    session = machines.run()
    for text in ("one", "two", "three"):
        ask(session, cmd.WriteNote(text))
    mirrored(session)
    session.close()
    journal = session.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    if how == "changed":
        journal.write_bytes(b"".join(lines[:-1]) + _changed_last(lines))
    else:
        older = lines[:-2]
        journal.write_bytes(b"".join(older[:-1]) + _changed_last(older))
    if how == "an older copy gone on with":
        with Writer(journal, mode=Mode.LIVE, host="h") as writer:
            for text in ("a", "b", "c", "d", "e"):
                writer.append("ops", ev.NoteAdded(text=text))
    before = journal.read_bytes()
    with pytest.raises(JournalError) as caught:
        resume_incident(session.folder, environment={})
    assert caught.value.code == "journal-differs"
    assert "--take-over" in caught.value.next
    assert journal.read_bytes() == before


def test_a_mirror_that_was_changed_stops_nobody(machines: Machines, share: Path) -> None:
    """Its own chain says so; it is not believed, and not copied to."""
    session = machines.run()
    ask(session, cmd.WriteNote("one"))
    mirrored(session)
    session.close()
    records = sorted((share / session.folder.name / "records").iterdir())
    records[-1].write_bytes(_changed_last([records[-2].read_bytes()]))
    assert not machines.resume(session.folder).driver.broken


def test_a_mirror_that_is_behind_stops_nobody(machines: Machines, share: Path) -> None:
    session = machines.run()
    ask(session, cmd.WriteNote("one"))
    mirrored(session)
    session.close()
    records = sorted((share / session.folder.name / "records").iterdir())
    records[-1].unlink()
    resumed = machines.resume(session.folder)
    mirrored(resumed)
    assert len(list((share / session.folder.name / "records").iterdir())) > len(records)


def _no_room(path: Path, data: bytes) -> None:
    if path.name == "room":
        raise JournalError(f"{path} cannot be written: No space left on device.")
    path.write_bytes(data)


def _no_locks(*_: object) -> None:
    raise OSError(37, "No locks available")


# --- a machine that is slower than who takes over ---------------------------------------------------


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call to a mirror takes its time, and nobody looks at a fence unasked."""
    for name in ("create", "listed", "read"):
        real = getattr(DirectoryPlace, name)

        def slow(*given: Any, real: Callable[..., Any] = real) -> Any:
            time.sleep(0.2)
            return real(*given)

        monkeypatch.setattr(DirectoryPlace, name, slow)
    monkeypatch.setitem(Copier.__init__.__kwdefaults__, "poll", 60)


@pytest.mark.usefixtures("slowly")
def test_a_step_with_an_effect_does_not_start_where_somebody_took_over(
    machines: Machines, share: Path
) -> None:
    """Though this machine has not heard of it: the start on record comes first, and is refused."""
    old = machines.run()
    mirrored(old)
    taken = machines.take(f"{share}/{old.folder.name}")
    old.driver.submit(cmd.Run("change"))
    until(lambda: old.driver.snapshot.broken)
    until(lambda: "change" not in old.driver.steps.running)
    assert "ProcessStarted" not in names(old.folder)
    assert not taken.driver.broken


@pytest.mark.usefixtures("slowly")
def test_a_step_with_an_effect_starts_once_the_mirrors_have_its_start(
    machines: Machines, share: Path
) -> None:
    session = machines.run()
    mirrored(session)
    ask(session, cmd.Run("change"))
    assert "ProcessStarted" not in names(session.folder)  # nor has the command waited for it
    until(lambda: "ProcessStarted" in names(session.folder))
    begun = names(session.folder).index("StepStarted") + 1
    assert (share / session.folder.name / record_name(begun)).exists()


def test_a_mirror_that_is_down_holds_no_step_back(
    machines: Machines, share: Path, tmp_path: Path
) -> None:
    session = machines.run()
    mirrored(session)
    shutil.move(share, tmp_path / "unplugged")
    ask(session, cmd.WriteNote("one"))
    until(lambda: session.mirrors.states[0].standing is Standing.DOWN)
    before = time.monotonic()
    ask(session, cmd.Run("change"))
    until(lambda: "ProcessStarted" in names(session.folder))
    assert time.monotonic() - before < HAVE_WAIT


@pytest.mark.usefixtures("slowly")
def test_a_step_that_is_cancelled_before_it_began_was_not_done(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = machines.run()
    mirrored(session)
    ask(session, cmd.Run("change"))
    ask(session, cmd.CancelStep("change"))
    until(lambda: session.driver.snapshot.state.steps["change"].state is StepState.CANCELLED)
    assert "it had not begun" in session.driver.snapshot.state.steps["change"].means
    assert "ProcessStarted" not in names(session.folder)


# --- two who write the same incident -----------------------------------------------------------------


def test_a_copy_that_is_led_beside_the_first_stops_where_a_mirror_shows_it(
    machines: Machines, share: Path
) -> None:
    """On another machine, where no lock is known; the one that the mirror knows goes on."""
    first = machines.run()
    mirrored(first)
    first.close()
    copied = machines.home("b").folder(first.folder.name)
    shutil.copytree(first.folder, copied)
    leads = machines.resume(first.folder)
    other = session_without_asking(machines, copied)
    until(lambda: leads.driver.snapshot.broken or other.driver.snapshot.broken)
    lost, won = (other, leads) if other.driver.snapshot.broken else (leads, other)
    trouble = lost.driver.snapshot.trouble
    assert trouble is not None
    assert trouble.code == "two-writers"
    assert "put another record" in trouble.what
    with pytest.raises(DrbookError) as caught:
        ask(lost, cmd.Run("change"))
    assert caught.value.code == "two-writers"
    ask(won, cmd.WriteNote("goes on"))
    mirrored(won)
    assert not won.driver.snapshot.broken
    lost.close()
    with pytest.raises(JournalError) as refused:
        resume_incident(lost.folder, environment={})
    assert refused.value.code == "journal-differs"


def session_without_asking(machines: Machines, folder: Path) -> Session:
    """Both looked at the mirror before the other one wrote."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("drbook.app.writing.may_go_on", lambda *_, **__: ())
        return machines.resume(folder)


def test_who_was_taken_over_from_is_no_second_writer(recorded: Recorded) -> None:
    """One more of its records got into this mirror, beside the take-over's in another one."""
    place = Memory()
    recorded.mirror_to(place)
    old = Recorded(recorded.folder.with_name("old"))
    old.journal.write_bytes(recorded.journal.read_bytes())
    old.note()
    place.objects[record_name(6)] = old.lines[-1]
    taken = ev.IncidentTakenOver(
        from_host="recovery", head=recorded.digests[-1], records=5, epoch=1, fence="t",
        reason="the host is gone", mirrors=("elsewhere",),
    )  # fmt: skip
    recorded.put(taken)
    copier = recorded.copier(lambda: place, epoch=1, token="t")
    until(lambda: copier.state.standing is Standing.DIFFERS)
    assert Mirrors([copier]).taken_over is None


@pytest.mark.parametrize("where", ["the first record", "a runbook", "further on"])
def test_other_content_that_does_not_follow_ours_is_no_second_writer(
    recorded: Recorded, where: str
) -> None:
    place = Memory()
    foreign = Recorded(recorded.folder.with_name("foreign"))
    foreign.note(6)
    name = {"the first record": record_name(1), "a runbook": "runbook.yaml"}.get(where)
    place.objects[name or record_name(3)] = foreign.lines[0 if name else 2]
    if name == "runbook.yaml":
        digest = hashlib.sha256((recorded.folder / "runbook.yaml").read_bytes()).hexdigest()
        place.objects[f"runbooks/{digest}.yaml"] = foreign.lines[2]
    copier = recorded.copier(lambda: place)
    until(lambda: copier.state.standing is Standing.DIFFERS)
    assert Mirrors([copier]).taken_over is None


# --- this machine's own life before ------------------------------------------------------------------


def test_lines_that_were_cut_before_this_machines_own_take_over_are_not_passed(
    machines: Machines, share: Path
) -> None:
    """The journal then looks like one that another machine took over from."""
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    taken = machines.take(f"{share}/{lost.folder.name}")
    ask(taken, cmd.WriteNote("here"))
    mirrored(taken)
    taken.close()
    journal = taken.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: machines.event.records]))
    (found,) = held_against(journal, ())
    assert found.verdict is Verdict.TAKEN_OVER_HERE
    assert found.code == 5
    assert "lines were cut off" in found.problem


@pytest.mark.parametrize("ends", [True, False])
def test_what_this_machine_started_itself_ends_before_the_fence_is_laid(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch, ends: bool
) -> None:
    lost = machines.run()
    ask(lost, cmd.Run("change"))
    until(lambda: "ProcessStarted" in names(lost.folder))
    mirrored(lost)
    cut_off(lost)
    if not ends:
        monkeypatch.setattr("drbook.app.aftermath.LONGEST", 0.2)
        monkeypatch.setitem(takeover.wait_for_children.__kwdefaults__, "longest", 0.2)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if ends and "must end first" in text:
            lost.driver.steps.ask_all_to_stop("it ends")

    machines.on("a")  # its folder was lost, not the machine
    given = f"{share}/{lost.folder.name}"
    if ends:
        session, _ = take_over(given, machines.home("again"), "folder lost", tell=tell)
        machines.sessions.append(session)
    else:
        with pytest.raises(Refused) as caught:
            take_over(given, machines.home("again"), "folder lost", tell=tell)
        assert caught.value.code == "still-running"
        assert not (share / lost.folder.name / "fence").exists()
    assert any("of the life before must end first" in one for one in told)


def test_a_take_over_beside_a_drbook_of_this_machine_is_refused(
    machines: Machines, share: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(onewriter, "places", lambda: [tmp_path / "one machine"])
    leads = machines.run()
    mirrored(leads)
    with pytest.raises(JournalError) as caught:
        machines.take(f"{share}/{leads.folder.name}")
    assert caught.value.code == "journal-locked"
    assert not (share / leads.folder.name / "fence").exists()


def test_what_a_take_over_that_died_left_is_taken_away(machines: Machines, share: Path) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    drafts = machines.home("b").path / "taking-over"
    for name in (f"{lost.folder.name}.0123", "20260101-000000-other-0000.0123"):
        (drafts / name).mkdir(parents=True)
        (drafts / name / "journal.jsonl").write_text("half")
    machines.take(f"{share}/{lost.folder.name}")
    assert [path.name for path in drafts.iterdir()] == ["20260101-000000-other-0000.0123"]
    assert list((machines.home("b").path / "fences").iterdir()) == []


def test_no_fence_is_laid_that_could_not_be_told_from_somebody_elses(
    machines: Machines, share: Path
) -> None:
    lost = machines.run()
    mirrored(lost)
    cut_off(lost)
    machines.home("b").path.mkdir()
    (machines.home("b").path / "fences").write_text("no folder")
    with pytest.raises(JournalError) as caught:
        machines.take(f"{share}/{lost.folder.name}")
    assert "the other machine was not stopped" in caught.value.means
    assert not (share / lost.folder.name / "fence").exists()


# --- what vouches for the record ----------------------------------------------------------------------


def vouched(machines: Machines, share: Path, lost: Session, vouch: Vouch) -> list[str]:
    """What is told before the incident goes on; the event is kept in `machines.event`."""
    told: list[str] = []
    machines.on("b")
    session, machines.event = take_over(
        f"{share}/{lost.folder.name}", machines.home("b"), "gone", vouch=vouch, tell=told.append
    )
    machines.sessions.append(session)
    unseen = [one for one in told if one.startswith("The life before ran on a: ")]
    assert unseen  # by each look for what the other machine had started
    return [one for one in told if one not in unseen]


@pytest.fixture
def lost(machines: Machines) -> Session:
    session = machines.run()
    ask(session, cmd.WriteNote("one"))
    mirrored(session)
    cut_off(session)
    return session


def test_what_only_the_mirror_says_is_told_before_it_runs(
    machines: Machines, share: Path, lost: Session
) -> None:
    (told,) = vouched(machines, share, lost, Vouch())
    assert machines.runbook.sha256 in told
    assert "Of its 4 steps, 1 run commands and 0 send requests" in told
    assert machines.event.vouched == ()
    assert any("Nothing but the mirror" in line for line in take_over_told(machines))


def take_over_told(machines: Machines) -> list[str]:
    return takeover.told(machines.event)


@pytest.mark.parametrize("how", ["head", "an older head", "runbook", "both", "trust"])
def test_what_was_known_elsewhere_goes_on_record(
    machines: Machines, share: Path, lost: Session, tmp_path: Path, how: str
) -> None:
    own = tmp_path / "own.yaml"
    own.write_bytes(machines.runbook.source)
    lines = (lost.folder / "journal.jsonl").read_bytes().splitlines()
    head, first = (hashlib.sha256(lines[at]).hexdigest() for at in (-1, 0))
    vouch = {
        "head": Vouch(head=head.upper(), unattended=True),
        "an older head": Vouch(head=first, unattended=True),
        "runbook": Vouch(runbook=own, unattended=True),
        "both": Vouch(head, own),
        "trust": Vouch(trusted=True, unattended=True),
    }[how]
    told = vouched(machines, share, lost, vouch)
    expected = {"runbook": ("runbook",), "both": ("head", "runbook"), "trust": ()}
    assert machines.event.vouched == expected.get(how, ("head",))
    assert bool(told) is (how == "trust")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("unattended", "mirror-unvouched"),
        ("another head", "mirror-unvouched"),
        ("amended since", "mirror-unvouched"),
        ("no head", "usage"),
        ("another runbook", "runbook-differs"),
        ("no runbook", "usage"),
    ],
)
def test_what_does_not_fit_stops_nobody_and_runs_nothing(
    machines: Machines, share: Path, lost: Session, tmp_path: Path, how: str, code: str
) -> None:
    (tmp_path / "other.yaml").write_text("drbook: 1\n")
    if how == "amended since":
        _amend_in(share / lost.folder.name, machines.runbook.source + b"# theirs\n")
    first = (lost.folder / "journal.jsonl").read_bytes().splitlines()[0]
    vouch = {
        "unattended": Vouch(unattended=True),
        "another head": Vouch(head="0" * 64),
        "amended since": Vouch(head=hashlib.sha256(first).hexdigest()),
        "no head": Vouch(head="latest"),
        "another runbook": Vouch(runbook=tmp_path / "other.yaml"),
        "no runbook": Vouch(runbook=tmp_path / "gone.yaml"),
    }[how]
    with pytest.raises(DrbookError) as caught:
        vouched(machines, share, lost, vouch)
    assert caught.value.code == code
    assert "Nothing was taken over." in caught.value.means
    assert not (share / lost.folder.name / "fence").exists()
    assert not (machines.home("b").path / "incidents").exists()


def _amend_in(place: Path, source: bytes) -> None:
    """As somebody does who can write the mirror: a record more, and the runbook that it names."""
    digest = hashlib.sha256(source).hexdigest()
    (place / "runbooks").mkdir()
    (place / "runbooks" / f"{digest}.yaml").write_bytes(source)
    names = sorted((place / "records").iterdir())
    journal = place / "forged.jsonl"
    journal.write_bytes(b"".join(path.read_bytes() for path in names))
    with Writer(journal, mode=Mode.LIVE, host="a") as writer:
        steps = ("noted", "pause", "change", "revoke")
        writer.append("a", ev.IncidentResumed(head=writer.head))
        writer.append(
            "a", ev.RunbookAmended(runbook_sha256=digest, changed=("change",), steps=steps)
        )
    for seq, line in enumerate(journal.read_bytes().splitlines(keepends=True), 1):
        (place / record_name(seq)).write_bytes(line)
    journal.unlink()


# --- a dry run writes nowhere --------------------------------------------------------------------------


def test_a_dry_run_is_not_mirrored(machines: Machines, share: Path) -> None:
    session = open_incident(machines.runbook, Mode.DRY_RUN, machines.home("a"), {}, environment={})
    machines._entered(session)
    ask(session, cmd.WriteNote("one"))
    session.close()
    assert session.mirrors.states == ()
    again = machines.resume(session.folder)
    again.close()
    with pytest.raises(UsageError, match="dry run"):
        bring(session.folder, 1)
    assert list(share.iterdir()) == []
