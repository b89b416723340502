"""A runbook on paper: every step with its reason and its commands, to be followed without drbook."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from jinja2 import Template

from drbook.core.gobag import Key
from drbook.core.runbook import Contact, Deadline, Input, Runbook
from drbook.core.values import format_duration, show_duration, show_time
from drbook.timeline.pages import template


@dataclass(frozen=True, slots=True)
class PaperStep:
    """One step as it is printed."""

    number: int
    id: str
    phase: str
    title: str
    action: str
    why: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    """Names and values in order: what it waits for, touches, expects, who approves."""
    does: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    """Commands and statements, exactly; of what is known in the incident only, capitals stand."""
    given: tuple[str, ...] = ()
    """Its arguments as the runbook has them, where its plan cannot be made before the incident."""
    damage: str = ""
    confirm: str = ""
    fails: str = ""
    notes: str = ""


@dataclass(frozen=True, slots=True)
class PaperSource:
    """One backup source as it is printed."""

    id: str
    kind: str
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Paper:
    """All that is printed."""

    runbook: Runbook
    packed_at: datetime
    drbook: str
    production: tuple[tuple[str, str], ...]
    sources: tuple[PaperSource, ...]
    steps: tuple[PaperStep, ...]
    keys: tuple[Key, ...]
    places: tuple[tuple[str, str, str], ...]
    """Credentials by name, where each is kept and what it reads."""
    people: tuple[str, ...] = field(default=())
    """Who approves, and who is told how often, in words."""

    @property
    def contacts(self) -> Sequence[Contact]:
        return self.runbook.document.contacts

    @property
    def deadlines(self) -> Sequence[Deadline]:
        return self.runbook.document.deadlines

    @property
    def inputs(self) -> Sequence[tuple[str, Input]]:
        return tuple(self.runbook.document.inputs.items())

    @property
    def phases(self) -> Sequence[tuple[str, Sequence[PaperStep]]]:
        """Steps in the runbook's order, a heading wherever the phase changes."""
        found: list[tuple[str, list[PaperStep]]] = []
        for step in self.steps:
            if not found or found[-1][0] != step.phase:
                found.append((step.phase, []))
            found[-1][1].append(step)
        return found


def page(paper: Paper) -> str:
    return _template().render(paper=paper)


@cache
def _template() -> Template:
    return template("pack.html.j2", time=show_time, span=show_duration, short=format_duration)
