"""The pictures stay true: the README's show what is drawn today, every screen looks as it was looked
at, nothing is cut without saying so, and the drill behind them is the one that the demo is."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import yaml

import drbook
from drbook.app.shipped import names, open_runbook
from drbook.app.vocabulary import vocabulary
from drbook.core import events as ev
from drbook.core.fold import fold
from drbook.core.state import StepState
from drbook.journal.reader import verify
from drbook.tui import signs
from drbook.tui.colours import BUSY, GOOD, URGENT, WARN
from drbook.tui.themes import DARK
from pictures.drawn import Drawn, Outside, drawn, told
from pictures.render import ASSETS, BY_NAME, PICTURES, SNAPSHOTS, picture, snapshot_file
from pictures.scenes import DRILL, SCENES, Scene, records, runbook
from pictures.studio import SIZES, Size, seen

ROOT = Path(__file__).parents[2]
ANEW = "python tests/pictures/render.py"
CASES = [
    pytest.param(scene, size, id=f"{scene.name}-{size[0]}x{size[1]}")
    for scene in SCENES
    for size in SIZES
]


def differing(before: str, after: str, name: str) -> str:
    """What changed, as far as somebody wants to read it; empty where nothing did."""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        f"{name} as stored",
        f"{name} as drawn",
        "",
        "",
        1,
        "",
    )
    return "\n".join([*lines][:60])


# --- the README's pictures ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_the_readmes_pictures_show_what_is_drawn_today(name: str) -> None:
    _, size = PICTURES[name]
    stored = drawn((ASSETS / name).read_text(encoding="utf-8"), *size)
    changed = differing(told({"dark": stored}), told({"dark": drawn(picture(name), *size)}), name)
    assert not changed, f"assets/{name} is stale; `{ANEW}` renders it anew.\n{changed}"


def test_rendering_twice_gives_the_same_bytes() -> None:
    assert picture("small.svg") == picture("small.svg")


def test_there_are_no_other_pictures_and_the_readme_shows_them_all() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"\]\(assets/([^)]+)\)", readme))
    assert shown == set(PICTURES) == {one.name for one in ASSETS.iterdir()}


def test_a_stale_picture_is_found() -> None:
    """Another letter, another colour or another ground is another picture; another name is not."""
    svg = (ASSETS / "home.svg").read_text(encoding="utf-8")
    size = PICTURES["home.svg"][1]
    same = told({"dark": drawn(svg, *size)})
    assert told({"dark": drawn(svg.replace("home-120", "terminal-77"), *size)}) == same
    for old, new in (("RUNBOOKS", "RUNB00KS"), (DARK.good, DARK.warn), (DARK.bar, DARK.strip)):
        assert told({"dark": drawn(svg.replace(old, new), *size)}) != same, old


def test_what_is_drawn_outside_is_found() -> None:
    svg = (ASSETS / "home.svg").read_text(encoding="utf-8")
    with pytest.raises(Outside):
        drawn(svg, 119, 40)
    with pytest.raises(Outside):
        drawn(svg, 120, 39)


# --- every screen, at three sizes and in two themes ------------------------------------------------


@cache
def shown(scene: Scene, size: Size) -> Mapping[str, Drawn]:
    return seen(scene, size)


@pytest.mark.parametrize(("scene", "size"), CASES)
def test_every_screen_looks_as_it_was_looked_at(scene: Scene, size: Size) -> None:
    file = snapshot_file(scene, size)
    changed = differing(file.read_text(encoding="utf-8"), told(shown(scene, size)), file.name)
    more = f"Look at it; where it is meant so, `{ANEW} --snapshots` stores it."
    assert not changed, f"{file.name} looks otherwise. {more}\n{changed}"
    _nothing_is_cut_in_silence(scene, size)
    _no_meaning_is_in_a_colour_alone(scene, size)


def test_no_snapshot_is_left_over() -> None:
    assert {snapshot_file(scene, size) for scene in SCENES for size in SIZES} == set(
        SNAPSHOTS.iterdir()
    )


WORD = re.compile(r"[A-Za-z]{2,}")


@cache
def words() -> frozenset[str]:
    """Every word that drbook, its runbooks or the recorded drill can say."""
    texts = [
        path.read_text(encoding="utf-8") for path in Path(drbook.__file__).parent.rglob("*.py")
    ]
    texts += [path.read_text(encoding="utf-8") for path in DRILL.iterdir()]
    texts += [
        "/home/ana/.local/state Ben sees no new bookings",
        *(repr(open_runbook(name)) for name in names()),
    ]
    return frozenset(WORD.findall(" ".join(texts)))


def _nothing_is_cut_in_silence(scene: Scene, size: Size) -> None:
    """Each word is a whole one, or has `…` where it was cut, or goes on in the next line. What lies
    behind a dialog is covered, not cut."""
    lines = shown(scene, size)["dark"].lines
    if any("╭" in line for line in lines):
        inside = [line.split("│") for line in lines if line.count("│") >= 2]
        lines = tuple(max(parts, key=len).rstrip() for parts in inside)
    cut = []
    for at, line in enumerate(lines):
        below = lines[at + 1].split() if at + 1 < len(lines) else []
        for found in WORD.finditer(line):
            goes_on = [re.match(r"\w+", one) for one in below]  # be it a single letter
            whole = {found[0] + one[0] for one in goes_on if one} | {found[0]}
            above = lines[at - 1].split() if at else []
            whole |= {one[-1] + found[0] for one in (WORD.findall(part) for part in above) if one}
            around = line[max(0, found.start() - 1) : found.end() + 1]
            if "…" not in around and not whole & words():
                cut.append(f"line {at + 1}: {found[0]!r} in {line.strip()!r}")
    assert not cut, "cut without a sign:\n" + "\n".join(cut)


COLOURS = {one.split()[-1] for one in (BUSY, GOOD, URGENT, WARN)}


def _no_meaning_is_in_a_colour_alone(scene: Scene, size: Size) -> None:
    """Whatever has a colour that means something says it: with a sign, a word or a figure."""
    picture = shown(scene, size)["dark"]
    for row in picture.cells:
        told_by = "".join(letter for letter, look in row if look.letter in COLOURS)
        bare = told_by.strip(" █░▏▌─━│╭╮╰╯·")
        coloured = any(look.letter in COLOURS and letter in "█░" for letter, look in row)
        if coloured and not bare:  # a bar stands beside its figures
            assert re.search(r"\d", "".join(letter for letter, _ in row))
    if scene.name in BESIDE_THE_INCIDENT:
        return
    state = scene.incident().snapshot
    text = "\n".join(picture.lines)
    for step in state.state.order:
        status = signs.status_of(state, step)
        number = signs.number_of(state, step)
        assert re.search(rf"{re.escape(status.sign)} *{number}\b", text), (step, status)
    assert re.search("|".join(_standings(scene)), text), "the selected step's sign and word"


BESIDE_THE_INCIDENT = {
    "home", "backups", "tables", "timeline", "help", "note", "decision", "confirmation", "doubt-asked",
}  # fmt: skip
"""Scenes in which a list fills the screen, or a dialog covers the steps."""


def _standings(scene: Scene) -> list[str]:
    state = scene.incident().snapshot
    found = (signs.status_of(state, step) for step in state.state.order)
    return [re.escape(f"{one.sign} {one.word}") for one in found]


def test_a_word_that_is_cut_in_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    scene, size = BY_NAME["incident"], (120, 40)
    before = shown(scene, size)["dark"]
    at = next(i for i, line in enumerate(before.lines) if "EXPECT" in line)
    column = before.lines[at].index("nobody") + 4
    row = before.cells[at]
    spoilt = (*row[:column], *((" ", look) for _, look in row[column:]))
    cells = (*before.cells[:at], spoilt, *before.cells[at + 1 :])
    monkeypatch.setitem(globals(), "shown", lambda *_: {"dark": replace(before, cells=cells)})
    with pytest.raises(AssertionError, match="nobo"):
        _nothing_is_cut_in_silence(scene, size)


def test_each_standing_has_a_sign_and_a_word_of_its_own() -> None:
    standings = [value for value in vars(signs).values() if isinstance(value, signs.Status)]
    standings += signs._ENDED.values()
    assert {*signs._ENDED} == {*StepState} - {StepState.PENDING, StepState.AWAITING}
    assert all(one.sign.strip() and one.word.strip() for one in standings)
    assert len({one.word for one in standings}) == len(standings)


# --- the drill behind them ------------------------------------------------------------------------


def test_the_recorded_drill_is_whole_and_ended_well() -> None:
    assert verify(DRILL / "journal.jsonl").intact
    state = fold(records())
    assert state.outcome == "pass"
    assert {run.state for run in state.steps.values()} == {StepState.SUCCEEDED}


def test_nothing_in_it_names_the_machine_that_it_was_recorded_on() -> None:
    for path in DRILL.iterdir():
        text = path.read_text(encoding="utf-8")
        places = set(re.findall(r"/(?:home|root|Users|work|tmp)/[\w.-]+", text))
        assert all(one.startswith("/tmp/drbook-") for one in places), places
    assert {one.host for one in records()} == {"recovery-1"}
    assert {one.actor for one in records()} == {"ana"}


def test_it_is_led_by_the_runbook_that_the_demo_has_today() -> None:
    def steps(text: str) -> object:
        return yaml.safe_load(text)["steps"]

    shipped = open_runbook("rental-business").source.decode()
    stale = f"the demo's runbook has other steps now: `{ANEW} --anew --snapshots` leads it again"
    assert steps((DRILL / "runbook.yaml").read_text(encoding="utf-8")) == steps(shipped), stale


def test_its_results_are_what_the_actions_give_today() -> None:
    """What the demo itself does is tested elsewhere; here, that today's actions would read the same."""
    actions = vocabulary().actions
    kinds = {step.id: actions[step.step.do] for step in runbook().steps}
    for one in records():
        if isinstance(one.event, ev.StepFinished):
            kind = kinds[one.event.step].result
            again = kind.model_validate(one.event.result).model_dump(
                mode="json", exclude_defaults=True
            )
            held = kind.model_validate(again).model_dump(mode="json", exclude_defaults=True)
            assert again == held
