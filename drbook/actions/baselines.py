"""Choosing the baseline that a step means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Ports
from drbook.core.values import counted, plain, show_time


@dataclass(frozen=True, slots=True)
class ChosenBaseline:
    id: str
    baseline: Baseline
    described: str


def baseline_for(wanted: str, context: StepContext, ports: Ports) -> ChosenBaseline:
    """The baseline called `before_incident`, `newest`, or by its id.

    `before_incident` is the newest one captured before the loss; where nobody has said when that
    was, it is not guessed. One that does not match its seal is passed over, and named. Raises CouldNotVerify
    where there is none that can be used, or the one that is named cannot.
    """
    listed = ports.baselines.listed()
    if wanted == "newest":
        names = [name for name, _ in listed]
    elif wanted == "before_incident":
        occurred = context.occurred
        if occurred is None:
            raise CouldNotVerify(
                "Nobody has said when the loss happened, so `before_incident` names no baseline.",
                means="Figures captured after the loss would pass as good.",
                next="Give the time (`--set occurred=2026-04-24T19:04:00Z`, or edit the input), "
                "or name a baseline by its id.",
            )
        names = [name for name, captured in listed if captured < occurred]
    else:
        names = [name for name, _ in listed if name == wanted]
    if not names:
        raise CouldNotVerify(
            f"There is no baseline {wanted!r} in {ports.baselines.location()}.",
            means=f"{counted(len(listed), 'baseline')} stored there; this one is not among them.",
            next="`drbook baseline show` lists them; capture one in calm times with "
            "`drbook baseline capture`.",
        )
    if wanted not in _NEWEST:
        baseline = ports.baselines.load(names[0])
        return ChosenBaseline(names[0], baseline, _described(names[0], baseline))
    found, damaged = _loaded(names[:LOOKED_AT], ports)
    _of_one_database(found, context, ports)
    name = next(iter(found))
    newer = damaged[: names.index(name)]
    passed = f"; passed over, for it cannot be used: {', '.join(newer)}" if newer else ""
    return ChosenBaseline(name, found[name], _described(name, found[name]) + passed)


_NEWEST = ("newest", "before_incident")


def _described(name: str, baseline: Baseline) -> str:
    return f"{name}, captured {show_time(baseline.captured_at)}"


LOOKED_AT = 10
"""How many of the newest baselines are looked at for whose they are."""


def _loaded(names: Sequence[str], ports: Ports) -> tuple[dict[str, Baseline], list[str]]:
    """Those that can be used, the newest first, and the names of the others. Raises CouldNotVerify where
    none can be used."""
    found: dict[str, Baseline] = {}
    damaged: list[str] = []
    first: CouldNotVerify | None = None
    for name in names:
        try:
            found[name] = ports.baselines.load(name)
        except CouldNotVerify as error:
            damaged.append(plain(name, 120))
            first = first or error
    if first is not None and not found:
        raise first
    return found, damaged


def _of_one_database(found: Mapping[str, Baseline], context: StepContext, ports: Ports) -> None:
    """Raises CouldNotVerify where baselines of several databases lie in one place.

    The newest may then be another database's, and what it says would pass or fail for nothing.
    """
    declared = context.document.production.database
    names = {baseline.counts.identity.database for baseline in found.values()}
    wanted = declared.dbname if declared is not None else None
    if len(names) == 1 and (wanted is None or names == {wanted}):
        return
    raise CouldNotVerify(
        f"In {ports.baselines.location()} lie baselines of "
        + ("databases " if len(names) > 1 else "the database ")
        + ", ".join(sorted(plain(one, 63) for one in names))
        + (f"; production's is called {plain(wanted, 63)}." if wanted else "."),
        means="Which one a comparison would use is chance.",
        next="Give each database a place of its own for its baselines, or name a baseline by its id.",
        code="baseline-whose",
    )
