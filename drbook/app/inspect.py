"""Single actions outside an incident: looking at backups, capturing and comparing baselines.

Nothing is recorded, since nothing happens: these only read, and a capture writes one new document.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from drbook.actions.detect import CompareBaseline, CompareParams
from drbook.actions.known import known_production
from drbook.actions.locate import Locate, LocateParams
from drbook.app.capture import Captured, CaptureOrder, capture
from drbook.app.inputs import occurred_in, read_input
from drbook.app.locks import tried
from drbook.app.places import home
from drbook.app.proved import earlier
from drbook.app.wiring import Wiring
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import Cancelled, UsageError
from drbook.core.events import Mode
from drbook.core.ports import Baselines, Ports, ProductionIdentity
from drbook.core.runbook import Runbook
from drbook.core.signals import Signal, Working
from drbook.core.targets import DatabaseRef, QueryResult
from drbook.core.values import plain
from drbook.providers.scratch import Scratch

OnSignal = Callable[[Signal], None]
T = TypeVar("T")


class Inspection:
    """One look through a runbook's doors, in a scratch folder that is removed afterwards."""

    def __init__(
        self,
        runbook: Runbook,
        given: Mapping[str, str],
        environment: Mapping[str, str],
        on_signal: OnSignal,
    ) -> None:
        self._runbook = runbook
        self._occurred = _occurred(runbook, given)
        self._environment = environment
        self._on_signal = on_signal

    def locate(self, *, full: bool) -> Finished:
        """Every recovery point and its verdict, by the policy of the runbook's own locate step."""
        params = policy(self._runbook)[0].model_copy(update={"check": "full" if full else "quick"})
        with self._doors("locate") as (ports, context):
            return self._drain(Locate().perform(params, context, ports))

    def compare(self, baseline: str, max_drop_percent: int = 5) -> Finished:
        """Production against a baseline. Raises CouldNotVerify where it cannot be counted."""
        params = CompareParams(baseline=baseline, max_drop_percent=max_drop_percent)
        with self._doors("compare") as (ports, context):
            return self._drain(CompareBaseline().perform(params, context, ports))

    def identities(self) -> list[ProductionIdentity]:
        """What a restore would know about production's identity now."""
        with self._doors("identities") as (ports, context):
            return self._drain(known_production(context, ports))

    def query(self, database: DatabaseRef, sql: str, timeout: timedelta) -> QueryResult:
        """One read-only query of drbook's own. Raises CouldNotVerify where the server does not answer."""
        with self._doors("query") as (ports, _):
            return ports.databases.query(database, sql, {}, limit=10, timeout=timeout)

    def capture(self, order: CaptureOrder) -> Captured:
        """Count production and store the figures, with a dump of the same snapshot where asked."""
        with self._opened("capture") as (ports, context, wiring):
            return self._drain(capture(order, context, ports, wiring))

    @contextmanager
    def _doors(self, step: str) -> Iterator[tuple[Ports, StepContext]]:
        with self._opened(step) as (ports, context, _):
            yield ports, context

    @contextmanager
    def _opened(self, step: str) -> Iterator[tuple[Ports, StepContext, Wiring]]:
        context = StepContext(
            incident="",
            mode=Mode.DRILL,
            step=step,
            attempt=1,
            title=step,
            occurred=self._occurred,
            document=self._runbook.document,
        )
        with Scratch("look") as scratch:
            wiring = Wiring(
                self._runbook,
                Path(scratch),
                Mode.DRILL,
                self._environment,
                earlier=lambda: earlier(home(self._environment)),
                tried=tried(home(self._environment)),
            )
            token = wiring.switch()
            try:
                with wiring.open(context, token) as ports:
                    yield ports, context, wiring
            except KeyboardInterrupt:
                token.request("cancel")
                raise Cancelled("Stopped by the operator.", means="Nothing was changed.") from None
            finally:
                wiring.close()

    def _drain(self, work: Working[T]) -> T:
        try:
            while True:
                self._on_signal(next(work))
        except StopIteration as end:
            result: T = end.value
            return result


def baselines(runbook: Runbook, environment: Mapping[str, str]) -> Baselines:
    """The runbook's baseline store."""
    return Wiring(runbook, Path(), Mode.DRY_RUN, environment).baselines()


def policy(runbook: Runbook) -> tuple[LocateParams, str]:
    """The arguments of the runbook's own locate step, and a note where they cannot be used."""
    for step in runbook.steps:
        if step.step.do == Locate.name:
            try:
                return LocateParams.model_validate(step.step.with_), ""
            except ValidationError:
                note = (
                    f"the policy of step {step.id} uses expressions; the default one is used here"
                )
                return LocateParams(), note
    return LocateParams(), "the runbook has no locate step; the default policy is used"


def _occurred(runbook: Runbook, given: Mapping[str, str]) -> datetime | None:
    """When it happened, where it was given. A look needs no other input, so others may be absent."""
    for name, text in given.items():
        definition = runbook.document.inputs.get(name)
        if definition is None:
            raise UsageError(
                f"The runbook has no input `{plain(name, 60)}`.",
                next="It has: " + (", ".join(runbook.document.inputs) or "none") + ".",
            )
        try:
            value = read_input(name, text, definition.type, datetime.now(UTC))
        except ValueError as error:
            raise UsageError(str(error)) from None
        if name == "occurred":
            return occurred_in({"occurred": value})
    return None
