"""Isolation is what was asked back; what could not be asked is never it."""

import pytest

from drbook.core.isolation import (
    ForeignServer,
    Isolation,
    ServerSaid,
    forced,
    judge,
    wrong,
)

ALONE = {
    **forced(18),
    "archive_command": "(disabled)",
    "archive_library": "",
}
GOOD = ServerSaid(
    major=18,
    settings=ALONE,
    subscriptions={},
    foreign=(),
    event_triggers=(),
    extensions=("plpgsql",),
    schemas=(),
    workers=("client backend", "checkpointer"),
    untrusted={},
)


def said(**changes: object) -> ServerSaid:
    return GOOD.model_copy(update=changes)


def setting(name: str, value: str | None) -> ServerSaid:
    return said(settings={**ALONE, name: value})


def test_a_server_that_answers_as_it_was_told_is_isolated() -> None:
    found = judge(GOOD, own_server=True)
    assert found.state == "isolated", found.of_state("open") + found.of_state("unknown")
    assert len(found.checks) == 16
    assert "none is in it" in found.not_prevented[0]


OPEN: dict[str, tuple[ServerSaid, str]] = {
    "it archives": (setting("archive_mode", "on"), "archive_mode"),
    "an archive command that would run": (
        said(settings={**ALONE, "archive_mode": "on", "archive_command": "cp %p /prod"}),
        "archive_command",
    ),
    "it follows": (setting("primary_conninfo", "host=prod"), "primary_conninfo"),
    "it waits for standbys": (setting("synchronous_standby_names", "*"), "synchronous_standby"),
    "it listens": (setting("listen_addresses", "*"), "listen_addresses"),
    "it loads a library": (
        setting("shared_preload_libraries", "pg_cron"),
        "shared_preload_libraries",
    ),
    "a subscription that may run": (
        said(
            settings={**ALONE, "max_logical_replication_workers": "4"}, subscriptions={"from": True}
        ),
        "subscriptions",
    ),
    "a foreign server that anybody may use": (
        said(foreign=(ForeignServer(name="prod", wrapper="postgres_fdw", mapped=("",)),)),
        "foreign servers",
    ),
    "a foreign server that drbook's reader may use": (
        said(foreign=(ForeignServer(name="p", wrapper="w", mapped=("drbook_reader",)),)),
        "foreign servers",
    ),
    "a foreign server that the runbook's login may use": (
        said(foreign=(ForeignServer(name="p", wrapper="w", mapped=("dr",)),), logins=("dr",)),
        "foreign servers",
    ),
    "an event trigger": (
        said(major=16, settings=ALONE | {"event_triggers": None}, event_triggers=("log_ddl",)),
        "event triggers",
    ),
    "jobs with their library": (
        said(settings={**ALONE, "shared_preload_libraries": "pg_cron"}, extensions=("pg_cron",)),
        "scheduled jobs",
    ),
    "an agent that reaches it": (
        said(settings={**ALONE, "listen_addresses": "*"}, schemas=("pgagent",)),
        "scheduled jobs",
    ),
    "a worker of somebody's": (said(workers=("checkpointer", "pg_cron launcher")), "processes"),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_reaches_outside_is_open(name: str) -> None:
    facts, what = OPEN[name]
    found = judge(facts, own_server=True)
    assert found.state == "open"
    assert any(what in one.what for one in found.of_state("open"))
    assert found.show().startswith("NOT known to be isolated")


QUIET = {
    "a subscription without workers": said(subscriptions={"from": True}),
    "a subscription that is disabled": said(subscriptions={"from": False}),
    "a foreign server that nobody here may use": said(
        foreign=(ForeignServer(name="prod", wrapper="postgres_fdw", mapped=("app",)),)
    ),
    "an event trigger that is switched off": said(event_triggers=("log_ddl",)),
    "jobs without their library": said(extensions=("pg_cron",)),
    "a command that is not run": setting("archive_command", "cp %p /prod"),
}


@pytest.mark.parametrize("name", QUIET)
def test_what_is_there_and_cannot_act_is_told(name: str) -> None:
    found = judge(QUIET[name], own_server=True)
    assert found.state == "isolated", found.show()


@pytest.mark.parametrize(
    "field",
    ["subscriptions", "foreign", "event_triggers", "extensions", "schemas", "workers"],
)
def test_what_could_not_be_asked_is_never_isolated(field: str) -> None:
    found = judge(said(**{field: None}), own_server=True)
    assert found.state == "unknown"
    assert found.show().startswith("NOT known to be isolated")


@pytest.mark.parametrize("name", [*forced(18), "archive_command", "archive_library"])
def test_a_setting_that_is_not_told_is_unknown(name: str) -> None:
    if name == "event_triggers":
        return_ = judge(
            said(settings={**ALONE, name: None}, event_triggers=("t",)), own_server=True
        )
        assert return_.state == "open"
        return
    found = judge(setting(name, None), own_server=True)
    assert found.state != "isolated"
    assert name in {one.what for one in found.of_state("unknown")}


def test_nobody_who_could_be_asked_is_unknown() -> None:
    assert judge(ServerSaid(major=18, settings={}), own_server=True).state == "unknown"
    assert Isolation(own_server=True, checks=()).state == "unknown"


def test_a_given_server_is_said_to_be_somebody_elses() -> None:
    found = judge(setting("archive_mode", "on"), own_server=False)
    assert "a given server" in found.show()
    assert "somebody else's" in found.not_prevented[-1]


def test_untrusted_code_and_extensions_that_reach_outside_are_told() -> None:
    found = judge(said(untrusted={"plpython3u": 3}, extensions=("dblink",)), own_server=True)
    assert "plpython3u (3 functions)" in found.not_prevented[0]
    assert "dblink" in found.not_prevented[1]
    assert "could not be asked" in judge(said(untrusted=None), own_server=True).not_prevented[0]


def test_what_is_forced_is_held_against_the_answer() -> None:
    assert wrong(ALONE, 18) == []
    assert wrong({**ALONE, "archive_mode": "on"}, 18) == ["archive_mode is 'on'"]
    assert wrong({**ALONE, "event_triggers": None}, 18) == ["event_triggers is not known"]
    assert "event_triggers" not in forced(16)
    assert "primary_conninfo" not in forced(11)
