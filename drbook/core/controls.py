"""Which records of an incident speak to which clause of the texts that auditors ask by.

Pure. A map, not a verdict: that a record speaks to a clause does not say that the clause is met, and what a
single incident cannot show is said for each.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drbook.core import events as ev
from drbook.core.events import Mode, Record
from drbook.core.results import COMPARE, LOCATE, RESTORE, VERIFY
from drbook.core.values import Frozen
from drbook.core.withheld import actions_of


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause, in words of our own."""

    id: str
    source: str
    asks: str
    kinds: tuple[str, ...]
    """Keys of KINDS that speak to it."""
    beyond: str
    """What this incident cannot show, whatever is in it."""


KINDS: Mapping[str, str] = {
    "rehearsed": "a rehearsal was opened: when, by whom, with which runbook and objectives",
    "live": "a live incident was opened: when, by whom, with which runbook and objectives",
    "copies": "every copy that was found, its verdict on independence and the reasons",
    "fresh": "a fresh target was made: its identity, and the proof that it was empty and no production",
    "restored": "a copy was restored into that target",
    "verified": "the restored data were held against known-good figures",
    "reconciled": "what the restore lacks was compared, or reconciled with sources outside",
    "decided": "somebody decided, confirmed or approved",
    "protected": "a backup was taken of what was restored",
    "closed": "the end, with its outcome",
}
"""Kinds of record, and what each shows."""

CLAUSES = (
    Clause(
        "DORA 11(6)",
        "Regulation (EU) 2022/2554, article 11(6)",
        "The plans for continuity, response and recovery are tested at least once a year.",
        ("rehearsed", "live", "restored", "verified", "closed"),
        "That tests happen every year, that they cover every critical function, and their scenarios.",
    ),
    Clause(
        "DORA 12(3)",
        "Regulation (EU) 2022/2554, article 12(3)",
        "Data are restored onto systems that are physically and logically apart from the source.",
        ("copies", "fresh", "restored"),
        "That the machines are apart physically, beyond what the places themselves told or the runbook "
        "declared.",
    ),
    Clause(
        "DORA 12(7)",
        "Regulation (EU) 2022/2554, article 12(7)",
        "Recovered data are checked and reconciled, also where they are rebuilt from outside parties.",
        ("verified", "reconciled"),
        "That what outside parties hold is right.",
    ),
    Clause(
        "NIS2 4.2.6",
        "Implementing Regulation (EU) 2024/2690, annex, 4.2.6",
        "Recovery from backups is tested regularly, and what came of it is written down.",
        ("rehearsed", "live", "restored", "verified", "closed"),
        "That it is regular, and that what was found wanting was mended.",
    ),
    Clause(
        "SOC 2 A1.3",
        "AICPA Trust Services Criteria 2017, A1.3",
        "The procedures by which a system is recovered are tested.",
        ("rehearsed", "live", "restored", "verified", "closed"),
        "The other systems that the report is about, and how often this is tested.",
    ),
    Clause(
        "SOC 2 CC7.5",
        "AICPA Trust Services Criteria 2017, CC7.5",
        "What is needed to recover from a security incident is found out, decided and done.",
        ("live", "copies", "restored", "decided", "closed"),
        "The cause, and what was changed so that it does not happen again.",
    ),
    Clause(
        "ISO 27001 A.8.13",
        "ISO/IEC 27001:2022, annex A, 8.13",
        "Backups of data, software and systems are kept and tested by an agreed policy.",
        ("copies", "restored", "verified", "protected"),
        "The policy itself, and backups of what this runbook does not name.",
    ),
    Clause(
        "CIS 11.4",
        "CIS Controls v8, safeguard 11.4",
        "A copy of what is needed for recovery is kept where the production environment does not reach.",
        ("copies",),
        "Reach that nobody asked about; what is only declared is somebody's word, and marked so.",
    ),
    Clause(
        "CIS 11.5",
        "CIS Controls v8, safeguard 11.5",
        "Recovery is tested at least every three months on a sample of what is in scope.",
        ("rehearsed", "live", "restored", "verified"),
        "That it happens each quarter, and that the sample stands for the rest.",
    ),
)

NEVER = (
    "That what was typed or declared is true: a record proves what was said, and when.",
    "Everything that happened outside drbook and that nobody wrote down.",
    "That the clauses are met. Whoever audits decides that.",
)
"""What no bundle covers."""

