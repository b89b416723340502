"""What counts as an approval: pure, as tables."""

import base64
import re
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.approval import (
    NAMESPACE,
    About,
    Book,
    Request,
    Seen,
    book,
    may_sign,
    sha256,
    text_of,
    why_refused,
)
from drbook.core.engine import outcome
from drbook.core.errors import DrbookError
from drbook.core.events import Effect, Mode, Plan, Record
from drbook.core.fold import fold
from drbook.core.glass import waited
from drbook.core.signatures import armoured, opened
from drbook.core.signers import people, read_signers
from drbook.core.state import IncidentState, StepRun, StepState, lacks
from drbook.language.load import load

AT = datetime(2026, 4, 24, 19, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECOND = 10**9


def blob(key: str, kind: str = "ssh-ed25519") -> str:
    """A public key as it stands on the wire; nobody has its private half."""
    parts = (kind.encode(), key.encode().ljust(32, b"."))
    wire = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return base64.b64encode(wire).decode()


def line(person: str, key: str, options: str = "") -> str:
    return " ".join(filter(None, (person, options, "ssh-ed25519", blob(key), "a comment")))


# --- the list ------------------------------------------------------------------------------------


def test_one_person_with_two_keys_is_one_person() -> None:
    text = "\n".join((
        "# who may approve", "", line("maria", "m1"), line("Maria", "m2"),
        line("paul@corp.example", "p", 'namespaces="drbook-approval",valid-before="20300101"'),
    ))  # fmt: skip
    found = read_signers(text)
    assert [one.person for one in found] == ["maria", "Maria", "paul@corp.example"]
    assert people(found) == ("maria", "paul@corp.example")
    assert len({one.fingerprint for one in found}) == 3


@pytest.mark.parametrize(("text", "why"), [
    ("", "names nobody"),
    ("# only a comment\n", "names nobody"),
    (line("*", "m"), "line 1: it has to begin with one person's name"),
    (line("maria,paul", "m"), "one person's name"),
    (line('"maria"', "m"), "one person's name"),
    (line("!maria", "m"), "one person's name"),
    (line("ma\x1b[2Jria", "m"), "one person's name"),
    (line("maria", "m", "cert-authority"), "a certificate authority is no person"),
    (line("maria", "m", 'CERT-AUTHORITY,namespaces="a b"'), "a certificate authority"),
    ("maria", "a kind of key and the key are expected"),
    ("maria ssh-ed25519", "a kind of key and the key are expected"),
    ("maria ssh-ed25519 AAAA=B", "not one as ssh-keygen writes it"),
    ("maria ssh-ed25519 AA==", "not one as ssh-keygen writes it"),
    (f"maria ssh-rsa {blob('m')}", "not of the kind ssh-rsa"),
    (f"{line('maria', 'm')}\n{line('paul', 'm')}", "one key is that of maria and of paul"),
    ("x" * 70_000, "more than 65,536 bytes"),
])  # fmt: skip
def test_a_list_that_does_not_say_who_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        read_signers(text)


@pytest.mark.parametrize(("by", "led", "may"), [
    (2, (), ("maria", "paul")),
    (2, ("Maria",), ("paul",)),
    (3, ("maria", "PAUL "), ()),
    ("paul", (), ("paul",)),
    ("PAUL", ("maria",), ("paul",)),
    ("paul", ("paul",), ()),
    ("the CTO", (), ()),
])  # fmt: skip
def test_who_may_sign(by: int | str, led: tuple[str, ...], may: tuple[str, ...]) -> None:
    assert may_sign(by, ("maria", "paul"), led) == may


# --- a signature ---------------------------------------------------------------------------------


def block(namespace: str = NAMESPACE, key: str = "m") -> str:
    parts = (base64.b64decode(blob(key)), namespace.encode(), b"", b"sha512", b"s" * 90)
    body = b"SSHSIG" + struct.pack(">I", 1)
    body += b"".join(struct.pack(">I", len(part)) + part for part in parts)
    digits = base64.b64encode(body).decode()
    lines = [digits[at : at + 70] for at in range(0, len(digits), 70)]
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


@pytest.mark.parametrize("given", [
    block(),
    block().replace("\n", "\r\n"),
    block().replace("\n", " "),
    "\n\n  " + block().replace("\n", "\n   ") + "\n",
    block().replace("\n", "\r"),
])  # fmt: skip
def test_a_chat_may_break_lines_anew(given: str) -> None:
    assert armoured(given) == block()
    assert opened(armoured(given)).namespace == NAMESPACE


@pytest.mark.parametrize(("given", "why"), [
    ("", "no signature"),
    ("approved!", "no signature"),
    (block() + block(key="p"), "more than one signature"),
    (block() + "and this", "something else in it"),
    ("maria: " + block(), "something else in it"),
    (block().replace("\n", "\n> "), "something else in it"),
    (block().replace("U1NIU0lH", "U1NIU0l\x1b"), "something else in it"),
    (block().replace("=", "") if "=" in block() else block().replace("U1N", "U1", 1), "not whole"),
    (block()[:-40], "no signature"),
    ("-----BEGIN SSH SIGNATURE----- -----END SSH SIGNATURE-----", "not whole"),
    ("x" * 17_000, "longer than any"),
])  # fmt: skip
def test_what_is_no_single_signature_is_none(given: str, why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        armoured(given)


@pytest.mark.parametrize("body", [b"SSHSIG", b"SSHSIG\0\0\0\2" + b"\0" * 30, b"x" * 40,
                                  b"SSHSIG\0\0\0\1\xff\xff\xff\xff", b"SSHSIG\0\0\0\1" + b"\0" * 8])  # fmt: skip
def test_a_body_that_is_none_is_said(body: bytes) -> None:
    text = base64.b64encode(body).decode()
    with pytest.raises(ValueError, match="it is not"):
        opened(armoured(f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n"))


# --- the text ------------------------------------------------------------------------------------

PLAN = Plan(
    does=("sends users to the copy",),
    touches="the DNS of \x1b[2Jshop\nexpires: never",
    damage="rows",
)
KNOWN = About("20260424-x-7f3a", Mode.LIVE, "a" * 64, "b" * 64, ("maria", "ops"), PLAN, "c" * 64)
ASKED = ev.ApprovalAsked(
    step="cutover", attempt=1, title="Send\u202e users", operator="ops", people=("maria",), needed=1,
    asked_at=AT, expires=AT + HOUR, nonce="0f" * 16,
)  # fmt: skip


def test_the_text_can_be_read_and_names_everything() -> None:
    assert text_of(ASKED, KNOWN).splitlines() == [
        "drbook-approval: 1",
        "incident: 20260424-x-7f3a",
        "mode: live",
        "runbook: " + "a" * 64,
        "step: cutover",
        "title: Send\\u202e users",
        "attempt: 1",
        "plan: " + "c" * 64,
        "does: sends users to the copy",
        "touches: the DNS of \\x1b[2Jshop\\nexpires: never",
        "cannot be undone: rows",
        "operator: ops (one of the approvers)",
        "approvers: " + "b" * 64,
        "needed: 1",
        "asked: 2026-04-24T19:00:00Z",
        "expires: 2026-04-24T20:00:00Z",
        "nonce: " + "0f" * 16,
    ]
    stranger = ASKED.model_copy(update={"operator": "root"})
    assert "operator: root (none of the approvers)\n" in text_of(stranger, KNOWN)


def test_each_part_of_it_makes_another_text() -> None:
    first = text_of(ASKED, KNOWN)
    others = [
        text_of(ASKED.model_copy(update=change), KNOWN)
        for change in ({"step": "other"}, {"attempt": 2}, {"expires": AT}, {"nonce": "00"},
                       {"operator": "x"}, {"needed": 2}, {"title": "t"}, {"asked_at": AT - HOUR})
    ]  # fmt: skip
    others += [
        text_of(ASKED, replace(KNOWN, **change))
        for change in ({"incident": "i"}, {"mode": Mode.DRILL}, {"runbook_sha256": "d" * 64},
                       {"list_sha256": "d" * 64}, {"plan_sha256": "d" * 64})
    ]  # fmt: skip
    assert len({first, *others}) == 1 + len(others)


def test_a_long_plan_says_that_there_is_more() -> None:
    plan = Plan(does=tuple(f"thing {number}" for number in range(23)))
    assert "does: … and 3 things more" in text_of(ASKED, replace(KNOWN, plan=plan))


# --- why a signature approves nothing -------------------------------------------------------------

SIGNED = ASKED.model_copy(update={"text": text_of(ASKED, KNOWN)})
REQUEST = Request(SIGNED, AT, 5 * SECOND)
SEEN = Seen("ssh-ed25519 SHA256:m", NAMESPACE, "maria", REQUEST)
RUN = StepRun("cutover", StepState.AWAITING, attempt=1, plan=PLAN, asked=SIGNED)
STATE = IncidentState(incident="i", steps={"cutover": RUN})
BOOK = Book([REQUEST], ["ops"], {})
PAUL = SIGNED.model_copy(update={"people": ("paul",)})


def state(**changed: object) -> IncidentState:
    return replace(STATE, steps={"cutover": replace(RUN, **changed)})  # type: ignore[arg-type]


def why(
    seen: Seen = SEEN,
    state: IncidentState = STATE,
    known: Book = BOOK,
    after: timedelta = timedelta(minutes=5),
    mono_ns: int | None = 10 * SECOND,
) -> str:
    return why_refused(seen, state, known, AT + after, mono_ns)


def test_the_good_one_is_taken() -> None:
    assert why() == ""
    assert why(mono_ns=None) == ""
    assert why(known=replace(BOOK, led=["ops", "root"])) == ""


@pytest.mark.parametrize(("given", "said"), [
    ({"seen": replace(SEEN, namespace="file")}, "made for 'file'"),
    ({"seen": replace(SEEN, person="")}, "nobody in the incident's list has its key"),
    ({"seen": replace(SEEN, request=None)}, "another incident, or another text"),
    ({"known": replace(BOOK, used={(sha256(SIGNED.text), "maria"): 9})},
     "maria approved it already, in record 9: a person counts once"),
    ({"seen": replace(SEEN, signature_sha256="s"), "known": replace(BOOK, signatures={"s": 9})},
     "it was used already, in record 9"),
    ({"state": state(attempt=2, asked=None)}, "attempt 1 of step cutover, which is at attempt 2"),
    ({"state": state(state=StepState.STARTED)}, "waits for no approval any more"),
    ({"state": state(approved_by="maria")}, "waits for no approval any more"),
    ({"state": replace(STATE, steps={})}, "no step cutover any more"),
    ({"state": replace(STATE, closed_at=AT)}, "waits for no approval any more"),
    ({"after": HOUR}, "was to be signed until 2026-04-24T20:00:00"),
    ({"mono_ns": (5 + 3600) * SECOND}, "was to be signed until"),
    ({"after": -HOUR}, "not that late yet"),
    ({"known": replace(BOOK, led=["ops", "MARIA"])}, "nobody approves what is their own"),
    ({"seen": replace(SEEN, request=Request(PAUL, AT, 0)), "state": state(asked=PAUL)},
     "maria was not asked, but paul"),
    ({"seen": replace(SEEN, rejected="key has expired")}, "does not take it for maria: key has expired"),
])  # fmt: skip
def test_each_reason_by_itself(given: dict[str, object], said: str) -> None:
    assert said in why(**given)  # type: ignore[arg-type]


# --- the record ----------------------------------------------------------------------------------


def written(*events: tuple[int, ev.Event], actor: str = "ops") -> tuple[Record, ...]:
    """Records at so many seconds of the monotonic clock; the wall clock jumps a year with each."""
    return tuple(
        Record(seq=seq, at=AT + timedelta(days=365 * seq), mono_ns=second * SECOND, mode=Mode.LIVE,
               actor=actor, host="h", event=event, prev="0" * 64)
        for seq, (second, event) in enumerate(events, 1)
    )  # fmt: skip


OPENED = ev.IncidentOpened(
    incident="i", mode=Mode.LIVE, title="T", runbook_sha256="a" * 64, runbook_file="r",
    drbook_version="0", steps=("a",),
)  # fmt: skip
RESUMED = ev.IncidentResumed(head="0" * 64)


def planned(attempt: int = 1, digest: str = "c" * 64) -> ev.StepPlanned:
    plan = Plan(does=("x",), approve="2 other people")
    return ev.StepPlanned(step="a", attempt=attempt, action="n", effect=Effect.ONCE, params={},
                          plan=plan, digest=digest)  # fmt: skip


CANCELLED = ev.StepFinished(step="a", attempt=1, state=ev.StepEnd.CANCELLED, duration_ms=0)
NOTE = ev.NoteAdded(text="n")
OTHER = ev.StepSkipped(step="b", reason="r")


@pytest.mark.parametrize(("events", "now", "seconds"), [
    ([(0, OPENED)], 50, 0),
    ([(0, OPENED), (10, planned())], 50, 40),
    ([(0, OPENED), (10, planned()), (30, NOTE)], 50, 40),
    # A life that ended counts to its last record; the next one has a clock of its own.
    ([(0, OPENED), (10, planned()), (30, OTHER), (7, RESUMED), (8, planned(2))], 18, 30),
    ([(0, OPENED), (10, planned()), (30, OTHER), (7, RESUMED)], 900, 20),
    # What others write while nobody leads is no record of that life; its clock may be another machine's.
    ([(0, OPENED), (10, planned()), (12, OTHER), (9_000_000, NOTE), (7, RESUMED), (8, planned(2))], 18, 12),
    ([(0, OPENED), (900, planned()), (3, RESUMED), (4, planned(2))], 5, 1),
    # Another plan, or one that was taken back, begins anew.
    ([(0, OPENED), (10, planned()), (30, NOTE), (7, RESUMED), (8, planned(2, "d" * 64))], 18, 10),
    ([(0, OPENED), (10, planned()), (30, CANCELLED), (40, planned(2))], 50, 10),
    ([(0, OPENED), (10, planned())], 5, 0),
])  # fmt: skip
def test_how_long_others_had(events: list[tuple[int, ev.Event]], now: int, seconds: int) -> None:
    assert waited(written(*events), "a", now * SECOND) == timedelta(seconds=seconds)


def test_everybody_who_led_is_known() -> None:
    found = book(
        (
            *written((0, OPENED)),
            *written((1, ev.HandedOver(to="Maria"))),
            *written((2, RESUMED), actor="eve"),
        )
    )
    assert found.led == ["ops", "Maria", "eve"]


TAKEN = ev.ApproversTaken(file="", sha256="b" * 64, text=line("maria", "m") + "\n")
PROOF = ev.Proof(key="k", text_sha256="t", signature="s", signature_sha256="d")


def asked_for(needed: int = 2, *, signed: bool = True) -> ev.ApprovalAsked:
    changed = {"step": "a", "needed": needed, "signed": signed}
    return ASKED.model_copy(update=changed)


def given(by: str, proof: ev.Proof | None = PROOF, *, broken: bool = False) -> ev.ApprovalGiven:
    return ev.ApprovalGiven(step="a", attempt=1, by=by, proof=proof, break_glass=broken)


def test_as_many_as_are_needed() -> None:
    begun = [(0, OPENED), (1, TAKEN), (2, planned()), (3, asked_for())]
    one = fold(written(*begun, (4, given("maria")))).steps["a"]
    assert (one.approvals, one.approved_by, lacks(one)) == (("maria",), None, ("an approval",))
    two = fold(written(*begun, (4, given("maria")), (5, given("paul")))).steps["a"]
    assert (two.approved_by, lacks(two)) == ("maria, paul", ())
    alone = fold(written(*begun, (4, given("2 other people", None, broken=True)))).steps["a"]
    assert lacks(alone) == ()


@pytest.mark.parametrize(("events", "said"), [
    ([TAKEN, TAKEN], "was taken before"),
    ([TAKEN, planned(), given("maria")], "nobody was asked"),
    ([TAKEN, planned(), asked_for(), given("maria", None)], "it holds none"),
    ([TAKEN, planned(), asked_for(), given("maria"), given("Maria")], "approved step a before"),
    ([TAKEN, planned(), asked_for(), given("maria", broken=True)], "and not both"),
    ([planned(), asked_for(signed=False), given("maria", None), given("MARIA ", None)], "before"),
])  # fmt: skip
def test_a_record_that_says_too_much_cannot_stand(events: list[ev.Event], said: str) -> None:
    with pytest.raises(DrbookError) as caught:
        fold(written((0, OPENED), *((second, one) for second, one in enumerate(events, 1))))
    assert said in caught.value.what


def test_what_was_done_without_is_told_by_the_outcome() -> None:
    runbook = load(
        b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: cutover, do: manual, approve: {by: 2}}]\n",
        "r.yaml",
        vocabulary(),
    )
    done = ev.StepFinished(step="a", attempt=1, state=ev.StepEnd.SUCCEEDED, duration_ms=0)
    begun = [(0, OPENED), (1, TAKEN), (2, planned()), (3, asked_for(1))]
    started = (5, ev.StepStarted(step="a", attempt=1))
    for how, word in (
        (given("2 other people", None, broken=True), "partial"),
        (given("maria"), "pass"),
    ):
        found = outcome(runbook, fold(written(*begun, (4, how), started, (6, done))))
        assert found.word == word
        assert ("BREAK-GLASS" in found.reason) is (word == "partial")
