"""An unattended run as JUnit XML: a test case per step, and none of them passes that did not succeed.

What came from outside is made plain before, so that the document is XML 1.0 whatever a step said.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree as xml

from drbook.core.runbook import Runbook
from drbook.core.state import IncidentState, StepRun, StepState
from drbook.core.values import format_time, plain, plain_lines
from drbook.timeline.model import Measured, Timeline

_SKIPPED = (StepState.SKIPPED, StepState.NOT_EXERCISED, StepState.PENDING)
_TEXT = 8000


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended."""

    word: str
    code: int
    reason: str


def junit(timeline: Timeline, state: IncidentState, runbook: Runbook, ended: Ending) -> bytes:
    """The whole document, in UTF-8."""
    suite = _suite(timeline.title, format_time(timeline.opened))
    properties = xml.SubElement(suite, "properties")
    for name, value in _properties(timeline, ended):
        _with(properties, "property", name=name, value=value)
    seconds = _seconds(timeline)
    for step in runbook.steps:
        run = state.steps[step.id]
        case = _case(suite, step.id, step.step.phase.value, seconds.get(step.id, 0.0))
        _end(case, run)
    if ended.code != 0 and suite.find("*/failure") is None and suite.find("*/error") is None:
        case = _case(suite, "incident", "incident", 0.0)
        _because(case, "error", ended.word, ended.reason)
    return _written(suite, sum(seconds.values()))


def no_result(title: str, kind: str, reason: str) -> bytes:
    """A document for a run that has no result: one error, so that nobody takes an older file for it."""
    suite = _suite(title, "")
    _because(_case(suite, "incident", "incident", 0.0), "error", kind, reason)
    return _written(suite, 0.0)


def _end(case: xml.Element, run: StepRun) -> None:
    if run.state is StepState.SUCCEEDED:
        return
    said = run.reason or ("nobody answered what it asks" if run.state is StepState.AWAITING else "")
    if run.state in _SKIPPED:
        reached = "not reached" if run.state is StepState.PENDING else run.state.value
        _with(case, "skipped", message=": ".join(one for one in (reached, said) if one))
        return
    kind = "failure" if run.state is StepState.FAILED else "error"
    accepted = f"accepted by a person: {run.accepted}" if run.accepted is not None else ""
    lines = [one for one in (said, run.means, run.next, accepted) if one]
    _because(case, kind, run.state.value, "\n".join(lines))


def _because(case: xml.Element, tag: str, kind: str, reason: str) -> None:
    first = reason.splitlines()[0] if reason.strip() else kind
    _with(case, tag, type=kind, message=f"{kind}: {first}").text = plain_lines(reason, _TEXT)


def _suite(title: str, at: str) -> xml.Element:
    suite = xml.Element("testsuite")
    suite.set("name", plain(title, 400))
    if at:
        suite.set("timestamp", at.removesuffix("Z").partition(".")[0])
    return suite


def _case(suite: xml.Element, step: str, phase: str, seconds: float) -> xml.Element:
    return _with(suite, "testcase", classname=f"drbook.{phase}", name=step, time=f"{seconds:.3f}")


def _with(parent: xml.Element, tag: str, **values: str) -> xml.Element:
    return xml.SubElement(parent, tag, {name: plain(text, 2000) for name, text in values.items()})


def _seconds(timeline: Timeline) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in timeline.attempts:
        if each.started_at is not None and each.ended_at is not None:
            worked = max(0.0, (each.ended_at - each.started_at).total_seconds())
            found[each.step] = found.get(each.step, 0.0) + worked
    return found


def _properties(timeline: Timeline, ended: Ending) -> Iterator[tuple[str, str]]:
    yield "incident", timeline.incident
    yield "mode", timeline.mode
    yield "outcome", ended.word
    yield "exit_code", str(ended.code)
    yield "reason", ended.reason
    yield "runbook_sha256", timeline.runbook_sha256
    yield from _objective("rpo", timeline.rpo)
    yield from _objective("rto", timeline.rto)


def _objective(name: str, value: Measured) -> Iterator[tuple[str, str]]:
    for word, time in (("measured", value.measured), ("objective", value.objective)):
        yield f"{name}_{word}_seconds", "unknown" if time is None else f"{time.total_seconds():.0f}"
    yield f"{name}_met", {True: "yes", False: "no", None: "unknown"}[value.met]


def _written(suite: xml.Element, seconds: float) -> bytes:
    suite.set("time", f"{seconds:.3f}")
    suite.set("tests", str(len(suite.findall("testcase"))))
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    whole = xml.Element("testsuites")
    whole.append(suite)
    xml.indent(whole)
    text: str = xml.tostring(whole, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'.encode()
