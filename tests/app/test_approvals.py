"""Approvals by SSH signatures, made and checked by ssh-keygen itself: what is taken, and each thing that is not.

Keys of hardware (`sk-…`) cannot be here: nothing is there to be touched. To ssh-keygen, and so to drbook, they
differ in the kind of key alone.
"""

import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.approving import People, approvers, asked, ssh_keygen
from support.incident import World

from drbook.app import approvalcheck
from drbook.app import model as cmd
from drbook.app.approvalcheck import check_approvals, check_approvals_of
from drbook.app.autopilot import run_unattended
from drbook.app.mailbox import Letter, leave
from drbook.core import events as ev
from drbook.core.approval import NAMESPACE, Checked
from drbook.core.errors import CouldNotVerify, ExitCode, UsageError
from drbook.core.events import Mode
from drbook.core.glass import glass_too_early
from drbook.core.runbook import Runbook
from drbook.core.signatures import Signature, Standing
from drbook.core.state import StepRun, StepState
from drbook.journal.reader import read

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is missing")
STEP = "  - {id: a, phase: cutover, do: once, title: Send users, approve: {by: 2, expires_after: 10m}}\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> People:
    return People(tmp_path_factory.mktemp("keys"))


def waits(world: World, *lines: str, steps: str = STEP, mode: Mode = Mode.LIVE) -> ev.ApprovalAsked:
    """An incident whose step a waits for a signature of these people."""
    world.start(steps, mode, head=approvers(*lines))
    world.ask(cmd.Run("a"))
    return asked(world.journal)


def refused(world: World, block: str) -> str:
    """Why it is, as it is said and as it is on record; the step still waits."""
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.HandIn(block))
    events = [record.event for record in read(world.journal)]
    last = [one for one in events if isinstance(one, ev.ApprovalRefused)][-1]
    assert last.why in caught.value.what
    assert world.opener.opened == []
    return last.why


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_another_person_signs_and_the_step_goes_on(world: World, keys: People, kind: str) -> None:
    who = f"maria.{kind}"
    text = waits(world, keys.line(who, kind=kind)).text
    assert "operator: ops (none of the approvers)" in text
    world.ask(cmd.HandIn(keys.sign(who, text)))
    world.reaches("a", StepState.SUCCEEDED)
    (given,) = (r.event for r in read(world.journal) if isinstance(r.event, ev.ApprovalGiven))
    assert given.by == who
    assert given.proof is not None
    assert given.proof.key.split()[1] == ssh_keygen("-l", "-f", keys.key(who)).split()[1]
    found = check_approvals_of(world.journal)
    assert (found.signed, found.problems, found.unchecked) == (1, (), "")


def test_what_approves_nothing_one_by_one(world: World, keys: People) -> None:
    old = 'valid-before="20200101"'
    new = 'valid-after="20990101"'
    only = 'namespaces="file"'
    text = waits(
        world, keys.line("maria"), keys.line("OPS"), keys.line("gone", options=old),
        keys.line("early", options=new), keys.line("other", options=only),
    ).text  # fmt: skip
    good = keys.sign("maria", text)
    said = {
        "text": refused(world, keys.sign("maria", text + "\n")),
        "operator": refused(world, keys.sign("OPS", text)),
        "expired key": refused(world, keys.sign("gone", text)),
        "early key": refused(world, keys.sign("early", text)),
        "key for else": refused(world, keys.sign("other", text)),
        "namespace": refused(world, keys.sign("maria", text, "file")),
        "stranger": refused(world, keys.sign("stranger", text)),
        "garbage": refused(world, "approved, go on"),
        "several": refused(world, good + keys.sign("maria", text, "file")),
        "trailing": refused(world, good + "P.S. hurry"),
        "bent": refused(world, good.replace("U1NIU0lH", "U1NIU0lI", 1)),
    }
    expected = {
        "text": "another text", "operator": "nobody approves what is their own", "expired key": "gone was not asked: the key expired at 2020-01-01",
        "early key": "early was not asked: the key is not yet valid, but from 2099",
        "key for else": "other was not asked: namespaces=",
        "namespace": "made for 'file'", "stranger": "nobody in the incident's list", "garbage": "no signature",
        "several": "more than one signature", "trailing": "something else in it", "bent": "version",
    }  # fmt: skip
    assert {name: words in said[name] for name, words in expected.items()} == dict.fromkeys(
        said, True
    ), said
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.Approve("a", "maria"))  # a name is none
    assert "by a signature, not by a name" in caught.value.what
    world.ask(cmd.HandIn(good))
    world.reaches("a", StepState.SUCCEEDED)
    world.opener.opened.clear()
    assert "used already, in record" in refused(world, good)
    assert check_approvals_of(world.journal).signed == 1


