"""An audit as one self-contained page: no scripts, no outside requests, everything escaped."""

from dataclasses import dataclass
from functools import cache

from jinja2 import Template

from drbook.core.auditreport import Report
from drbook.core.credentials import Might
from drbook.core.values import show_time
from drbook.timeline.pages import template

ROW, TOP = 26, 14
"""Pixels of the graph: between two lines of text, and above the first one."""
LEFT, RIGHT, WIDTH = 330, 590, 860


@dataclass(frozen=True, slots=True)
class Node:
    """A name in the graph and where it stands."""

    text: str
    y: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from a credential to what it destroys, or may destroy."""

    start: int
    end: int
    might: str
    said: str


@dataclass(frozen=True, slots=True)
class Graph:
    """Credentials on the left, by fingerprint; what can be destroyed on the right."""

    left: tuple[Node, ...]
    right: tuple[Node, ...]
    edges: tuple[Edge, ...]
    height: int


def graph(report: Report) -> Graph:
    """Equal fingerprints are one node. What a credential cannot destroy has no line."""
    names: dict[str, str] = {}
    for one in report.credentials:
        found = one.found
        names.setdefault(
            found.fingerprint,
            f"{found.fingerprint} {', '.join(one.is_) or found.name or found.kind}",
        )
    rows = {fingerprint: TOP + ROW * at for at, fingerprint in enumerate(names)}
    things = {thing: TOP + ROW * at for at, thing in enumerate(report.things)}
    edges: dict[tuple[str, str], Edge] = {}
    for one in report.credentials:
        for power in one.powers:
            key = (one.found.fingerprint, power.thing)
            known = edges.get(key)
            if power.might is Might.CANNOT or (known and known.might == Might.DESTROYS.value):
                continue
            said = f"{names[key[0]]} → {power.thing}: {power.might.value}"
            edges[key] = Edge(rows[key[0]], things[key[1]], power.might.value, said)
    # What destroys is drawn last, above what is not known.
    ordered = sorted(edges.values(), key=lambda edge: edge.might == Might.DESTROYS.value)
    return Graph(
        left=tuple(Node(_cut(text), rows[fingerprint]) for fingerprint, text in names.items()),
        right=tuple(Node(_cut(thing), y) for thing, y in things.items()),
        edges=tuple(ordered),
        height=TOP + ROW * max(len(rows), len(things), 1),
    )


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def page(report: Report) -> str:
    return _template().render(
        report=report, graph=graph(report), left=LEFT, right=RIGHT, width=WIDTH
    )


@cache
def _template() -> Template:
    return template("audit.html.j2", time=show_time)
