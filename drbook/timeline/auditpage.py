"""An audit as one self-contained page: no scripts, no outside requests, everything escaped."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from jinja2 import Template

from drbook.core.auditreport import Report
from drbook.core.credentials import PRODUCTION, Might
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
    kills: bool = False
    """True for what alone takes production and every copy that looks independent."""
    role: str = ""
    """`production` or `backup`, of what can be destroyed."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from a credential to what it destroys, or may destroy."""

    start: int
    end: int
    might: str
    said: str
    kills: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """Credentials on the left, by fingerprint; what can be destroyed on the right."""

    left: tuple[Node, ...]
    right: tuple[Node, ...]
    edges: tuple[Edge, ...]
    height: int


def graph(report: Report) -> Graph:
    """Equal fingerprints are one node: first what alone takes all, then what destroys most. What a credential
    cannot destroy has no line."""
    alone = [kill for kill in report.kills if kill.what == "one credential"]
    takes_all = {kill.fingerprints[0] for kill in alone}
    names: dict[str, str] = {}
    worst: dict[tuple[str, str], Might] = {}
    for one in report.credentials:
        found = one.found
        names.setdefault(
            found.fingerprint,
            f"{found.fingerprint} {', '.join(one.is_) or found.name or found.kind}",
        )
        for power in one.powers:
            key = (found.fingerprint, power.thing)
            if power.might is not Might.CANNOT and worst.get(key) is not Might.DESTROYS:
                worst[key] = power.might
    for kill in alone:  # also what it reaches by another credential that lies where it can read
        worst.update({(kill.fingerprints[0], thing): Might.DESTROYS for thing in kill.things})
    ordered = sorted(names, key=lambda one: _rank(one, takes_all, worst))
    rows = {fingerprint: TOP + ROW * at for at, fingerprint in enumerate(ordered)}
    things = {thing: TOP + ROW * at for at, thing in enumerate(report.things)}
    edges = [
        Edge(
            rows[one],
            things[thing],
            might.value,
            f"{names[one]} → {thing}: {might.value}",
            one in takes_all and might is Might.DESTROYS,
        )
        for (one, thing), might in worst.items()
    ]
    # What destroys is drawn last, above what is not known.
    edges.sort(key=lambda edge: (edge.might == Might.DESTROYS.value, edge.kills))
    return Graph(
        left=tuple(Node(_cut(names[one]), y, one in takes_all) for one, y in rows.items()),
        right=tuple(
            Node(_cut(thing), y, role="production" if thing == PRODUCTION else "backup")
            for thing, y in things.items()
        ),
        edges=tuple(edges),
        height=TOP + ROW * max(len(rows), len(things), 1),
    )


def _rank(
    fingerprint: str, takes_all: Collection[str], worst: Mapping[tuple[str, str], Might]
) -> tuple[bool, int, int]:
    """What takes all stands first, then who destroys most, then who may."""
    own = [might for (one, _), might in worst.items() if one == fingerprint]
    return fingerprint not in takes_all, -own.count(Might.DESTROYS), -len(own)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def page(report: Report) -> str:
    return _template().render(
        report=report, graph=graph(report), left=LEFT, right=RIGHT, width=WIDTH
    )


@cache
def _template() -> Template:
    return template("audit.html.j2", time=show_time)
