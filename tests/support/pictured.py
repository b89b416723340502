"""Incidents to make pictures of: short, long, crowded, broken off, and with a clock that went back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from drbook.core import events as ev
from drbook.core.events import Effect, Event, Mode, Plan, Record, StepEnd
from drbook.core.results import VERIFY
from drbook.timeline.build import build
from drbook.timeline.model import JournalFacts, Timeline
from support.telling import EVIL, HEAD, T0, opened

HOUR = 3600.0


@dataclass
class Course:
    """An incident that is told second by second; `clock` is what the wall clock is off by."""

    mode: Mode = Mode.LIVE
    events: list[tuple[float, float, str, Event]] = field(default_factory=list)
    phases: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    now: float = 0.0
    clock: float = 0.0
    actor: str = "ana"

    def tell(self, event: Event, after: float = 0.0, actor: str = "") -> "Course":
        self.now += after
        self.events.append((self.now + self.clock, self.now, actor or self.actor, event))
        return self

    def plan(self, step: str, phase: str, title: str = "", number: int = 1) -> "Course":
        self.phases[step] = phase
        self.titles[step] = title or step
        return self.tell(
            ev.StepPlanned(
                step=step, attempt=number, action=VERIFY if phase == "verify" else "manual", effect=Effect.NONE, params=None,
                plan=Plan(does=("looks",)), digest="ef" * 32,
            )
        )  # fmt: skip

    def step(
        self,
        step: str,
        phase: str,
        took: float,
        state: StepEnd = StepEnd.SUCCEEDED,
        title: str = "",
        waits: float = 0.0,
        asks: Sequence[tuple[str, Event]] = (),
        number: int = 1,
    ) -> "Course":
        """Planned, waited for, started and finished; `asks` are what people said before it started."""
        self.plan(step, phase, title, number)
        self.now += waits
        for who, event in asks:
            self.tell(event, actor=who)
        self.tell(ev.StepStarted(step=step, attempt=number))
        return self.tell(
            ev.StepFinished(
                step=step, attempt=number, state=state, reason="so", duration_ms=int(took * 1000)
            ),
            after=took,
        )

    def timeline(self) -> Timeline:
        made = [
            Record(
                seq=number, at=T0 + timedelta(seconds=wall), mono_ns=int(mono * 1e9),
                mode=self.mode, actor=actor, host="recovery-1", event=event, prev="0" * 64,
            )
            for number, (wall, mono, actor, event) in enumerate(self.events, 1)
        ]  # fmt: skip
        return build(
            made,
            journal=JournalFacts("/j", HEAD, intact=True),
            phases=self.phases,
            titles=self.titles,
        )


def _begun(mode: Mode = Mode.LIVE, **more: object) -> Course:
    return Course(mode).tell(opened(mode=mode, **more))


def approved(step: str, by: str, *, glass: bool = False) -> ev.ApprovalGiven:
    return ev.ApprovalGiven(step=step, attempt=1, by=by, break_glass=glass)


def confirmed(step: str) -> ev.ConfirmationGiven:
    return ev.ConfirmationGiven(step=step, attempt=1, typed="rental-prod")


def outside(text: str, at: float, source: str = "cloudtrail") -> ev.ExternalEntryAdded:
    return ev.ExternalEntryAdded(
        happened_at=T0 + timedelta(seconds=at), author="deploy-bot", text=text, source=source,
        file="ab" * 32, line=3, digest="cd" * 32,
    )  # fmt: skip


def short() -> Timeline:
    """A demo of forty seconds; a step took no time at all."""
    told = _begun(Mode.DRILL)
    told.step("loss", "detect", 0, title="Is the data really gone?")
    told.step("revoke", "contain", 1, title="Revoke the credential that did it", waits=4)
    told.step("locate", "locate", 3, title="Find the newest independent backup")
    told.step("restore", "restore", 16, title="Restore to a fresh cluster")
    told.step("verify", "verify", 5, title="Compare row by row")
    told.step(
        "cutover",
        "cutover",
        0,
        title="Send users to it",
        waits=8,
        asks=[("ana", confirmed("cutover"))],
    )
    return told.tell(ev.IncidentClosed(outcome="pass", exit_code=0), after=1).timeline()


def long() -> Timeline:
    """Fourteen hours: six of them waiting, a crash in the midst, people, and what others logged."""
    given = {"detected": "2026-04-24T19:12:00Z", "declared": "2026-04-24T19:15:00Z"}
    told = _begun(inputs=given, rto_seconds=4 * 3600)
    for at, text in (
        (-900, "DeleteVolume vol-7f3a"),
        (-890, "DeleteSnapshot snap-1"),
        (-420, "P1: api down"),
    ):
        told.tell(outside(text, at), after=20)
    told.step("preserve", "preserve", 240, title="Snapshot what is left of the volume")
    told.step("loss", "detect", 60, title="Is the data really gone?")
    told.step("revoke", "contain", 30, title="Revoke the credential that did it", waits=600,
              asks=[("ana", ev.AnswerGiven(step="revoke", attempt=1, answer="token rotated"))])  # fmt: skip
    told.step("locate", "locate", 900, title="Find the newest independent backup")
    told.step("restore", "restore", 1.2 * HOUR, StepEnd.FAILED, title="Restore to a fresh cluster",
              waits=6 * HOUR, asks=[("bela", approved("restore", "bela"))])  # fmt: skip
    told.plan("restore", "restore", "Restore to a fresh cluster", 2)
    told.tell(ev.StepStarted(step="restore", attempt=2), after=60)
    told.tell(ev.MilestoneReached(step="restore", attempt=2, text="half"), after=0.5 * HOUR)
    told.tell(ev.IncidentResumed(head=HEAD), after=0.7 * HOUR, actor="carla")
    told.tell(ev.HandedOver(to="carla", comment="shift"), after=60)
    told.tell(
        ev.StepResolved(step="restore", attempt=2, state=StepEnd.FAILED, reason="half"),
        after=60,
        actor="carla",
    )
    told.actor = "carla"
    told.step("restore", "restore", 1.5 * HOUR, title="Restore to a fresh cluster", number=3)
    told.step("verify", "verify", 0.5 * HOUR, StepEnd.COULD_NOT_VERIFY, title="Compare row by row")
    told.tell(
        ev.DecisionRecorded(step="verify", decision="accept", reason="seen by hand"), after=200
    )
    told.tell(outside("ops-chat: customers told", told.now - 60, "slack"))
    told.step("go", "decide", 20, title="Go or no-go", waits=0.3 * HOUR,
              asks=[("dan", ev.AnswerGiven(step="go", attempt=1, answer="go"))])  # fmt: skip
    told.step("cutover", "cutover", 120, title="Send users to the restored database", waits=900,
              asks=[("carla", confirmed("cutover")), ("carla", approved("cutover", "dan", glass=True))])  # fmt: skip
    told.step("reconcile", "reconcile", 1.4 * HOUR, title="Take payments of the gap in again")
    return told.tell(
        ev.IncidentClosed(outcome="partial", exit_code=1, reason="one table by hand"), after=60
    ).timeline()


def crowded() -> Timeline:
    """Three hundred steps in four phases, every end there is among them."""
    told = _begun(Mode.DRY_RUN)
    ends = list(StepEnd)
    for number in range(300):
        phase = ("contain", "restore", "restore", "verify")[number % 4]
        state = ends[number % len(ends)] if number % 9 == 0 else StepEnd.SUCCEEDED
        told.step(
            f"s{number}", phase, number % 13, state, title=f"Table number {number} of the shop"
        )
    return told.tell(ev.IncidentClosed(outcome="fail", exit_code=1)).timeline()


def backwards() -> Timeline:
    """The wall clock is set back by ten minutes while a step runs, and forward later."""
    told = _begun()
    told.step("loss", "detect", 30)
    told.plan("locate", "locate").tell(ev.StepStarted(step="locate", attempt=1))
    told.clock = -600
    told.tell(
        ev.StepFinished(step="locate", attempt=1, state=StepEnd.SUCCEEDED, duration_ms=40_000),
        after=40,
    )
    told.step("restore", "restore", 90)
    told.clock = 0
    told.step("verify", "verify", 30)
    return told.tell(ev.IncidentClosed(outcome="pass", exit_code=0)).timeline()


def unended() -> Timeline:
    """One step runs, another one waits for people."""
    told = _begun()
    told.step("loss", "detect", 30)
    told.plan("revoke", "contain", "Revoke the token")
    told.plan("locate", "locate").tell(ev.StepStarted(step="locate", attempt=1))
    return told.tell(ev.NoteAdded(text="still looking"), after=900).timeline()


def aborted() -> Timeline:
    """Closed before anything was done."""
    return _begun().tell(ev.IncidentClosed(outcome="aborted", exit_code=3)).timeline()


def opened_only() -> Timeline:
    return _begun(occurred=None, rto_seconds=None, rpo_seconds=None).timeline()


def hostile(texts: Iterable[str] = (EVIL,)) -> Timeline:
    """Text from outside in every place of the picture that has some."""
    told = Course()
    for text in texts:
        if not told.events:
            told.tell(opened(text, runbook_file=text), actor=text)
        number = len(told.events)
        told.step(f"s{number}", "detect", 3, StepEnd.FAILED, title=text, waits=2,
                  asks=[(text, ev.AnswerGiven(step=f"s{number}", attempt=1, answer=text)),
                        (text, approved(f"s{number}", text, glass=True))])  # fmt: skip
        told.tell(outside(text, -40, text), after=2)
        told.tell(ev.HandedOver(to=text, comment=text), actor=text)
        told.tell(ev.IncidentResumed(head=HEAD), after=30, actor=text)
    return told.tell(
        ev.IncidentClosed(outcome="fail", exit_code=1, reason=next(iter(texts)))
    ).timeline()


EVERY = {
    "short": short, "long": long, "crowded": crowded, "backwards": backwards, "unended": unended,
    "aborted": aborted, "opened only": opened_only,
}  # fmt: skip
