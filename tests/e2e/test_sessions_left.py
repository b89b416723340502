"""An archive that does not end, on a server that drbook did not make: a timeout, and a crash."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from support.pattern import create
from support.pg import drain
from support.shop import Shop, occurred
from support.waiting import eventually

from drbook.providers.pgserver import ClusterServer

ENDLESS = b"""
SET client_connection_check_interval = 0;
DO $$ BEGIN LOOP BEGIN PERFORM pg_catalog.pg_sleep(600);
EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$;
"""


@pytest.fixture
def other(shop: Shop, tmp_path: Path) -> Iterator[ClusterServer]:
    """A server that is given, with a login for restores; the runbook restores into it."""
    server = ClusterServer(shop.server.tools, tmp_path / "other", name="other")
    server.make_folder()
    create(server)
    drain(server.start({"fsync": "off"}))
    try:
        with _asked(server) as connection:
            connection.execute("CREATE ROLE restorer LOGIN CREATEDB")
        dsn = f"postgresql:///postgres?host={server.socket}&user=restorer"
        shop.environment["OTHER_DSN"] = dsn
        shop.runbook.write_text(
            shop.runbook.read_text().replace(
                "target: {kind: cluster}", "target: {kind: database, server: {dsn: env:OTHER_DSN}}"
            )
        )
        yield server
    finally:
        server.stop()


def _asked(server: ClusterServer) -> psycopg.Connection:
    return psycopg.connect(
        host=str(server.socket), user="postgres", dbname="postgres", autocommit=True
    )


def _running(server: ClusterServer) -> bool:
    """Whether the archive's endless statement runs."""
    with _asked(server) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE usename = 'restorer' AND wait_event = 'PgSleep'"
        ).fetchall()
    return bool(found)


def test_a_timeout_ends_what_runs_on_the_given_server(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, other: ClusterServer
) -> None:
    shop.store("shop.sql", shop.dump("-Fp") + ENDLESS)
    text = shop.runbook.read_text()
    shop.runbook.write_text(
        text.replace("do: postgres.restore", "do: postgres.restore\n    timeout: 10s")
    )
    begun = time.monotonic()
    ran = drbook(
        "run", str(shop.runbook), "--headless", "--json", "--set", occurred(), **shop.environment
    )
    assert time.monotonic() - begun < 60
    assert ran.code == 1, ran.err
    assert not _running(other)
    assert "did not end within its timeout" in ran.err
    assert "1 session of the load still ran in restore_" in ran.err
    exported = drbook("timeline", ran.json()["incident"], "--format", "json").out
    assert "was ended; none is left" in exported


@pytest.mark.parametrize("reachable", [True, False])
def test_resume_ends_what_a_crash_left_on_the_given_server(  # type: ignore[no-untyped-def]
    drbook, shop: Shop, other: ClusterServer, reachable: bool
) -> None:
    shop.store("shop.sql", shop.dump("-Fp") + ENDLESS)
    arguments = ["run", str(shop.runbook), "--headless", "--set", occurred()]
    with drbook.start(*arguments, **shop.environment) as process:
        assert eventually(lambda: _running(other), 60)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert _running(other)
    environment = dict(shop.environment)
    if not reachable:
        environment["OTHER_DSN"] = "postgresql:///postgres?host=/nowhere&user=restorer"
    resumed = drbook("resume", "--headless", "--json", **environment)
    assert resumed.code == 6, resumed.err
    assert _running(other) is not reachable
    if reachable:
        assert "1 session of the load still ran in restore_" in resumed.err
    else:
        assert "Whether the archive's code still runs in restore_" in resumed.err
        exported = drbook("timeline", resumed.json()["incident"], "--format", "json").out
        assert "pg_terminate_backend(pid)" in exported
