"""What a scenario expects, held against reports: good ones, and each way in which one may be wrong."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drbook.core.errors import ExitCode
from drbook.demo.story import Expected, Merged, Refused
from drbook.demo.worlds import MODULES, story

EXPECTED = Expected(
    outcome="pass",
    code=ExitCode.DONE,
    chosen="offsite",
    aged=timedelta(hours=26),
    refused=(Refused("app", "shared", "stored in"),),
    lost=("public.bookings",),
    failing=("public.hooks",),
    merged=(
        Merged("public.guests", put_back=True),
        Merged("public.rooms", inserted=True, left=True, newer=False),
    ),
    said=("pause before",),
)


def a_proposal(name: str, **changed: int) -> dict[str, Any]:
    given = {"guests": {"conflicts": 3, "extra": 2}, "rooms": {"missing": 4, "conflicts": 1}}[name]
    figures = {"missing": 0, "conflicts": 0, "extra": 0} | given | changed
    return {"table": f"public.{name}", **figures}


def a_merge(undo: str | None = "x.undo.sql", **tables: dict[str, int]) -> dict[str, Any]:
    none = dict.fromkeys(("proposed", "inserted", "overwriting", "updated"), 0)
    given = {
        "guests": {"overwriting": 3, "updated": 3},
        "rooms": {"proposed": 4, "inserted": 4},
        "bookings": {},
    }
    return {
        "step": "apply",
        "undo": undo,
        "tables": [
            {"table": f"public.{name}"} | none | given[name] | changed
            for name, changed in tables.items()
        ],
    }


def a_report(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "outcome": "pass",
        "exit_code": 0,
        "chosen": {"point": {"source": "offsite"}},
        "rpo": {"measured_seconds": 26 * 3600 + 4.5},
        "rejected": [{"source": "app", "verdict": "shared", "reasons": ["key is stored in a"]}],
        "tables": [
            {"table": "public.bookings", "lost": 3, "verdict": "pass"},
            {"table": "public.hooks", "lost": None, "verdict": "could-not-verify"},
        ],
        "remarks": [{"subject": "public.hooks.id", "verdict": "could-not-verify"}],
        "pause": ["pause before you mount"],
        "proposed": [{"step": "propose", "tables": [a_proposal("guests"), a_proposal("rooms")]}],
        "merged": [a_merge(guests={}, rooms={})],
    }
    return told | changed


def test_what_came_out_as_it_must() -> None:
    assert EXPECTED.unmet(a_report()) == []


def table(name: str, lost: int | None, verdict: str) -> dict[str, Any]:
    return {"table": name, "lost": lost, "verdict": verdict}


BAD = [
    ({"outcome": "partial"}, "outcome: partial, not pass"),
    ({"exit_code": 1}, "exit code: 1, not 0"),
    ({"chosen": None}, "chosen copy: none, not offsite"),
    ({"chosen": {"point": {"source": "app"}}}, "chosen copy: app, not offsite"),
    ({"rpo": {"measured_seconds": None}}, "the loss window was not measured"),
    ({"rpo": {"measured_seconds": 25 * 3600}}, "loss window: 90000 s"),
    ({"rpo": {"measured_seconds": 27 * 3600}}, "loss window: 97200 s"),
    ({"rejected": []}, "app was not told as shared"),
    (
        {"rejected": [{"source": "app", "verdict": "shared", "reasons": ["it is old"]}]},
        "app was not told as shared",
    ),
    ({"pause": []}, "not said: pause before"),
    (
        {"tables": [table("public.bookings", 0, "pass"), table("public.hooks", 1, "fail")]},
        "no row of public.bookings was told as lost",
    ),
    (
        {"tables": [table("public.bookings", -4, "pass"), table("public.hooks", 1, "fail")]},
        "no row of public.bookings was told as lost",
    ),
    (
        {"tables": [table("public.bookings", 3, "pass")], "remarks": []},
        "it passed: public.hooks",
    ),
    (
        {"remarks": [{"subject": "public.hooks", "verdict": "fail"}, {"subject": "an index", "verdict": "fail"}]},
        "it did not pass: an index",
    ),
    ({"merged": []}, "public.guests was not merged"),
    ({"proposed": []}, "public.rooms was not merged"),
    ({"merged": [a_merge(guests={}, rooms={}, bookings={})]}, "public.bookings was merged"),
    ({"merged": [a_merge(None, guests={}, rooms={})]}, "nothing takes back apply"),
    ({"merged": [a_merge(guests={"updated": 2}, rooms={})]}, "public.guests: 2 of 3 rows were updated"),
    ({"merged": [a_merge(guests={}, rooms={"inserted": 0})]}, "public.rooms: 0 rows inserted, some expected"),
    (
        {"merged": [a_merge(guests={}, rooms={"overwriting": 1, "updated": 1})]},
        "public.rooms: 1 rows put back, none expected",
    ),
    (
        {"proposed": [{"tables": [a_proposal("guests", extra=0), a_proposal("rooms")]}]},
        "public.guests: 0 newer rows, some expected",
    ),
    (
        {"proposed": [{"tables": [a_proposal("guests"), a_proposal("rooms", conflicts=0)]}]},
        "public.rooms: 0 conflicts, some expected",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said for _, said in BAD])
def test_what_did_not(changed: dict[str, Any], said: str) -> None:
    unmet = EXPECTED.unmet(a_report(**changed))
    assert any(one.startswith(said) for one in unmet), unmet


def test_without_a_failing_thing_named_all_must_pass() -> None:
    told = a_report(tables=[table("public.bookings", 3, "fail")], remarks=[])
    expected = Expected(outcome="pass", code=ExitCode.DONE, chosen="offsite", aged=EXPECTED.aged)
    told |= {"proposed": [], "merged": []}
    assert expected.unmet(told) == ["it did not pass: public.bookings"]


@pytest.mark.parametrize("name", MODULES)
def test_every_scenario_is_whole(name: str) -> None:
    """It is registered under its own name, and its answers are to steps that its runbook has."""
    from drbook.app.shipped import open_runbook

    found = story(name)
    assert found.name == name
    runbook = open_runbook(found.world.file.removesuffix(".yaml"))
    steps = {step.id: step.step for step in runbook.steps}
    assert {*found.answers, *found.accepts} <= set(steps)
    asked = {id for id, step in steps.items() if step.do in ("manual", "choose", "ask")}
    assert asked == set(found.answers), "each question has its answer"
    assert len(found.line) <= 100
    assert len(found.end) <= 100


@pytest.mark.parametrize("name", MODULES)
def test_the_reference_tells_of_it(name: str) -> None:
    found = story(name)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    row = f"| `{name}` | {found.line} | {found.end} (exit code {int(found.expected.code)}) |"
    assert row in readme
