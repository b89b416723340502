"""What earlier incidents prove of a copy: restored and verified, and nothing less."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drbook.app.exposure import things_of
from drbook.app.places import Home
from drbook.app.proved import _proofs_in, proved
from drbook.app.shipped import open_runbook
from drbook.core.comparison import Comparison
from drbook.core.events import Mode
from drbook.core.independence import judge, leaked_credentials, located
from drbook.core.points import (
    Answer,
    ByteFact,
    FailureDomain,
    LockFact,
    Observed,
    PointFacts,
    RecoveryPoint,
    SourceFacts,
)
from drbook.core.remarks import TableVerdict
from drbook.core.results import VerifyResult
from drbook.core.state import IncidentState, StepRun, StepState
from drbook.providers.credfiles import Search

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
POINT = RecoveryPoint(
    source="offsite", id="a.dump", taken_at=NOW, taken_by="store", size=10, location="s3://b/a.dump"
)


def result(
    point: RecoveryPoint | None = POINT, verdict: TableVerdict = TableVerdict.PASS
) -> object:
    comparison = Comparison(tables=(), verdict=verdict, reference="manifest")
    return VerifyResult(comparison=comparison, point=point).model_dump(mode="json")


RUN = StepRun(
    "verify",
    StepState.SUCCEEDED,
    action="postgres.verify",
    ended_at=NOW,
    result=result(),  # type: ignore[arg-type]
)


@pytest.mark.parametrize("mode", [Mode.DRILL, Mode.LIVE])
def test_a_verified_copy_is_proved(mode: Mode) -> None:
    (proof,) = _proofs_in(IncidentState(mode=mode, steps={"verify": RUN}))
    assert (proof.bytes_key, proof.location) == (POINT.bytes_key, POINT.location)
    assert (proof.verified_at, proof.mode) == (NOW, mode.value)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, state=StepState.FAILED),
        replace(RUN, state=StepState.STALE),
        replace(RUN, state=StepState.COULD_NOT_VERIFY),
        replace(RUN, accepted="go on"),
        replace(RUN, by_hand=True),
        replace(RUN, action="postgres.restore"),
        replace(RUN, ended_at=None),
        replace(RUN, result=None),
        replace(RUN, result={"of": "another shape"}),
        replace(RUN, result=result(point=None)),  # type: ignore[arg-type]
        replace(RUN, result=result(verdict=TableVerdict.COULD_NOT_VERIFY)),  # type: ignore[arg-type]
    ],
)
def test_what_proves_nothing(run: StepRun) -> None:
    assert _proofs_in(IncidentState(mode=Mode.DRILL, steps={"verify": run})) == []


def test_a_dry_run_proves_nothing() -> None:
    assert _proofs_in(IncidentState(mode=Mode.DRY_RUN, steps={"verify": RUN})) == []


def test_a_record_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    assert proved(Home(tmp_path)) == ([], "")
    folder = tmp_path / "incidents" / "20260424-211912-lost-7f3a"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text("{\n{\n")
    proofs, unread = proved(Home(tmp_path))
    assert proofs == []
    assert "1 earlier record" in unread


BOOK = """
drbook: 1
title: Shop lost
backups:
  - {id: offsite, kind: directory, path: /nowhere}
steps:
  - {id: locate, phase: locate, do: backups.locate}
"""


@pytest.mark.parametrize(("state", "lock"), [("intact", Answer.PASS), ("damaged", Answer.FAIL)])
def test_a_lock_on_a_damaged_copy_saves_nothing(tmp_path: Path, state: str, lock: Answer) -> None:
    (tmp_path / "shop.yaml").write_text(BOOK)
    runbook = open_runbook(str(tmp_path / "shop.yaml"))
    held = LockFact(mode="COMPLIANCE", until=NOW + timedelta(days=90))
    facts = PointFacts(point=POINT, lock=held, bytes=ByteFact(state=state))  # type: ignore[arg-type]
    tried = SourceFacts(source="offsite", reachable=True, lock_enforced=Observed(value=True))
    domain = FailureDomain()
    reach = leaked_credentials(domain, {})
    judged = judge(facts, tried, domain, domain, reach, require=(), now=NOW)
    found = located([judged], require=(), asked_at=NOW)
    assert things_of(runbook, found, Search({}))[1].lock is lock
