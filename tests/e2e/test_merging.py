"""A bad DELETE in a production that lives on: restored beside it, proposed, merged by a typed name, and what a
record says of a process that was killed with the commit."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from support.program import Drbook
from support.shop import Shop, occurred

from drbook.app.places import Home, listed
from drbook.core import events as ev
from drbook.journal.reader import read

STEPS = """
  - id: propose
    phase: reconcile
    do: postgres.propose
    with: {target: "${{ steps.restore.target }}", tables: [orders]}
  - id: rehearse
    phase: reconcile
    do: postgres.rehearse_reviewed
    with: {proposal: "${{ steps.propose.proposal }}"}
  - id: apply
    phase: reconcile
    do: postgres.apply_reviewed
    with:
      proposal: "${{ steps.propose.proposal }}"
      rehearsal: "${{ steps.rehearse.rehearsal }}"
    confirm: {type: shop-production, cool_off: 0s}
"""
LEADER = Path(__file__).parent.parent / "support" / "led.py"


@pytest.fixture
def lost(shop: Shop) -> Shop:
    shop.store("shop.dump", shop.dump("-Fc"))
    text = shop.runbook.read_text().split("  - id: verify")[0]
    shop.runbook.write_text(text + STEPS)
    shop.execute("DELETE FROM orders WHERE id BETWEEN 500 AND 700")
    shop.execute("INSERT INTO orders VALUES (3000, now())")
    return shop


def rows(shop: Shop) -> int:
    text = shop.dump("--format=plain", "--data-only", "--table=orders").decode()
    return sum(line[:1].isdigit() for line in text.splitlines())


def led(drbook: Drbook, shop: Shop, *when: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, str(LEADER), str(shop.runbook), str(drbook.home)]
    environment = drbook.environment | shop.environment
    return subprocess.run(
        [*argv, occurred().removeprefix("occurred="), *when],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def journal(drbook: Drbook) -> Path:
    return listed(Home(drbook.home))[0] / "journal.jsonl"


def test_a_person_types_the_name_and_a_bundle_leaves_the_rows_out(  # type: ignore[no-untyped-def]
    drbook, lost: Shop, tmp_path: Path
) -> None:
    linted = drbook("lint", str(lost.runbook), **lost.environment)
    assert linted.code == 0, linted.err + linted.out
    ran = led(drbook, lost)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (
        "apply: shop-production: expects what the rehearsal showed: public.orders: 201"
        in ran.stdout
    )
    assert rows(lost) == 2001
    events = [one.event for one in read(journal(drbook))]
    (reached,) = [one for one in events if isinstance(one, ev.MilestoneReached) and one.artifacts]
    ended = [one for one in events if isinstance(one, ev.StepFinished) and one.step == "apply"]
    assert ended[0].artifacts == reached.artifacts
    assert events.index(reached) < events.index(ended[0])
    out = tmp_path / "evidence.zip"
    made = drbook("bundle", journal(drbook).parent.name, "-o", str(out))
    assert made.code == 0, made.err
    assert _artifacts(out) == {"proposal.json"}
    checked = drbook("journal", "verify", str(out))
    assert checked.code == 0, checked.err + checked.out
    whole = tmp_path / "whole.zip"
    assert drbook("bundle", journal(drbook).parent.name, "-o", str(whole), "--rows").code == 0
    assert _artifacts(whole) == {"proposal.json", "rows", "undo.sql"}


def _artifacts(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as file:
        return {name.partition(".")[2] for name in file.namelist() if "artifacts/" in name}


def test_a_process_that_is_killed_behind_the_commit_leaves_a_step_in_doubt(  # type: ignore[no-untyped-def]
    drbook, lost: Shop
) -> None:
    ran = led(drbook, lost, "after")
    assert ran.returncode == -9, ran.stdout + ran.stderr
    assert rows(lost) == 2001
    told = drbook("resume", "--headless", **lost.environment)
    assert told.code == 6, told.err
    notes = [one.event.text for one in read(journal(drbook)) if isinstance(one.event, ev.NoteAdded)]
    assert any("is committed" in note and ".undo.sql takes it back" in note for note in notes)


def test_a_drill_merges_into_a_stand_in(drbook, lost: Shop) -> None:  # type: ignore[no-untyped-def]
    text = lost.runbook.read_text().replace(
        "    confirm: {type: shop-production, cool_off: 0s}\n", ""
    )
    restore = text[text.index("  - id: restore") : text.index("  - id: propose")]
    text = text.replace(
        "  - id: restore",
        restore.replace("restore\n", "second\n", 1).replace("locate.point", "locate.newest")
        + "  - id: restore",
    )
    text = text.replace(
        "tables: [orders]", 'tables: [orders], stand_in: "${{ steps.second.target }}"'
    )
    lost.runbook.write_text(text)
    when = occurred()
    time.sleep(1.1)  # a dump is dated to the second
    lost.store("as-it-is.dump", lost.dump("-Fc"))
    ran = drbook(*("rehearse", str(lost.runbook), "--headless", "--set", when), **lost.environment)
    assert ran.code == 0, ran.err
    assert "apply: SUCCEEDED" in ran.err
    assert "public.orders: 201 of 201 rows inserted" in ran.err
    assert rows(lost) == 1800
