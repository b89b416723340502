"""What the doors of one case answered, so that its verdict can be judged again without a server."""

from collections.abc import Generator
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any

from corpus.case import Case
from drbook.core.errors import DrbookError

Answers = dict[tuple[str, str], list[tuple[str, Any]]]


class Beyond(Exception):
    """Something was asked that was not asked when this was recorded: what should have ended the path did
    not."""


@dataclass
class Recorder:
    """Every answer by door and method, in the order in which they came."""

    case: Case
    answers: Answers = field(default_factory=dict)
    context: Any = None
    spec: Any = None

    def door(self, name: str, real: Any) -> Any:
        return _Recording(name, real, self.answers)

    def kept(self) -> tuple[Answers, Any, Any]:
        """Everything but the case, which is found again by its name."""
        return self.answers, self.context, self.spec

    @classmethod
    def again(cls, case: Case, kept: tuple[Answers, Any, Any]) -> "Recorder":
        return cls(case, *kept)

    def replay(self, name: str) -> Any:
        return _Replaying(name, {key: list(found) for key, found in self.answers.items()})


class _Recording:
    def __init__(self, door: str, real: Any, answers: Answers) -> None:
        self._door, self._real, self._answers = door, real, answers

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            kept = self._answers.setdefault((self._door, method), [])
            try:
                found = real(*args, **kwargs)
            except DrbookError as error:
                kept.append(("raised", error))
                raise
            if isinstance(found, GeneratorType):
                return _followed(found, kept)
            kept.append(("returned", found))
            return found

        return call


def _followed(work: Generator[Any, None, Any], kept: list[tuple[str, Any]]) -> Any:
    try:
        found = yield from work
    except DrbookError as error:
        kept.append(("raised", error))
        raise
    kept.append(("worked", found))
    return found


class _Replaying:
    def __init__(self, door: str, answers: Answers) -> None:
        self._door, self._answers = door, answers

    def __getattr__(self, method: str) -> Any:
        left = self._answers.get((self._door, method), [])

        def call(*args: Any, **kwargs: Any) -> Any:
            if not left:
                raise Beyond(f"{self._door}.{method}")
            how, found = left.pop(0)
            if how == "raised":
                raise found
            return _worked(found) if how == "worked" else found

        return call


def _worked(found: Any) -> Any:
    return found
    yield