def test_only_those_are_asked_who_may_sign_now(world: World, keys: People) -> None:
    waits(
        world, keys.line("maria"), keys.line("typo", options='valid-before="tomorrow"'),
        keys.line("gone", options='valid-before="20200101"'), keys.line("other", options='namespaces="file"'),
        keys.line("maria", "new", 'valid-after="20990101"'),
    )  # fmt: skip
    found = asked(world.journal)
    assert found.people == ("maria",)
    assert [one.partition(":")[0] for one in found.cannot] == ["typo", "gone", "other"]
    assert "tomorrow" in found.cannot[0]
    assert "expired at 2020-01-01" in found.cannot[1]
    why = refused(world, keys.sign("typo", found.text))
    assert "tomorrow" in why
    assert "/" not in why


def test_another_attempt_another_step_and_another_time(world: World, keys: People) -> None:
    second = "  - {id: b, phase: cutover, needs: [], do: once, approve: {by: paul}}\n"
    first = waits(world, keys.line("maria"), keys.line("paul"), steps=STEP + second).text
    world.ask(cmd.Run("b"))
    assert asked(world.journal, "b").people == ("paul",)
    other = asked(world.journal, "b").text
    assert "maria was not asked, but paul" in refused(world, keys.sign("maria", other))
    world.ask(cmd.CancelStep("a"))
    world.ask(cmd.Run("a"))
    why = refused(world, keys.sign("maria", first))
    assert "attempt 1 of step a, which is at attempt 2" in why
    now = asked(world.journal).text
    world.driver.now = lambda: datetime.now(UTC) + timedelta(minutes=11)
    assert "was to be signed until" in refused(world, keys.sign("maria", now))
    world.driver.now = lambda: datetime.now(UTC) - timedelta(minutes=5)
    assert "not that late yet" in refused(world, keys.sign("maria", now))
    world.driver.now = lambda: datetime.now(UTC)
    world.ask(cmd.HandIn(keys.sign("paul", other)))
    world.reaches("b", StepState.SUCCEEDED)
    world.ask(cmd.HandIn(keys.sign("paul", now)))
    world.reaches("a", StepState.SUCCEEDED)


def test_three_people_are_three_however_many_keys_they_have(world: World, keys: People) -> None:
    steps = STEP.replace("by: 2", "by: 3")
    lines = (keys.line("maria"), keys.line("maria", "maria2"), keys.line("paul"))
    text = waits(world, *lines, steps=steps).text
    world.ask(cmd.HandIn(keys.sign("maria", text)))
    assert world.driver.state.steps["a"].approved_by is None
    assert "used already, in record" in refused(world, keys.sign("maria", text))
    assert "maria approved it already" in refused(world, keys.sign("maria2", text))
    world.ask(cmd.HandIn(keys.sign("paul", text)))
    snapshot = world.reaches("a", StepState.SUCCEEDED)
    assert snapshot.state.steps["a"].approved_by == "maria, paul"
    assert check_approvals_of(world.journal).signed == 2


def test_handing_over_is_no_way_to_approve_oneself(world: World, keys: People) -> None:
    waits(world, keys.line("maria"), keys.line("ops"), keys.line("eve"))
    world.ask(cmd.HandOver("maria"))
    world.ask(cmd.CancelStep("a"))
    world.ask(cmd.Run("a"))
    found = asked(world.journal)
    assert (found.operator, found.people) == ("maria", ("eve",))
    assert "operator: maria (one of the approvers)" in found.text
    for who in ("ops", "maria"):
        assert "their own" in refused(world, keys.sign(who, found.text))