_ENDS = {LOCATE: "copies", RESTORE: "restored", VERIFY: "verified", COMPARE: "reconciled"}
_PHASES = {"reconcile": "reconciled", "protect": "protected"}
_OPENINGS = ("rehearsed", "live")
_DECISIONS = (ev.DecisionRecorded, ev.PointChosen, ev.ConfirmationGiven)
BROKEN = "BREAK-GLASS: nobody else approved"
SIGNED = "approved, by a signature that is in the record"
TYPED = "approved, by a typed name that nothing proves"
_GOOD = frozenset({"", "succeeded", "succeeded, by a person's word", SIGNED, TYPED})


class Speaks(Frozen):
    """One record that speaks to a clause."""

    seq: int
    kind: str
    """A key of KINDS."""
    event: str
    step: str = ""
    state: str = ""
    """How the step ended, for a step's end; what an approval rests on."""


class Line(Frozen):
    """One clause, and what this incident has for it."""

    clause: str
    source: str
    asks: str
    records: tuple[Speaks, ...]
    not_covered: tuple[str, ...]
    """What it has not, and what no incident can have."""


class ControlMap(Frozen):
    """`controls.json`."""

    incident: str
    mode: Mode
    head: str
    kinds: Mapping[str, str] = KINDS
    clauses: tuple[Line, ...]
    never_covered: tuple[str, ...] = NEVER


def control_map(records: Iterable[Record], phases: Mapping[str, str], head: str) -> ControlMap:
    """Of one incident; `phases` by step, as its runbook says."""
    records = tuple(records)
    opened = records[0].event
    assert isinstance(opened, ev.IncidentOpened)  # the rules of the events
    said = _speaking(records, phases)
    lines = tuple(_line(clause, said) for clause in CLAUSES)
    return ControlMap(incident=opened.incident, mode=opened.mode, head=head, clauses=lines)


def _line(clause: Clause, said: Iterable[Speaks]) -> Line:
    own = tuple(one for one in said if one.kind in clause.kinds)
    lacks = []
    for kind in clause.kinds:
        found = [one for one in own if one.kind == kind]
        if kind in _OPENINGS and clause.kinds[:2] == _OPENINGS:
            continue  # an incident is one of the two
        if not found:
            lacks.append(f"No record: {KINDS[kind]}.")
        elif not any(one.state in _GOOD for one in found):
            lacks.append(f"None that succeeded: {KINDS[kind]}.")
    return Line(
        clause=clause.id,
        source=clause.source,
        asks=clause.asks,
        records=own,
        not_covered=(*lacks, clause.beyond),
    )


def _speaking(records: tuple[Record, ...], phases: Mapping[str, str]) -> list[Speaks]:
    """In the order of the record; what something later made stale says so."""
    actions, found = actions_of(records), list[Speaks]()
    for record in records:
        event = record.event
        if isinstance(event, ev.StepInvalidated):
            found = [_stale(one) if one.step == event.step else one for one in found]
        for kind, state in _kinds(event, actions, phases):
            step = event.step if isinstance(event, ev.StepEvent) else ""
            name = type(event).__name__
            found.append(Speaks(seq=record.seq, kind=kind, event=name, step=step, state=state))
    return found


def _stale(one: Speaks) -> Speaks:
    return one.model_copy(update={"state": f"{one.state}, stale since"}) if one.state else one


def _kinds(
    event: ev.Event, actions: Mapping[tuple[str, int], str], phases: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if isinstance(event, ev.IncidentOpened):
        yield ("live" if event.mode is Mode.LIVE else "rehearsed"), ""
    elif isinstance(event, ev.ResourceCreated):
        yield "fresh", ""
    elif isinstance(event, ev.ApprovalGiven):
        yield "decided", BROKEN if event.break_glass else SIGNED if event.proof else TYPED
    elif isinstance(event, _DECISIONS):
        yield "decided", ""
    elif isinstance(event, ev.IncidentClosed):
        yield "closed", ""
    elif isinstance(event, ev.StepFinished | ev.StepResolved | ev.StepDoneElsewhere):
        by_hand = isinstance(event, ev.StepDoneElsewhere)
        state = event.state.value + (", by a person's word" if by_hand else "")
        kinds = {
            _ENDS.get(actions.get((event.step, event.attempt), "")),
            _PHASES.get(phases.get(event.step, "")),
        }
        yield from ((kind, state) for kind in sorted(filter(None, kinds)))
