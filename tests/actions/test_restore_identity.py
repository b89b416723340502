"""What a restore knows about production before it makes anything: asked now, and from baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from support.pg import signals_of

from drbook.actions.known import LOOKED_AT, known_production
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline, Identity, Place, TableCounts
from drbook.core.errors import CouldNotVerify
from drbook.core.events import Mode
from drbook.core.ports import Ports, ProductionIdentity
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone
from drbook.core.targets import DatabaseProbe, DatabaseRef

AT = datetime(2026, 11, 20, tzinfo=UTC)


def identity(system: str = "71", dialled: str = "db:5432/shop", **more: object) -> Identity:
    return Identity.model_validate(
        {"system_identifier": system, "database": "shop", "database_oid": 5, "dialled": dialled}
        | {"resource": "vol-1"}
        | more
    )


@dataclass
class Doors:
    """Production and a store of baselines, as a test says they are."""

    probe_: DatabaseProbe
    stored: Mapping[str, Identity | CouldNotVerify] = field(default_factory=dict)
    fails: CouldNotVerify | None = None
    asked_volume: Path | None = None

    @property
    def databases(self) -> "Doors":
        return self

    @property
    def baselines(self) -> "Doors":
        return self

    def probe(self, database: DatabaseRef, *, volume: Path | None = None) -> DatabaseProbe:
        self.asked_volume = volume
        return self.probe_

    def listed(self) -> Sequence[tuple[str, datetime]]:
        if self.fails is not None:
            raise self.fails
        return [(name, AT - timedelta(days=n)) for n, name in enumerate(self.stored)]

    def load(self, name: str) -> Baseline:
        found = self.stored[name]
        if isinstance(found, CouldNotVerify):
            raise found
        counts = TableCounts(identity=found, taken_at=AT, tables=())
        return Baseline(captured_at=AT, counts=counts)


def known(
    doors: Doors, production: Mapping[str, object] | None = None
) -> tuple[list[ProductionIdentity], list[str]]:
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "t",
            "production": production
            or {"database": {"host": "db"}, "domain": {"resource": "vol-1"}, "volume": "/data"},
            "steps": [{"id": "a", "phase": "restore", "do": "postgres.restore"}],
        }
    )
    context = StepContext(
        incident="i", mode=Mode.DRILL, step="a", attempt=1, title="", occurred=None,
        document=document,
    )  # fmt: skip
    found, said = signals_of(known_production(context, cast(Ports, doors)))
    return found, [one.text for one in said if isinstance(one, Milestone)]


ALIVE = DatabaseProbe(state="reachable", reason="", identity=identity(), dialled="db:5432/shop")
DEAD = DatabaseProbe(state="unreachable", reason="", dialled="db:5432/shop")


def shown(found: list[ProductionIdentity]) -> list[tuple[str, str, bool]]:
    return [(one.basis, one.described.split()[-1], one.proves) for one in found]


CASES = {
    "alive, no baseline": (ALIVE, {}, [("live", "now", True)]),
    "dead, no baseline": (DEAD, {}, []),
    "dead, its own baseline": (DEAD, {"b1": identity()}, [("baseline", "b1", True)]),
    "dead, reached otherwise then": (
        DEAD, {"b1": identity(dialled="elsewhere:5432/shop")}, [("baseline", "b1", False)],
    ),
    "dead, declared to be something else then": (
        DEAD, {"b1": identity(resource="vol-2")}, [("baseline", "b1", False)],
    ),
    "dead, a baseline of before these were recorded": (
        DEAD, {"b1": identity(dialled="", resource="")}, [("baseline", "b1", False)],
    ),
    "another production's baseline is newer": (
        DEAD,
        {"b1": identity("72", dialled="other:5432/shop"), "b2": identity()},
        [("baseline", "b1", False), ("baseline", "b2", True)],
    ),
    "the newest is damaged": (
        DEAD,
        {"b1": CouldNotVerify("The baseline b1 cannot be used."), "b2": identity()},
        [("baseline", "b2", True)],
    ),
    "alive, and its baselines": (
        ALIVE,
        {"b1": identity(), "b2": identity(), "b3": identity("70")},
        [("live", "now", True), ("baseline", "b1", True), ("baseline", "b3", True)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_known(name: str) -> None:
    probe, stored, expected = CASES[name]
    found, said = known(Doors(probe, stored))
    assert shown(found) == expected
    assert len(said) == sum(isinstance(one, CouldNotVerify) for one in stored.values())


def test_a_store_that_cannot_be_listed_is_said() -> None:
    found, said = known(Doors(ALIVE, fails=CouldNotVerify("It is not mounted.")))
    assert shown(found) == [("live", "now", True)]
    assert "It is not mounted." in said[0]


def test_only_so_many_baselines_are_read() -> None:
    stored = {f"b{n}": identity(str(100 + n)) for n in range(LOOKED_AT + 5)}
    assert len(known(Doors(DEAD, stored))[0]) == LOOKED_AT


def test_a_declared_data_directory_is_known_too() -> None:
    place = Place(device=1, inode=2, boot="b")
    doors = Doors(DEAD.model_copy(update={"volume_place": place}))
    found, _ = known(doors)
    assert doors.asked_volume == Path("/data")
    assert [(one.basis, one.place, one.proves) for one in found] == [("declared", place, False)]


def test_without_a_declared_database_nothing_is_known_to_be_its_own() -> None:
    found, _ = known(Doors(ALIVE, {"b1": identity()}), {"domain": {"resource": "vol-1"}})
    assert shown(found) == [("baseline", "b1", False)]
