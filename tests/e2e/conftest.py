"""Whole programs: the command line in a process of its own, against servers started outside it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from support.physical import Archiving
from support.program import Drbook
from support.road import archiving_business
from support.shop import Shop, running_shop
from support.terminal import Terminal


@pytest.fixture
def drbook(tmp_path: Path) -> Drbook:
    return Drbook(tmp_path / "home")


def yaml_of(lines: Sequence[str], **values: object) -> str:
    """A runbook from lines with `{name}` places; every value is written as JSON, which YAML reads."""
    text = "\n".join(lines) + "\n"
    for name, value in values.items():
        text = text.replace("{" + name + "}", json.dumps(str(value)))
    return text


@pytest.fixture
def shop(s3_server, tmp_path: Path) -> Iterator[Shop]:  # type: ignore[no-untyped-def]
    with running_shop(s3_server, tmp_path) as made:
        yield made


@pytest.fixture
def made() -> Iterator[tuple[Archiving, Path]]:
    with archiving_business() as world:
        yield world


@pytest.fixture
def terminal(drbook, tmp_path: Path):  # type: ignore[no-untyped-def]
    made: list[Terminal] = []

    def start(
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        program: Drbook = drbook,
    ) -> Terminal:
        around = drbook.environment | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}
        around |= environment or {}
        made.append(Terminal([*program.program, *arguments], around, tmp_path))
        return made[-1]

    yield start
    for one in made:
        one.child.close(force=True)
