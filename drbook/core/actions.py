"""What an action is: a name, two models, an effect, and three verbs.

`plan` is pure and says exactly what will happen. `perform` does it through ports and yields
signals. `probe` looks, after an interruption, whether it happened.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Literal, TypeVar

from drbook.core.events import Effect, Mode, Plan, StepEnd
from drbook.core.ports import Ports
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Working
from drbook.core.state import Resource
from drbook.core.values import Frozen, Json

MOST_BESIDE = 10
"""How many things one attempt may make beside its first."""


@dataclass(frozen=True, slots=True)
class StepContext:
    """What a step knows about the incident that it runs in."""

    incident: str
    mode: Mode
    step: str
    attempt: int
    title: str
    occurred: datetime | None
    document: RunbookDocument
    answer: Json = None
    """What a person answered, where the plan asked."""
    comment: str = ""
    resources: tuple[Resource, ...] = ()
    """Resources of this incident."""
    outputs: Mapping[str, Json] = field(default_factory=dict)
    """Results of the steps that succeeded."""
    beside: int = 0
    """Which of several things that one attempt makes side by side, each under a name of its own; 0 for the
    first or only one."""

    @property
    def resource_name(self) -> str:
        """The derived name of what this attempt creates: unique, and known before it is created."""
        tail = self.incident.rsplit("-", 1)[-1]
        name = f"{self.step.replace('_', '-')}-{tail}-{self.attempt}"
        return f"{name}-{self.beside}" if self.beside else name

    def resource_names(self) -> tuple[str, ...]:
        """All names under which this attempt can have made something."""
        return tuple(
            replace(self, beside=number).resource_name for number in range(MOST_BESIDE + 1)
        )


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of an attempt that ran: its result, and whether that is good."""

    result: Frozen
    state: Literal[
        StepEnd.SUCCEEDED, StepEnd.FAILED, StepEnd.COULD_NOT_VERIFY, StepEnd.IN_DOUBT
    ] = StepEnd.SUCCEEDED
    reason: str = ""
    """One sentence for the step list; says what is wrong where the state is not `succeeded`."""
    means: str = ""
    next: str = ""
    artifacts: tuple[str, ...] = ()
    """Evidence that it kept, by name."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a look at an interrupted effect showed."""

    answer: Literal["happened", "did-not-happen", "unknown"]
    reason: str


class Empty(Frozen):
    """No parameters, or nothing to hand back."""


P = TypeVar("P", bound=Frozen)


class Action(ABC, Generic[P]):
    """One kind of step. Stateless: one instance serves every incident."""

    name: str
    title: str
    """Short imperative, shown where the runbook gives no title."""
    params: type[P]
    result: type[Frozen]
    effect: Effect = Effect.NONE
    literal: tuple[str, ...] = ()
    """Parameters that hold code and may not contain expressions."""

    def effect_of(self, params: P) -> Effect:
        """The effect with these arguments; most actions have one effect for all."""
        return self.effect

    @abstractmethod
    def plan(self, params: P, context: StepContext) -> Plan:
        """What will happen. Pure: it reads nothing and asks nobody."""

    @abstractmethod
    def perform(self, params: P, context: StepContext, ports: Ports) -> Working[Finished]:
        """Do it. Raises DrbookError; what it raises decides how the attempt ends. StepFailed: nothing has
        happened, or all is said. Interrupted, where an effect may have left and nobody answered: with the
        effect `once` that is in doubt, and `probe` is asked."""

    def probe(self, params: P, context: StepContext, ports: Ports) -> Probed:
        """Look whether an interrupted attempt happened."""
        if self.effect_of(params) is Effect.NONE:
            return Probed("did-not-happen", "this action changes nothing")
        return Probed("unknown", "this action cannot look; somebody has to")


AnyAction = Action[Frozen]
"""An action whose parameter model is only known by name."""

Actions = Mapping[str, AnyAction]
