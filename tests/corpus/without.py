"""Each single comparison taken away in turn, on recorded facts: whose verdict is then wrong?"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from corpus.recorded import Recorder
from corpus.walk import judge_again
from drbook.actions import verify
from drbook.core import comparison, fidelity, likeness
from drbook.core.assertions import remark
from drbook.core.remarks import Question, Remark, TableVerdict

Net = Callable[[], AbstractContextManager[object]]


def _check(name: str) -> Net:
    left = {key: value for key, value in fidelity.CHECKS.items() if key != name}
    return lambda: patch.object(fidelity, "CHECKS", left)


def _kind(kind: str) -> Net:
    real = likeness._differences_of

    def others(found: str, *args: Any) -> Iterator[Remark]:
        return iter(()) if found == kind else real(found, *args)

    return lambda: patch.object(likeness, "_differences_of", others)


def _flaws(which: Callable[[Remark], bool]) -> Net:
    """Without the remarks on soundness of which this is true."""
    real = comparison.flaws

    def fewer(*args: Any, **kwargs: Any) -> list[Remark]:
        return [one for one in real(*args, **kwargs) if not which(one)]

    return lambda: patch.object(comparison, "flaws", fewer)


def _is(check: str, question: Question = Question.SOUNDNESS) -> Callable[[Remark], bool]:
    return lambda one: (one.check, one.question) == (check, question)


@contextmanager
def _assertions() -> Iterator[None]:
    def held(assertion: Any, *args: object) -> Remark:
        return remark(assertion, TableVerdict.PASS, "taken on trust")

    with patch.object(verify, "judge", held):
        yield


@contextmanager
def _unanswered() -> Iterator[None]:
    def held(assertion: Any, *args: object) -> Remark:
        return remark(assertion, TableVerdict.PASS, "taken on trust")

    with patch.object(verify, "unanswered", held):
        yield


def _pages(verdict: TableVerdict) -> Net:
    """Without the remarks on pages of this verdict."""
    real = verify.page_remarks

    def fewer(*args: Any) -> list[Remark]:
        return [one for one in real(*args) if one.verdict is not verdict]

    return lambda: patch.object(verify, "page_remarks", fewer)


_FLAWED = frozenset(
    {"index", "constraint", "trigger", "rule", "materialized view", "event trigger"}
)

NETS: Mapping[str, Net] = {
    **{f"table check: {name}": _check(name) for name in fidelity.CHECKS},
    **{f"structure: {kind}": _kind(kind) for kind in likeness.RULES},
    "soundness: flaws": _flaws(lambda one: one.check in _FLAWED),
    "soundness: sequence behind its column": _flaws(_is("sequence")),
    "soundness: sequence behind the backup": _flaws(_is("sequence", Question.FIDELITY)),
    "soundness: orphans": _flaws(_is("orphans")),
    "loss: numbers handed out again": lambda: patch.object(
        comparison, "reissued", lambda *args: ()
    ),
    "loss: rows that are others": lambda: patch.object(comparison, "_rewritten", lambda *args: ()),
    "whose backup it is": lambda: patch.object(comparison, "_whose", lambda *args: ()),
    "names that the archive lists": lambda: patch.object(comparison, "missing", lambda *args: ()),
    "loss: tables that are gone": lambda: patch.object(comparison, "_gone", lambda *args: ()),
    "content that is unproven": lambda: patch.object(
        comparison, "_content", lambda *args: ([], ())
    ),
    "pages that are damaged": _pages(TableVerdict.FAIL),
    "pages that could not be read": _pages(TableVerdict.COULD_NOT_VERIFY),
    "assertions": _assertions,
    "assertions without an answer": _unanswered,
    "rows of the archive": lambda: patch.object(verify, "expected_of", lambda *args: None),
}
"""Every comparison that decides, or that says what somebody must know, and how it is taken away."""


def noticed(name: str, recorded: Iterable[Recorder]) -> Iterator[str]:
    """The cases whose verdict, or whose finding, is wrong without it."""
    with NETS[name]():
        for one in recorded:
            judged = judge_again(one)
            if judged is None or not judged.is_true_of(one.case):
                yield one.case.name
