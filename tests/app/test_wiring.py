"""Which doors a step is given in which mode, and that they are closed with it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from support.pg import drain

from drbook.app import wiring as module
from drbook.app.vocabulary import vocabulary
from drbook.app.wiring import Change, NoBaselines, ReadBaselines, SystemClock, Wiring
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify, NotExercised, UsageError
from drbook.core.events import Mode
from drbook.core.points import ByteFact
from drbook.core.ports import Baselines, Cancel
from drbook.core.signals import Working
from drbook.language.load import load
from drbook.providers.cancel import CancelToken
from drbook.providers.hiding import MASK, scrub
from drbook.providers.targets.nothing import NoTargets

BASELINE = cast("Baseline", SimpleNamespace())


def wired(folder: Path, mode: Mode = Mode.LIVE, more: str = "", **environment: str) -> Wiring:
    text = f"drbook: 1\ntitle: T\n{more}steps: [{{id: a, phase: detect, do: manual}}]\n"
    (folder / "incident").mkdir(exist_ok=True)
    runbook = load(text.encode(), "r.yaml", vocabulary())
    return Wiring(runbook, folder / "incident", mode, environment)


CONTEXT = cast("StepContext", SimpleNamespace(resources=()))

COMMANDS: dict[tuple[Mode, Change], bool] = {
    (Mode.DRY_RUN, "reads"): True,
    (Mode.DRY_RUN, "target"): False,
    (Mode.DRY_RUN, "outside"): False,
    (Mode.DRILL, "reads"): True,
    (Mode.DRILL, "target"): True,
    (Mode.DRILL, "outside"): False,
    (Mode.LIVE, "reads"): True,
    (Mode.LIVE, "target"): True,
    (Mode.LIVE, "outside"): True,
}


@pytest.mark.parametrize(("mode", "declared"), COMMANDS)
def test_which_commands_run_in_which_mode(tmp_path: Path, mode: Mode, declared: Change) -> None:
    wiring = wired(tmp_path, mode)
    touched = tmp_path / "touched"
    with wiring.open(CONTEXT, CancelToken()) as ports:
        running = ports.processes.run(["/bin/sh", "-c", f"touch {touched}"], declared=declared)
        if COMMANDS[mode, declared]:
            assert drain(running).exit_code == 0
        else:
            with pytest.raises(NotExercised):
                drain(running)
    assert touched.exists() is COMMANDS[mode, declared]
    wiring.close()


def test_the_clock_is_this_machines() -> None:
    clock = SystemClock()
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    assert abs(clock.monotonic() - time.monotonic()) < 5


# --- baselines -----------------------------------------------------------------------------------


def test_a_runbook_without_a_place_for_baselines_has_none_and_says_so(tmp_path: Path) -> None:
    wiring = wired(tmp_path)
    store = wiring.baselines()
    assert isinstance(store, NoBaselines)
    assert (tuple(store.listed()), tuple(store.listed(suspect=True))) == ((), ())
    with pytest.raises(CouldNotVerify, match="does not say where baselines are kept") as asked:
        store.load("x")
    assert asked.value.means == "Nothing states what was known good."
    for refused in (lambda: store.save(BASELINE), wiring.must_keep_baselines):
        with pytest.raises(UsageError) as caught:
            refused()
        assert caught.value.means == "Nothing was captured."
        assert "baselines: {kind: directory" in caught.value.next
    assert store.location() == "nowhere: the runbook names no `baselines:`"


class Store:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def listed(self, *, suspect: bool = False) -> list[tuple[str, datetime]]:
        self.asked.append(suspect)
        return [("x", datetime(2026, 1, 1, tzinfo=UTC))]

    def load(self, id: str) -> Baseline:
        self.asked.append(id)
        return BASELINE

    def save(self, baseline: Baseline, *, suspect: bool = False) -> str:
        raise AssertionError("a dry run stores nothing")

    def location(self) -> str:
        return "the store"


def test_a_dry_run_reads_baselines_and_adds_none() -> None:
    store = Store()
    read = ReadBaselines(cast("Baselines", store))
    assert [name for name, _ in read.listed()] == ["x"]
    assert [name for name, _ in read.listed(suspect=True)] == ["x"]
    assert read.load("x") is BASELINE
    assert store.asked == [False, True, "x"]
    with pytest.raises(NotExercised, match="stores no baseline in the store"):
        read.save(BASELINE)
    assert read.location() == "the store"


def test_a_named_place_is_used_in_every_mode_and_only_read_in_a_dry_run(tmp_path: Path) -> None:
    place = f"baselines: {{kind: directory, path: '{tmp_path}/baselines'}}\n"
    for mode in Mode:
        wiring = wired(tmp_path, mode, place)
        wiring.must_keep_baselines()
        with wiring.open(CONTEXT, CancelToken()) as ports:
            assert str(tmp_path / "baselines") in ports.baselines.location()
            assert isinstance(ports.baselines, ReadBaselines) is (mode is Mode.DRY_RUN)
            assert isinstance(ports.targets, NoTargets) is (mode is Mode.DRY_RUN)


# --- what is opened is closed, what is secret is known -----------------------------------------------


def test_doors_are_closed_with_their_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    monkeypatch.setattr(module.BackupCatalog, "close", lambda self: closed.append("backups"))
    monkeypatch.setattr(module.ServerPool, "close", lambda self: closed.append("servers"))
    wiring = wired(tmp_path)
    with wiring.open(CONTEXT, CancelToken()):
        assert closed == []
    assert closed == ["backups"]
    wiring.close()
    assert closed == ["backups", "servers"]
    first, second = wiring.switch(), wiring.switch()
    first.request("cancel")
    assert (first.requested, second.requested) == (True, False)


def test_what_a_runbook_refers_to_is_known_before_anything_runs(tmp_path: Path) -> None:
    secret = "value-that-nobody-may-see"
    hosts = "production: {database: {host: h, password: 'env:PASSWORD'}}\n"
    wiring = wired(tmp_path, more=hosts, PASSWORD=secret)
    assert scrub(f"it is {secret}") == f"it is {MASK}"
    assert wiring.secret("env:PASSWORD").reveal() == secret


def test_only_what_was_made_is_known_as_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    real = module.Workshop
    monkeypatch.setattr(module, "Workshop", lambda *a, **k: given.append((a, k)) or real(*a, **k))
    resources = (
        SimpleNamespace(name="made", identity="one", created=True),
        SimpleNamespace(name="intended", identity=None, created=False),
    )
    text = b"drbook: 1\ntitle: T\nsteps: [{id: a, phase: detect, do: manual}]\n"
    for elsewhere in ({"far": "there"}, None):
        wiring = Wiring(load(text, "r.yaml", vocabulary()), tmp_path, Mode.DRILL, {}, elsewhere)
        with wiring.open(cast("StepContext", SimpleNamespace(resources=resources)), CancelToken()):
            arguments, named = given.pop()
            assert named["made"] == {"made": "one"}
            assert arguments[5] == (elsewhere or {})


def test_a_copy_is_read_with_the_programs_that_are_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fact = ByteFact(state="structure", reason="read")

    def check(path: Path, tools: object, cancel: Cancel) -> Working[ByteFact]:
        yield from ()
        assert tools == ("programs",)
        return fact

    monkeypatch.setattr(module, "check_structure", check)
    monkeypatch.setattr(module, "find_tools", lambda environment: ("programs",))
    catalog = wired(tmp_path).backups(CancelToken())
    looking: Iterator[Any] = catalog._fetching._check(tmp_path, CancelToken())
    assert drain(looking) is fact
