"""Capturing a baseline: count production, dump the same snapshot where asked, judge, and store."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from drbook import __version__
from drbook.actions.outside import production_database
from drbook.actions.reading import reading_of
from drbook.app.refusing import refuse_secret
from drbook.app.wiring import Wiring
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline, Manifest, TableCounts
from drbook.core.capture import Pace, behind, blind, drops, not_counted
from drbook.core.errors import CouldNotVerify
from drbook.core.ports import Baselines, Ports
from drbook.core.signals import Milestone, Working
from drbook.core.values import plain
from drbook.providers.baselines import ABSENT
from drbook.providers.hiding import scrub

if TYPE_CHECKING:
    from drbook.providers.pgdump import DumpRun

LOOKED_AT = 10
"""How many of the newest baselines are looked at for one of the same database."""


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """What is asked of one capture."""

    content: bool = False
    pace: Pace = field(default_factory=Pace)
    dump: tuple[str, Path] | None = None
    """A command, and the file that it dumps the counted snapshot to."""
    max_drop_percent: int = 5
    accept: str = ""
    """Why figures are good that dropped; empty where nobody said so."""


@dataclass(frozen=True, slots=True)
class Captured:
    id: str
    baseline: Baseline
    location: str
    suspect: bool
    manifest: Manifest | None = None


def capture(
    order: CaptureOrder, context: StepContext, ports: Ports, wiring: Wiring
) -> Working[Captured]:
    """Raises CouldNotVerify where production cannot be counted, and UsageError where the reason holds a
    secret; nothing is stored then."""
    wiring.must_keep_baselines()
    refuse_secret(order.accept, "The reason")
    stored = _stored(ports.baselines)
    production = context.document.production
    reading = yield from reading_of(production_database(None, context), context, ports)
    with ExitStack() as stack:
        run: DumpRun | None = None
        if order.dump is not None:
            from drbook.providers.pgdump import dump_into  # with psycopg, when it is needed

            command, output = order.dump
            run = stack.enter_context(
                dump_into(command, output, tools=wiring.tools, cancel=ports.cancel)
            )
        counts = reading.figures(
            (
                yield from wiring.reader(ports.cancel).count(
                    reading.database,
                    ignore_schemas=production.ignore_schemas,
                    content=order.content,
                    structure="read",
                    pace=order.pace,
                    alongside=run.alongside if run is not None else None,
                    ranges=True,
                )
            )
        )
        identity = counts.identity.model_copy(update={"resource": production.domain.named()})
        counts = counts.model_copy(update={"identity": identity})
        manifest = run.keep(counts) if run is not None else None
    judged = yield from _judged(counts, stored, ports.baselines, order.max_drop_percent)
    reasons = (*blind(counts), *behind(counts), *judged)
    baseline = Baseline(
        captured_at=counts.taken_at,
        counts=counts,
        drbook_version=__version__,
        suspect=reasons,
        accepted=scrub(order.accept) if reasons else "",
    )
    suspect = bool(reasons) and not order.accept
    name = ports.baselines.save(baseline, suspect=suspect)
    return Captured(name, baseline, ports.baselines.location(), suspect, manifest)


def _stored(baselines: Baselines) -> list[str]:
    """The newest good ones; none where their directory is yet to be made. Raises CouldNotVerify."""
    try:
        return [name for name, _ in baselines.listed()[:LOOKED_AT]]
    except CouldNotVerify as error:
        if error.code == ABSENT:
            return []
        raise


def _judged(
    counts: TableCounts, stored: list[str], baselines: Baselines, max_drop_percent: int
) -> Working[tuple[str, ...]]:
    """What dropped against the good baselines of this database; nothing for the first one."""
    unread = ""
    known: list[TableCounts] = []
    for name in stored:
        try:
            good = baselines.load(name)
        except CouldNotVerify as error:
            yield Milestone(f"passed over as a reference: {error.what}")
            unread = unread or name
            continue
        if good.counts.identity.database == counts.identity.database:
            known.append(good.counts)
            if not not_counted(known):
                break
    if known:
        return drops(counts, known, max_drop_percent)
    if unread:
        return (f"the baseline {plain(unread, 120)} cannot be read, and none says what was good",)
    yield Milestone(
        "the first baseline of this database here: nothing says whether rows are missing"
    )
    return ()
