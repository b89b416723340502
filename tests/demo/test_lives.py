"""How often an incident is gone on with that a fault has killed."""

from pathlib import Path
from typing import Any, cast

import pytest
from support.telling import T0

from drbook.core.state import IncidentState
from drbook.demo.faults import Prey
from drbook.demo.surprised import Life, Trial
from drbook.demo.surprises import Plan


class _Prey(Prey):
    """Dies in each life of which it is said."""

    deaths: list[bool]

    @property
    def killed(self) -> bool:
        return self.deaths[0]


@pytest.mark.parametrize(
    ("deaths", "closed", "lives"),
    [([False], False, 1), ([True, False], False, 2), ([True], True, 1), ([True] * 9, False, 4)],
)
def test_a_closed_incident_is_not_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaths: list[bool], closed: bool, lives: int
) -> None:
    prey = _Prey()
    prey.deaths = [False, *deaths]

    def lead(*_: object) -> Life:
        prey.deaths.pop(0)
        return Life(137, "")

    world = cast("Any", type("Ground", (), {"environment": lambda self: {}})())
    trial = Trial(
        world, "", Plan(0, ()), lead, lambda _: True, lambda _: None, tmp_path,
        begin=lambda _: [], resume=lambda _: [],
    )  # fmt: skip
    state = IncidentState(closed_at=T0 if closed else None)
    monkeypatch.setattr(Trial, "_record", lambda self: ((), state))
    assert trial._live(prey, tmp_path) == (Life(137, ""), lives)
