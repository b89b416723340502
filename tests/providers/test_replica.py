"""Reading a real standby in production's place, and refusing whatever else `production.replica` names."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from providers.test_disguises import Site, site
from support.pg import drain, signals_of
from support.waiting import eventually

from drbook.actions.reading import reading_of
from drbook.app.capture import CaptureOrder
from drbook.app.inspect import Inspection
from drbook.app.vocabulary import vocabulary
from drbook.core.actions import StepContext
from drbook.core.baseline import Baseline
from drbook.core.errors import CouldNotVerify, Refused
from drbook.core.events import Mode, StepEnd
from drbook.core.ports import Ports
from drbook.core.results import VerifyResult
from drbook.core.runbook import RunbookDocument
from drbook.core.signals import Milestone, Signal, Working
from drbook.core.targets import DatabaseRef
from drbook.language.load import load
from drbook.providers.postgres import PostgresReader

__all__ = ["site"]

pytestmark = pytest.mark.xdist_group("site")  # one worker makes what all of them read, once


@pytest.fixture(scope="module", autouse=True)
def business(site: Site) -> None:
    site.run(
        site.production,
        "CREATE TABLE IF NOT EXISTS sales (id int); INSERT INTO sales SELECT generate_series(1, 50);"
        "CREATE UNLOGGED TABLE IF NOT EXISTS carts (id int); INSERT INTO carts VALUES (1)",
        "rental",
    )
    until = time.monotonic() + 30
    while site.run(site.standby, "SELECT to_regclass('public.carts')", "rental") == [(None,)]:
        assert time.monotonic() < until
        time.sleep(0.1)


def read(
    reader: PostgresReader, production: DatabaseRef, replica: DatabaseRef | None, given: Any = None
) -> Any:
    document = RunbookDocument.model_validate(
        {
            "drbook": 1,
            "title": "t",
            "production": {
                "database": production.model_dump(),
                "replica": replica.model_dump() if replica else None,
            },
            "steps": [{"id": "a", "phase": "detect", "do": "manual"}],
        }
    )
    context = StepContext(
        incident="i", mode=Mode.DRILL, step="a", attempt=1, title="", occurred=None,
        document=document,
    )  # fmt: skip
    ports = cast("Ports", SimpleNamespace(databases=reader))
    reading, said = signals_of(reading_of(given or production, context, ports))
    return reading, [item.text for item in said if isinstance(item, Milestone)]


def _note(name: str, into: list[str]) -> Working[None]:
    into.append(name)
    yield Milestone("noted")


def test_the_standby_is_read_and_the_figures_are_productions(
    site: Site, reader: PostgresReader
) -> None:
    production = site.ref(site.production, "rental")
    standby = site.ref(site.standby, "rental")
    reading, said = read(reader, production, standby)
    assert reading.database == standby
    assert len(said) == 1
    assert "in production's place; its data is known to be of " in said[0]
    assert said[0].endswith(" s ago, and so are the figures")
    shared: list[str] = []
    counts = reading.figures(
        drain(reader.count(reading.database, alongside=lambda leader, name: _note(name, shared)))
    )
    assert len(shared) == 1  # a standby shares its snapshots
    assert {row.table: row.rows for row in counts.tables} == {"public.sales": 50}
    assert [(each.name, each.kind) for each in counts.aside] == [("public.carts", "unlogged table")]
    assert "standby does not hold" in counts.aside[0].why
    assert counts.read_from == standby.show()
    assert counts.identity == site.identity(site.production)  # and not the standby's


def test_without_a_replica_production_is_read(site: Site, reader: PostgresReader) -> None:
    production = site.ref(site.production, "rental")
    reading, said = read(reader, production, None)
    assert (reading.database, said) == (production, [])
    counts = drain(reader.count(production))
    assert reading.figures(counts) is counts
    assert {row.table for row in counts.tables} == {"public.sales", "public.carts"}


def test_a_step_that_names_a_database_means_that_one(site: Site, reader: PostgresReader) -> None:
    other = site.ref(site.other)
    reading, said = read(
        reader, site.ref(site.production, "rental"), site.ref(site.standby, "rental"), other
    )
    assert (reading.database, said) == (other, [])


def test_a_replica_that_does_not_answer_is_said_and_not_waited_for(
    site: Site, reader: PostgresReader
) -> None:
    production = site.ref(site.production, "rental")
    silent = production.model_copy(update={"host": "/no/such/folder"})
    reading, said = read(reader, production, silent)
    assert reading.database == production
    assert "does not answer, so production itself is read" in said[0]


@pytest.mark.parametrize(
    ("server", "dbname", "why"),
    [
        ("other", "postgres", "its system identifier is"),
        ("copy", "rental", "it is no standby"),
        ("production", "rental", "it is no standby"),
        ("standby", "second", "it was asked for the database second"),
    ],
)
def test_what_is_no_replica_is_refused(
    site: Site, reader: PostgresReader, server: str, dbname: str, why: str
) -> None:
    replica = site.ref(getattr(site, server), dbname)
    with pytest.raises(Refused) as caught:
        read(reader, site.ref(site.production, "rental"), replica)
    assert caught.value.code == "replica-foreign"
    assert why in caught.value.what


def test_a_replica_is_unproven_while_production_is_silent(
    site: Site, reader: PostgresReader
) -> None:
    silent = site.ref(site.production, "rental").model_copy(update={"port": 9})
    with pytest.raises(CouldNotVerify) as caught:
        read(reader, silent, site.ref(site.standby, "rental"))
    assert caught.value.code == "replica-unproven"


def test_figures_of_a_server_that_was_promoted_meanwhile_are_refused(
    site: Site, reader: PostgresReader
) -> None:
    reading, _ = read(reader, site.ref(site.production, "rental"), site.ref(site.standby, "rental"))
    counts = drain(reader.count(site.ref(site.copy, "rental")))
    with pytest.raises(Refused):
        reading.figures(counts)


def test_a_capture_and_a_comparison_read_the_replica(site: Site, tmp_path: Path) -> None:
    def entry(server: Any) -> str:
        return json.dumps(site.ref(server, "rental").model_dump(mode="json", exclude_none=True) | {"connect_timeout": "10s"})  # fmt: skip

    text = (
        f"drbook: 1\ntitle: T\nproduction:\n  database: {entry(site.production)}\n"
        f"  replica: {entry(site.standby)}\n"
        f"baselines: {{kind: directory, path: '{tmp_path}/baselines'}}\n"
        "steps: [{id: a, phase: detect, do: manual}]\n"
    )
    runbook = load(text.encode(), "r.yaml", vocabulary())
    said: list[Signal] = []
    inspection = Inspection(runbook, {}, {}, said.append)
    captured = inspection.capture(CaptureOrder(content=True))
    assert not captured.suspect
    stored = Baseline.unseal((tmp_path / "baselines" / captured.id).read_bytes())
    assert stored == captured.baseline
    assert stored.counts.read_from
    assert stored.counts.identity.in_recovery is False
    told = [item.text for item in said if isinstance(item, Milestone)]
    assert any("reading the replica" in text for text in told)
    assert any("the first baseline of this database" in text for text in told)
    compared = inspection.compare("newest")
    assert isinstance(compared.result, VerifyResult)
    assert compared.reason.startswith("None of ")
    # Against figures of production itself, what only production holds is unknown, and no loss.
    alone = load(text.replace("  replica:", "  # replica:").encode(), "r.yaml", vocabulary())
    whole = Inspection(alone, {}, {}, said.append).capture(CaptureOrder())
    assert {row.table for row in whole.baseline.counts.tables} == {"public.sales", "public.carts"}
    compared = inspection.compare("newest")
    assert compared.state is StepEnd.COULD_NOT_VERIFY
    assert compared.reason == "1 of 2 tables could not be verified."
    again = inspection.capture(CaptureOrder())
    assert not again.suspect


def test_figures_of_a_standby_that_lags_are_of_the_moment_that_it_knows(
    site: Site, reader: PostgresReader
) -> None:
    """Else a measured loss would be shorter than it is: what came later is in no backup of it."""
    replica = site.ref(site.standby, "rental")

    def of() -> tuple[datetime, str]:
        reading, said = read(reader, site.ref(site.production, "rental"), replica)
        return drain(reader.count(reading.database)).taken_at, said[0]

    def sell() -> datetime:
        """A sale that the standby has not got; the time just before it."""
        ((now,),) = site.run(site.production, "SELECT clock_timestamp()", "rental")
        site.run(site.production, "INSERT INTO sales VALUES (1000)", "rental")
        return now

    try:
        site.run(site.standby, "SELECT pg_wal_replay_pause()")
        paused = sell()
        time.sleep(2.1)
        taken, said = of()
        assert taken <= paused
        assert int(said.split("of ")[-1].split(" s ago")[0]) >= 3
        site.run(site.standby, "SELECT pg_wal_replay_resume()")
        assert eventually(lambda: of()[0] > paused)

        ((conninfo,),) = site.run(site.standby, "SHOW primary_conninfo")
        site.run(site.standby, "ALTER SYSTEM SET primary_conninfo = ''")
        site.run(site.standby, "SELECT pg_reload_conf()")
        gone = "SELECT count(*) FROM pg_stat_wal_receiver"
        assert eventually(lambda: site.run(site.standby, gone) == [(0,)])
        cut = sell()
        taken, _ = of()
        assert taken <= cut
        site.run(site.standby, "ALTER SYSTEM SET primary_conninfo = '{}'".format(conninfo.replace("'", "''")))  # fmt: skip
        site.run(site.standby, "SELECT pg_reload_conf()")
        assert eventually(lambda: of()[0] > cut)
    finally:
        site.run(site.production, "DELETE FROM sales WHERE id = 1000", "rental")


def test_a_server_s_own_figures_are_of_now(site: Site, reader: PostgresReader) -> None:
    before = datetime.now(UTC)
    taken = drain(reader.count(site.ref(site.production, "rental"))).taken_at
    assert before <= taken <= datetime.now(UTC)
