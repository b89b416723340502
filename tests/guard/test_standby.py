"""A standby is read, and its replay is paused in a live incident: nothing else reaches it."""

from datetime import timedelta

import pytest
from providers.test_standby_source import World, as_before, site, world
from support.pg import drain
from support.standby import ROWS, Pair, rows_of, value

from drbook.core.errors import NotExercised, Refused
from drbook.core.events import Mode
from drbook.core.ports import ProductionIdentity
from drbook.core.standby import PAUSE, RESUME
from drbook.providers.pgserver import ClusterServer
from drbook.providers.targets.kinds import DatabaseTarget

__all__ = ["as_before", "site", "world"]
pytestmark = pytest.mark.xdist_group("standby")

STATE = """
SELECT pg_is_in_recovery(), pg_get_wal_replay_pause_state(), pg_last_wal_replay_lsn()::text,
       (SELECT count(*) FROM bookings), (SELECT string_agg(datname, ' ' ORDER BY 1) FROM pg_database),
       (SELECT count(*) FROM pg_replication_slots)
"""


def state(server: ClusterServer) -> object:
    return rows_of(server, STATE)


@pytest.mark.parametrize("mode", [Mode.DRY_RUN, Mode.DRILL])
def test_only_a_live_incident_pauses_a_standby(site: Pair, world: World, mode: Mode) -> None:
    late = site.shared()
    text = world.document(world.source(late, "postgres"))
    world.mode = mode
    with world.open(text) as ports, pytest.raises(NotExercised):
        ports.standbys.pause("late")
    assert value(late, "SELECT pg_get_wal_replay_pause_state()") == "not paused"
    world.mode = Mode.LIVE
    with world.open(text) as ports:
        ports.standbys.pause("late")
    assert value(late, "SELECT pg_get_wal_replay_pause_state()") != "not paused"


def test_what_is_read_and_dumped_leaves_a_standby_as_it_was(site: Pair, world: World) -> None:
    late = site.shared()
    rows_of(late, PAUSE)
    world.occurred = site.loss()
    site.received(late)
    text, before = world.document(world.source(late)), state(late)
    located, _, _ = world.located(text)
    assert located.point is not None
    world.restored(text, located)
    assert world.rows["public.bookings"] == ROWS
    assert state(late) == before


def test_a_standby_is_never_a_target(site: Pair, world: World) -> None:
    late = site.shared()
    before = state(late)
    with world.open(world.document(world.source(late))) as ports:
        identity = ports.databases.probe(site.ref(site.production)).identity
        assert identity is not None
        for known in ([], [ProductionIdentity("live", "asked now", identity)]):
            with pytest.raises(Refused) as caught:
                drain(ports.targets.create(DatabaseTarget(server=site.ref(late)), "x", known))
            assert caught.value.code
    assert state(late) == before


def test_what_stays_possible_is_a_pause_by_a_query(site: Pair, world: World) -> None:
    """A function with an effect, for a login that may call it; a dry run refuses such a login."""
    late = site.shared()
    second = timedelta(seconds=1)
    text = world.document(world.source(late))
    with world.open(text) as ports:
        ports.databases.query(site.ref(late), PAUSE, {}, limit=1, timeout=second)
    assert value(late, "SELECT pg_get_wal_replay_pause_state()") != "not paused"
    rows_of(late, RESUME)
    world.mode = Mode.DRY_RUN
    with world.open(text) as ports, pytest.raises(Refused):
        ports.databases.query(site.ref(late), PAUSE, {}, limit=1, timeout=second)