def test_from_another_seat_it_comes_by_letter(world: World, keys: People) -> None:
    text = waits(world, keys.line("maria")).text
    leave(world.folder, Letter("maria", "x", approval="nonsense"))
    world.until(lambda s: isinstance(s.records[-1].event, ev.ApprovalRefused))
    leave(world.folder, Letter("maria", "x", approval=keys.sign("maria", text)))
    world.reaches("a", StepState.SUCCEEDED)
    given = [r for r in read(world.journal) if isinstance(r.event, ev.ApprovalGiven)]
    assert [one.actor for one in given] == ["maria"]
    world.ask(cmd.Close())
    leave(world.folder, Letter("maria", "x", approval=keys.sign("maria", text)))
    world.until(lambda s: isinstance(s.records[-1].event, ev.NoteAdded))
    assert list((world.folder / "inbox").iterdir()) == []


def test_a_resume_asks_anew_and_what_was_signed_before_is_void(world: World, keys: People) -> None:
    text = waits(world, keys.line("maria"), mode=Mode.DRILL).text
    world.driver.stop()
    world.resume()
    assert "waits for no approval any more" in refused(world, keys.sign("maria", text))
    world.ask(cmd.Run("a"))
    assert "attempt 1 of step a" in refused(world, keys.sign("maria", text))
    world.ask(cmd.HandIn(keys.sign("maria", asked(world.journal).text)))
    world.reaches("a", StepState.SUCCEEDED)


