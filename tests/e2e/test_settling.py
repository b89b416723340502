"""A restore that was killed, settled and run again by commands alone."""

import os
import signal
import time
from pathlib import Path

from support.program import Drbook
from support.shop import Shop, occurred

from drbook.app.places import Home, listed
from drbook.core import events as ev
from drbook.journal.reader import read


def _killed_in_the_restore(drbook: Drbook, shop: Shop) -> Path:
    """Run it, and kill it once the fresh target is on record."""
    shop.store("shop.dump", shop.dump("-Fc"))
    assert drbook("baseline", "capture", str(shop.runbook), **shop.environment).code == 0
    time.sleep(1.1)
    process = drbook.start(
        *("run", str(shop.runbook), "--headless", "--set", occurred()), **shop.environment
    )
    with process:
        until = time.monotonic() + 60
        while True:
            assert process.poll() is None
            assert time.monotonic() < until
            found = listed(Home(drbook.home))
            journal = found[0] / "journal.jsonl" if found else None
            if (
                journal is not None
                and journal.exists()
                and b'"ResourceIntended"' in journal.read_bytes()
            ):
                break
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    return journal


def test_what_is_in_doubt_is_told_and_settled_without_a_screen(drbook, shop: Shop) -> None:  # type: ignore[no-untyped-def]
    journal = _killed_in_the_restore(drbook, shop)
    intended = next(
        one.event for one in read(journal) if isinstance(one.event, ev.ResourceIntended)
    )
    told = drbook("resume", "--headless", **shop.environment)
    assert told.code == 6, told.err
    assert f"cluster {intended.name} in {intended.location}" in told.out
    assert "never used again" in told.out
    incident = journal.parent.name
    command = (
        f"drbook resume {incident} --headless --settle restore=did-not-happen --because REASON"
    )
    assert f"settle it      {command}" in told.out

    (doubt,) = (ran := drbook("resume", "--headless", "--json", **shop.environment)).json()[
        "in_doubt"
    ]
    assert ran.code == 6
    assert doubt["command"] == command
    assert doubt["made"][0]["name"] == intended.name
    assert doubt["answers"] == ["did-not-happen"]

    unsaid = drbook(
        "resume", "--headless", "--settle", "restore=did-not-happen", **shop.environment
    )
    assert (unsaid.code, "--because" in unsaid.err) == (2, True)
    wrong = drbook(
        *("resume", "--headless", "--settle", "restore=happened", "--because", "I think so"),
        **shop.environment,
    )
    assert wrong.code != 0
    assert "hands a result to verify" in wrong.err
    other = drbook(
        *("resume", "--headless", "--settle", "locate=happened", "--because", "I think so"),
        **shop.environment,
    )
    assert "Step locate is not in doubt" in other.err

    done = drbook(
        *("resume", "--headless", "--json", "--settle", "restore=did-not-happen"),
        *("--because", "its server is gone"),
        **shop.environment,
    )
    assert done.code == 0, done.err
    assert "settled by alice as: it did not happen. its server is gone" in done.err
    assert done.json()["in_doubt"] == []
    assert done.json()["target"]["name"] != intended.name
    (settled,) = (one for one in read(journal) if isinstance(one.event, ev.StepResolved))
    assert (settled.actor, settled.event.reason) == ("alice", "its server is gone")
