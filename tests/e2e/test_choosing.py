"""Another copy than the proposed one, on a real bucket: nobody has read it yet, so it is read before anything
is made of it."""

import queue
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.shop import Shop

from drbook.app import model as cmd
from drbook.app.exports import build_with
from drbook.app.model import Snapshot
from drbook.app.places import Home
from drbook.app.session import Session, open_incident
from drbook.app.vocabulary import vocabulary
from drbook.core.events import Mode
from drbook.core.located import Located
from drbook.core.points import Verdict
from drbook.core.results import RestoreResult
from drbook.core.state import ENDED, StepState
from drbook.language.load import load
from drbook.timeline.export import export
from drbook.timeline.model import JournalFacts


class Leading:
    """An open incident, led a command at a time."""

    def __init__(self, session: Session) -> None:
        self.driver = session.driver
        self.seq = 0

    def ask(self, command: cmd.Command) -> Snapshot:
        """Carried out, and seen."""
        self.seq = self.driver.submit(command).result(timeout=60)
        return self.until(lambda snapshot: True)

    def run(self, step: str) -> Snapshot:
        self.ask(cmd.Run(step))
        return self.until(lambda s: s.state.steps[step].state in ENDED)

    def until(self, what: Callable[[Snapshot], bool]) -> Snapshot:
        """The first snapshot behind the last command of which it is true."""
        found: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        unsubscribe = self.driver.subscribe(found.put)
        try:
            while True:
                snapshot = found.get(timeout=120)
                if snapshot.state.seq >= self.seq and what(snapshot):
                    return snapshot
        finally:
            unsubscribe()


def located(snapshot: Snapshot) -> Located:
    return Located.model_validate(snapshot.state.steps["locate"].result)


def choose(snapshot: Snapshot, name: str) -> cmd.ChoosePoint:
    """By break-glass: it is independent, and nobody has read it."""
    point = next(
        each.point for each in located(snapshot).judgements if each.point.id.endswith(name)
    )
    return cmd.ChoosePoint(
        "locate",
        point.source,
        point.id,
        point.version,
        "the newest holds the bad delete",
        point.source,
    )


def test_an_unread_copy_is_read_before_anything_is_made_of_it(shop: Shop, tmp_path: Path) -> None:
    old = shop.dump("--format=custom")
    shop.execute("INSERT INTO orders SELECT n, now() FROM generate_series(2001, 2500) n")
    now = datetime.now(UTC)
    names = [f"shop-{now - timedelta(hours=hours):%Y%m%dT%H%M%SZ}.dump" for hours in (3, 2, 1)]
    shop.store(names[0], old)
    shop.store(names[1], old[: len(old) // 2])
    shop.store(names[2], shop.dump("--format=custom"))
    runbook = load(shop.runbook.read_bytes(), "shop.yaml", vocabulary())
    session = open_incident(
        runbook, Mode.DRILL, Home(tmp_path / "home"), {"occurred": "now"},
        environment=shop.environment,
    )  # fmt: skip
    with session:
        leading = Leading(session)
        leading.ask(cmd.RunOn())
        first = leading.until(lambda s: s.decision.finished and not s.running_on)
        assert located(first).point is not None
        assert located(first).point.id.endswith(names[2])  # type: ignore[union-attr]

        broken = leading.ask(choose(first, names[1]))
        assert broken.state.steps["restore"].state is StepState.STALE
        failed = leading.run("restore")
        assert failed.state.steps["restore"].state is StepState.FAILED
        assert "cannot be restored" in failed.state.steps["restore"].reason
        assert len([one for one in failed.state.resources if one.step == "restore"]) == 1

        leading.ask(choose(failed, names[0]))
        leading.run("restore")
        last = leading.run("verify")
        done = RestoreResult.model_validate(last.state.steps["restore"].result)
        assert done.point == located(last).point
        assert done.point.id.endswith(names[0])
        assert done.copy_used.held is not None
        assert done.copy_used.held.rows["public.orders"] == 2000
        each = {one.point.id[-22:]: one.verdict for one in located(last).judgements}
        assert set(each.values()) == {Verdict.INDEPENDENT}
        facts = JournalFacts(str(last.journal), last.head, intact=True)
        page = export(build_with(last.records, facts, runbook), "html")
    assert "instead of the proposed copy: the newest holds the bad delete" in page
    assert "as known then: its verdict is independent; its first bytes are a dump" in page