def test_what_could_not_be_verified_is_no_approval(
    world: World, keys: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = waits(world, keys.line("maria")).text
    mute = Signature(Standing.UNCHECKED, why="ssh-keygen is not installed here")
    monkeypatch.setattr(approvalcheck, "check", lambda *_: mute)
    with pytest.raises(CouldNotVerify):
        world.ask(cmd.HandIn(keys.sign("maria", text)))
    last = read(world.journal)[-1].event
    assert isinstance(last, ev.ApprovalRefused)
    assert last.why.startswith("could not verify")
    assert world.driver.state.steps["a"].state is StepState.AWAITING


class Eager:
    actor = "a machine"

    def respond(self, run: StepRun) -> cmd.Approve:
        return cmd.Approve(run.id, "maria")


def test_nobody_unattended_approves_by_a_name(world: World, keys: People) -> None:
    world.start(STEP, Mode.DRILL, head=approvers(keys.line("maria")))
    found = run_unattended(world.driver, Eager(), lambda _: None)
    assert found.code is ExitCode.NEEDS_HUMAN
    assert "ApprovalGiven" not in world.events()


def test_a_dry_run_asks_nobody(world: World, keys: People) -> None:
    world.start(STEP, Mode.DRY_RUN, head=approvers(keys.line("maria")))
    world.ask(cmd.Run("a"))
    world.reaches("a", StepState.NOT_EXERCISED)
    assert "ApprovalAsked" not in world.events()


def test_typed_names_count_people_and_say_that_nothing_proves_them(world: World) -> None:
    world.start(STEP.replace("by: 2", "by: 3"))
    world.ask(cmd.Run("a"))
    world.ask(cmd.Approve("a", "maria"))
    with pytest.raises(UsageError):
        world.ask(cmd.Approve("a", "Maria "))
    with pytest.raises(UsageError) as caught:
        world.ask(cmd.HandIn("x"))
    assert "has no list of approvers" in caught.value.what
    world.ask(cmd.Approve("a", "paul"))
    world.reaches("a", StepState.SUCCEEDED)
    found = check_approvals_of(world.journal)
    assert (found.signed, found.typed, found.problems) == (0, 2, ())


@pytest.mark.parametrize(("content", "said"), [
    (None, "cannot be read"), ("nobody here\n", "line 1"), ("\xff", "ASCII"),
])  # fmt: skip
def test_a_list_that_is_not_well_lets_the_incident_begin_and_nobody_approve(
    world: World, keys: People, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "allowed_signers"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    steps = STEP.replace("by: 2", "by: 2, break_glass_after: 0s")
    world.start(steps, Mode.LIVE, head=f"approvers: {{file: {file}}}\n")
    taken = world.driver.state.approvers
    assert taken is not None
    assert said in taken.problem
    world.ask(cmd.Run("a"))
    file.write_text(keys.line("maria") + "\n")  # what it says later does not count
    found = asked(world.journal)
    assert found.people == ()
    assert "nobody in the incident's list" in refused(world, keys.sign("maria", found.text))
    world.ask(cmd.Approve("a", "", break_glass=True, reason="the list cannot be read"))
    world.reaches("a", StepState.SUCCEEDED)
    found = check_approvals_of(world.journal)
    assert (found.broken, found.problems) == (1, ())


def test_the_file_is_taken_once(world: World, keys: People, tmp_path: Path) -> None:
    file = tmp_path / "allowed_signers"
    file.write_text(keys.line("maria") + "\n")
    world.start(STEP, Mode.LIVE, head=f"approvers: {{file: {file}}}\n")
    file.write_text(keys.line("eve") + "\n")
    world.ask(cmd.Run("a"))
    text = asked(world.journal).text
    assert "nobody in the incident's list" in refused(world, keys.sign("eve", text))
    world.ask(cmd.HandIn(keys.sign("maria", text)))
    world.reaches("a", StepState.SUCCEEDED)


# --- the record, again ---------------------------------------------------------------------------


def test_what_was_changed_in_a_record_is_found(world: World, keys: People) -> None:
    text = waits(world, keys.line("maria"), keys.line("paul")).text
    world.ask(cmd.HandIn(keys.sign("maria", text)))
    world.reaches("a", StepState.SUCCEEDED)
    records = read(world.journal)
    by_name = {type(one.event).__name__: at for at, one in enumerate(records)}

    def with_(name: str, **changed: object) -> tuple[str, ...]:
        at = by_name[name]
        event = records[at].event.model_copy(update=changed)
        return check_approvals(
            (*records[:at], records[at].model_copy(update={"event": event}), *records[at + 1 :]),
            lambda sha256: None,
        ).problems

    given = records[by_name["ApprovalGiven"]].event
    assert isinstance(given, ev.ApprovalGiven)
    assert given.proof is not None
    other = given.proof.model_copy(update={"signature": keys.sign("paul", text)})
    third = given.proof.model_copy(update={"key": "ssh-ed25519 SHA256:x"})
    spaced = given.proof.model_copy(update={"signature": given.proof.signature + " "})
    plan = records[by_name["StepPlanned"]].event
    assert isinstance(plan, ev.StepPlanned)
    lied = plan.plan.model_copy(update={"does": ("deletes everything",)})
    assert with_("ApprovalGiven") == ()
    found = {
        "by": with_("ApprovalGiven", by="paul"),
        "signature": with_("ApprovalGiven", proof=other),
        "key": with_("ApprovalGiven", proof=third),
        "space": with_("ApprovalGiven", proof=spaced),
        "plan": with_("StepPlanned", plan=lied),
        "digest": with_("StepPlanned", digest="0" * 64),
        "text": with_("ApprovalAsked", text=text.replace("live", "drill")),
        "expires": with_("ApprovalAsked", expires=asked(world.journal).asked_at),
        "list": with_("ApproversTaken", text=keys.line("maria", "eve") + "\n"),
        "runbook": with_("IncidentOpened", runbook_sha256="0" * 64),
    }
    assert [name for name, problems in found.items() if not problems] == []


def test_glass_that_broke_too_early_in_a_record_chained_anew(world: World, keys: People) -> None:
    """What stands there by both clocks, what it says it waited, and what the runbook says: no two may differ."""
    steps = STEP.replace("by: 2", "by: 2, break_glass_after: 1s")
    waits(world, keys.line("maria"), steps=steps)
    time.sleep(1.1)
    world.ask(cmd.Approve("a", "", break_glass=True, reason="nobody answers"))
    world.reaches("a", StepState.SUCCEEDED)
    records = read(world.journal)
    runbook = world.driver.runbook
    (at,) = [n for n, one in enumerate(records) if isinstance(one.event, ev.ApprovalGiven)]
    asked_at = next(one for one in records if isinstance(one.event, ev.ApprovalAsked))

    def checked(of: Runbook | None, said: int = 1, **changed: object) -> Checked:
        event = records[at].event.model_copy(update={"waited_seconds": said})
        forged = records[at].model_copy(update={"event": event, **changed})
        return check_approvals((*records[:at], forged, *records[at + 1 :]), lambda sha256: of)

    good = checked(runbook)
    assert (good.broken, good.problems, good.unchecked) == (1, (), "")
    early = {"mono_ns": asked_at.mono_ns + 500_000_000, "at": asked_at.at}
    for found, said in (
        (checked(runbook, 1, **early), "the runbook asks for 1 s of waiting"),
        (checked(runbook, 343), "says that it waited 5 m 43 s"),
        (checked(runbook, 0), "says that it waited 0 s"),
        (
            checked(runbook, 1, mono_ns=records[-1].mono_ns + 1),
            "stands earlier in a record behind it",
        ),
    ):
        assert said in "; ".join(found.problems)
    assert "its wait is not known" in checked(None).unchecked
    back = checked(runbook, at=asked_at.at - timedelta(hours=1))
    assert "wall clock was set back" in back.unchecked
    event = records[at].event
    assert isinstance(event, ev.ApprovalGiven)
    assert "allows none" in glass_too_early(records[at], event, records[:at], (), None)


def test_the_recipe_needs_ssh_keygen_and_jq_alone(
    world: World, keys: People, tmp_path: Path
) -> None:
    if shutil.which("jq") is None:
        pytest.skip("jq is missing")
    text = waits(world, keys.line("maria")).text
    world.ask(cmd.HandIn(keys.sign("maria", text)))
    world.reaches("a", StepState.SUCCEEDED)
    script, there = recipe(), tmp_path / "elsewhere"
    there.mkdir()
    (there / "journal.jsonl").write_bytes(world.journal.read_bytes())
    done = subprocess.run(["sh", "-euc", script], cwd=there, capture_output=True, check=True)
    assert b'Good "drbook-approval" signature for maria' in done.stdout
    bent = world.journal.read_bytes().replace(b"step: a", b"step: b")
    (there / "journal.jsonl").write_bytes(bent)
    assert subprocess.run(["sh", "-euc", script], cwd=there, capture_output=True).returncode


def recipe() -> str:
    """As the README gives it."""
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    chapter = readme.partition("### Approvals")[2]
    return next(one for one in chapter.split("```")[1::2] if "jq -j" in one).partition("\n")[2]


def test_three_commands_sign_it_without_drbook(world: World, keys: People, tmp_path: Path) -> None:
    """Those that the README and the help give."""
    found = waits(world, keys.line("maria"))
    (tmp_path / "text").write_text(found.text)
    commands = (
        f"cat text; ssh-keygen -Y sign -n {NAMESPACE} -f {keys.key('maria')} text; cat text.sig"
    )
    done = subprocess.run(["sh", "-c", commands], cwd=tmp_path, capture_output=True, check=True)
    block = done.stdout.decode()[len(found.text) :]
    world.ask(cmd.HandIn(block.replace("\n", "\r\n")))
    world.reaches("a", StepState.SUCCEEDED)


def test_a_monotonic_clock_ends_what_a_wall_clock_would_let_live(
    world: World, keys: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = waits(world, keys.line("maria")).text
    signature = keys.sign("maria", text)
    later = time.monotonic_ns() + 700 * 10**9
    monkeypatch.setattr("drbook.app.approvals.time.monotonic_ns", lambda: later)
    assert "was to be signed until" in refused(world, signature)


def test_no_secret_and_no_control_character_is_in_what_is_signed(
    world: World, keys: People
) -> None:
    world.once.plans["a"] = ev.Plan(does=("\x1b[2Jdrops\nexpires: never",), touches="\u202eprod")
    text = waits(world, keys.line("maria")).text
    assert "does: \\x1b[2Jdrops\\nexpires: never\n" in text
    assert all(line.isprintable() for line in text.splitlines())
