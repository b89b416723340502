"""A small vocabulary: the general actions, one that holds code, one source and one store."""

from collections.abc import Callable, Mapping
from textwrap import dedent
from typing import Annotated, Literal

import pytest
from pydantic import Field

from drbook.actions.general import Ask, Assert, Choose, Manual, Note, Wait
from drbook.core.actions import Action, AnyAction, Empty, Finished, StepContext
from drbook.core.errors import Problem, RunbookInvalid
from drbook.core.events import Plan
from drbook.core.points import SourceConfig
from drbook.core.ports import Ports
from drbook.core.runbook import Runbook
from drbook.core.signals import Working
from drbook.core.values import Frozen, Json
from drbook.language.check import Vocabulary
from drbook.language.load import load
from drbook.providers.targets.kinds import ClusterTarget, DatabaseTarget


class CodeParams(Frozen):
    sql: str
    params: Mapping[str, Json] = Field(default_factory=dict)
    limit: int = Field(default=10, ge=1)
    target: ClusterTarget | None = None
    place: Annotated[ClusterTarget | DatabaseTarget, Field(discriminator="kind")] | None = None


class CodeResult(Frozen):
    rows: int = 0
    first: Json = None


class Code(Action[CodeParams]):
    """Holds code, like the `sql` action."""

    name = "code"
    title = "Run code"
    params = CodeParams
    result = CodeResult
    literal = ("sql",)

    def plan(self, params: CodeParams, context: StepContext) -> Plan:
        return Plan(does=(params.sql,))

    def perform(self, params: CodeParams, context: StepContext, ports: Ports) -> Working[Finished]:
        return Finished(Empty())
        yield


class Shelf(SourceConfig):
    kind: Literal["shelf"]
    path: str
    depth: int = Field(default=1, ge=1, le=9)


class Drawer(Frozen):
    kind: Literal["drawer"]
    path: str


KINDS = (Ask, Assert, Choose, Code, Manual, Note, Wait)


@pytest.fixture(scope="session")
def vocabulary() -> Vocabulary:
    actions: dict[str, AnyAction] = {}
    for kind in KINDS:
        actions[kind.name] = kind()  # type: ignore[assignment]
    return Vocabulary(actions, {"shelf": Shelf}, {"drawer": Drawer})


Loading = Callable[[str | bytes], Runbook]


@pytest.fixture(scope="session")
def loading(vocabulary: Vocabulary) -> Loading:
    """Load a text (dedented) or bytes as `r.yaml`."""

    def load_it(text: str | bytes) -> Runbook:
        data = text if isinstance(text, bytes) else dedent(text).lstrip("\n").encode()
        return load(data, "r.yaml", vocabulary)

    return load_it


Problems = Callable[[str | bytes], tuple[Problem, ...]]


@pytest.fixture(scope="session")
def problems(loading: Loading) -> Problems:
    """The problems of a text that must not load."""

    def find(text: str | bytes) -> tuple[Problem, ...]:
        with pytest.raises(RunbookInvalid) as caught:
            loading(text)
        return caught.value.problems

    return find
