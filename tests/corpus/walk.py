"""The three steps of one case, with real doors or with recorded ones. The first thing on the way that is not
a pass is the verdict, and whoever found it is named."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

from support.pg import drain

from corpus.case import BAD, GOOD, UNSURE, Case
from corpus.recorded import Beyond, Recorder
from drbook.actions.locate import Locate
from drbook.actions.restore import Restore
from drbook.actions.verify import Verify
from drbook.app.wiring import SystemClock
from drbook.core.actions import Finished, StepContext
from drbook.core.errors import CouldNotVerify, DrbookError
from drbook.core.events import StepEnd
from drbook.core.located import Located
from drbook.core.points import Answer, RecoveryPoint, Verdict
from drbook.core.ports import Ports
from drbook.core.remarks import Question, TableVerdict
from drbook.core.results import RestoreResult, VerifyResult
from drbook.providers.cancel import CancelToken
from drbook.providers.kinds import TARGETS

_ENDS = {
    StepEnd.SUCCEEDED: GOOD,
    StepEnd.FAILED: BAD,
    StepEnd.COULD_NOT_VERIFY: UNSURE,
}


@dataclass(frozen=True)
class Judged:
    """Where the path ended."""

    verdict: TableVerdict
    stage: str
    by: tuple[str, ...]
    """Everything that spoke with this verdict; of a pass, the remarks beside it."""
    words: str

    def is_true_of(self, case: Case) -> bool:
        return self.verdict is case.expects and set(case.by) <= set(self.by)


def walk(
    case: Case, ports: Ports, context: StepContext, loaded: Any, spec: Mapping[str, object]
) -> Judged:
    """`loaded` is called between the load and the verification, and gives what surrounds the latter."""
    point, ended = _locate(case, ports, context)
    if point is None or ended is not None:
        assert ended is not None
        return ended
    restore = Restore(TARGETS())
    try:
        done = drain(
            restore.perform(
                restore.params.model_validate({"point": point, "target": spec}), context, ports
            )
        )
    except DrbookError as error:
        return _raised(error, "restore")
    result = cast(RestoreResult, done.result)
    with loaded(result):
        return _verify(case, ports, context, result)


def _locate(
    case: Case, ports: Ports, context: StepContext
) -> tuple[RecoveryPoint | None, Judged | None]:
    action = Locate()
    params = action.params.model_validate(
        {"require": list(case.require), "observed": list(case.observed)}
    )
    try:
        done = drain(action.perform(params, replace(context, step="locate"), ports))
    except DrbookError as error:
        return None, _raised(error, "locate")
    found = cast(Located, done.result)
    if found.point is not None:
        return found.point, None
    if not found.judgements:
        return None, Judged(_ENDS[done.state], "locate", ("copies",), done.reason)
    (judgement,) = found.judgements
    wanted = Answer.UNKNOWN if judgement.verdict is Verdict.UNKNOWN else Answer.FAIL
    asked = (*case.require, "bytes")
    by = tuple(
        one.criterion.value
        for one in judgement.findings
        if one.answer is wanted and one.criterion.value in asked
    )
    words = "; ".join(judgement.reasons)
    verdict = UNSURE if judgement.verdict is Verdict.UNKNOWN else BAD
    return None, Judged(verdict, "locate", by, words)


def _verify(case: Case, ports: Ports, context: StepContext, result: RestoreResult) -> Judged:
    action = Verify()
    params = action.params.model_validate(
        {
            "target": result.target,
            "content": case.content,
            "pages": case.pages,
            "baseline": "before_incident" if case.of.baseline else None,
            "assertions": case.assertions,
        }
    )
    outputs = {"restore": result.model_dump(mode="json")}
    try:
        done = drain(
            action.perform(params, replace(context, step="verify", outputs=outputs), ports)
        )
    except DrbookError as error:
        return _raised(error, "verify")
    return _of(done)


def _of(done: Finished) -> Judged:
    verdict = _ENDS[done.state]
    comparison = cast(VerifyResult, done.result).comparison
    by = [row.check for row in comparison.tables if row.verdict is verdict is not GOOD]
    for one in comparison.remarks:
        if verdict is GOOD or (one.verdict is verdict and one.question is not Question.LOSS):
            by.append(("lost " if one.question is Question.LOSS else "") + one.check)
    if verdict is GOOD:
        by += [row.check for row in comparison.tables]
        by += ["lost rows"] if any((row.lost or 0) > 0 for row in comparison.tables) else []
    return Judged(verdict, "verify", tuple(dict.fromkeys(by)), done.reason)


def _raised(error: DrbookError, stage: str) -> Judged:
    verdict = UNSURE if isinstance(error, CouldNotVerify) else BAD
    return Judged(verdict, stage, (error.code or type(error).__name__,), error.what)


def judge_again(recorded: Recorder) -> Judged | None:
    """The verdict on recorded facts; None where the path goes on to what was not recorded."""
    nothing = cast(Any, None)
    ports = Ports(
        clock=SystemClock(),
        cancel=CancelToken(),
        databases=recorded.replay("databases"),
        backups=recorded.replay("backups"),
        baselines=recorded.replay("baselines"),
        targets=recorded.replay("targets"),
        processes=nothing,
        http=nothing,
        artifacts=nothing,
    )
    try:
        return walk(
            recorded.case, ports, recorded.context, lambda result: nullcontext(), recorded.spec
        )
    except Beyond:
        return None
