"""A drill takes its targets away; what could not be is listed, and removed where it is its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from campaigns.leftovers import Place, campaign, world
from support.waiting import eventually

from drbook.core import events as ev
from drbook.journal.reader import read, verify

pytestmark = pytest.mark.xdist_group("leftovers")
"""One worker: one world serves all of them."""


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    with world() as made:
        yield made


def place(base: Path, name: str) -> Place:
    folder = base / name
    folder.mkdir(mode=0o711)
    return Place(folder, base / "r.yaml")


def kinds(folder: Path) -> list[str]:
    return [type(one.event).__name__ for one in read(folder / "journal.jsonl")]


def test_a_drill_that_is_kept_is_removed_when_it_is_named(base: Path) -> None:
    here = place(base, "kept")
    ran = here.drbook("rehearse", str(here.runbook), "--headless", "--json", "--keep")
    assert ran.code == 0, ran.err
    target = ran.json()["target"]
    assert not target["removed"]
    assert target["isolation"]["state"] == "isolated", target["isolation"]["said"]
    assert "--keep was given" in ran.err
    assert kinds(here.folder)[-2:] == ["IncidentClosed", "ResourceLeft"]
    (held,) = (one for one in here.left() if one.endswith("is there"))

    every = here.drbook("drill", "clean", "--all", "--yes", "--json")
    assert (every.code, len(every.json()["stayed"])) == (0, 1)
    assert held in here.left()
    listed = here.drbook("drill", "clean")
    assert "kept on purpose" in listed.out
    assert "Nothing was removed" in listed.err
    asked = here.drbook("drill", "clean", here.folder.name)
    assert asked.code == 7

    _not_its_own(here, Path(target["location"]))

    done = here.cleaned()
    assert done.code == 0, done.err
    assert [one["kind"] for one in done.json()["removed"]] == ["cluster"]
    assert here.left() == []
    assert kinds(here.folder)[-2:] == ["ReleaseIntended", "ResourceReleased"]
    assert not verify(here.folder / "journal.jsonl").problem
    assert (here.folder / "logs").is_dir()
    again = here.cleaned()
    assert (again.code, again.json()["leftovers"]) == (0, [])


def _not_its_own(here: Place, target: Path) -> None:
    """Another attempt's mark: it stays, with the command to look at it."""
    mark = target / "drbook-target.json"
    before = mark.read_bytes()
    mark.write_bytes(before.replace(b'"nonce": "', b'"nonce": "0'))
    refused = here.drbook("drill", "clean", here.folder.name, "--yes")
    assert refused.code == 4, refused.err
    assert "does not carry the mark" in refused.out
    assert f"ls -la {target}" in refused.out
    assert target.is_dir()
    mark.write_bytes(before)


def test_a_drill_that_fails_takes_its_target_away_and_may_be_gone_on_with(base: Path) -> None:
    here = place(base, "failed")
    bad = base / "bad.yaml"
    text = (base / "r.yaml").read_text().replace("FROM orders", "FROM nothing")
    bad.write_text(text + "  - {id: noted, phase: close, do: note, with: {text: whole}}\n")
    ran = here.drbook("rehearse", str(bad), "--headless", "--json")
    assert ran.code == 1, ran.err
    assert here.left() == []
    assert kinds(here.folder)[-3:] == ["ReleaseIntended", "ResourceReleased", "StepInvalidated"]
    again = here.drbook("resume", "--headless")
    assert again.code == 1, again.err
    events = [one.event for one in read(here.folder / "journal.jsonl")]
    restores = [one for one in events if isinstance(one, ev.ResourceIntended)]
    assert len(restores) == 2
    assert here.left() == []


def test_one_that_waits_for_a_person_stays_until_its_terminal_goes_away(
    base: Path,
    terminal,  # type: ignore[no-untyped-def]
) -> None:
    here = place(base, "waits")
    asks = base / "asks.yaml"
    asks.write_text((base / "r.yaml").read_text() + "  - {id: look, phase: close, do: manual}\n")
    ran = here.drbook("rehearse", str(asks), "--headless")
    assert ran.code == 7, ran.err
    assert f"1 target of this drill still there: drbook drill clean {here.folder.name}" in ran.err
    assert [one for one in here.left() if one.endswith("is there")]
    seat = terminal("resume", environment=here.drbook.environment, program=here.drbook)
    seat.sees("REHEARSAL", "by hand")
    seat.vanishes()
    assert eventually(lambda: not here.left())
    assert kinds(here.folder)[-3:] == ["ReleaseIntended", "ResourceReleased", "StepInvalidated"]


def test_six_kills_leave_nothing_once_resumed_or_cleaned(base: Path) -> None:
    """The campaign's short form."""
    found = campaign(6, base=base)
    assert found.left == []
    assert found.kills == 6
    assert found.cleaned["cluster"] > 0
