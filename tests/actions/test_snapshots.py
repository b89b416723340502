"""A snapshot is refused by `postgres.restore` in words that say what a person runs; nothing is asked or made."""

from types import SimpleNamespace
from typing import Any

import pytest
from core.test_custody import judged
from core.test_independence import NOW
from core.test_snapshots import HELD_AT_AWS

from drbook.actions.locate import _finish
from drbook.actions.restore import Restore
from drbook.core.errors import StepFailed
from drbook.core.events import StepEnd
from drbook.core.independence import located
from drbook.core.points import Criterion
from drbook.providers.targets.kinds import ClusterTarget


def test_restore_refuses_a_snapshot_with_its_command() -> None:
    action = Restore({"cluster": ClusterTarget})
    params = action.params(point=HELD_AT_AWS)
    context: Any = SimpleNamespace(occurred=None)
    ports: Any = object()
    plan = action.plan(params, context)
    assert HELD_AT_AWS.restored_by in plan.does[1]
    assert plan.touches == "nothing"
    with pytest.raises(StepFailed) as caught:
        next(action.perform(params, context, ports))
    assert caught.value.code == "snapshot"
    assert HELD_AT_AWS.restored_by in caught.value.next


def test_locate_without_another_copy_says_how_the_snapshot_comes_back() -> None:
    found = located([judged(at=HELD_AT_AWS)], require=(Criterion.RESOURCE,), asked_at=NOW)
    finished = _finish(found, None)
    assert finished.state is StepEnd.FAILED
    assert HELD_AT_AWS.restored_by in finished.next
