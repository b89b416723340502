"""Tables for which server a found login of PostgreSQL is asked at, and what the answer means for production."""

from datetime import UTC, datetime, timedelta

import pytest

from drbook.core.baseline import Identity
from drbook.core.credentials import Might, Power
from drbook.core.logins import (
    MOST_SERVERS,
    Asked,
    Login,
    Production,
    Server,
    elsewhere,
    is_production,
    power_of,
    to_ask,
    worst,
)
from drbook.core.points import Basis
from drbook.core.roles import RoleFacts

YES, NO, DUNNO = Might.DESTROYS, Might.CANNOT, Might.UNKNOWN
PROD = Server(host="db.example", port="5432", database="shop", user="app")
LOCAL = Server(name="local", host="/run/pg", port="5433", database="blog", user="me")


def entry(host: str = "", port: str = "", database: str = "", user: str = "") -> Login:
    return Login(host=host, port=port, database=database, user=user, open=True)


def wheres(login: Login, *servers: Server) -> list[str]:
    return [f"{one.user}@{one.where}" for one in to_ask(login, servers)[0]]


@pytest.mark.parametrize(
    ("login", "asked"),
    [
        (entry(), ["app@db.example:5432/shop", "me@/run/pg:5433/blog"]),
        (entry(user="ops"), ["ops@db.example:5432/shop", "ops@/run/pg:5433/blog"]),
        (entry("DB.example", user="ops"), ["ops@DB.example:5432/shop"]),
        (entry("db.example", "5433"), []),
        (entry("db.example", "5432", "other", "ops"), ["ops@db.example:5432/other"]),
        (entry("else.example", "5432", "shop", "ops"), ["ops@else.example:5432/shop"]),
        (entry("else.example", "5432", "", "ops"), []),
        (entry("else.example", "", "shop", "ops"), []),
        (entry("else.example", "5432", "shop"), []),
        (Login(host="x", user="me", database="d"), ["me@x:5432/d"]),
        (Login(host="x", user="me"), ["me@x:5432/me"]),
        (Login(host="x"), []),
        (Login(user="me", database="d"), []),
    ],
)
def test_an_open_entry_is_asked_where_a_server_is_known(login: Login, asked: list[str]) -> None:
    assert wheres(login, PROD, LOCAL) == asked
    assert bool(to_ask(login, (PROD, LOCAL))[1]) is not bool(asked), "a reason, or logins"


def test_localhost_is_a_socket_too_and_the_other_way_it_is_not() -> None:
    assert wheres(entry("localhost", "5433", "blog", "me"), LOCAL) == ["me@localhost:5433/blog"]
    assert wheres(entry("/run/pg"), Server(host="localhost", database="d", user="u")) == []


def test_one_entry_is_not_asked_everywhere() -> None:
    many = [Server(host=f"h{n}", database="d", user="u") for n in range(20)]
    assert len(wheres(entry(), *many)) == MOST_SERVERS
    assert wheres(entry()) == []
    assert wheres(entry(), Server(host="h")) == [], "nobody says which database and user"


STARTED = datetime(2026, 11, 23, tzinfo=UTC)
BARE = dict.fromkeys((name for name in RoleFacts.model_fields if name != "database"), False)


def who(system: str = "7", database: str = "shop", hours: int = 0) -> Identity:
    return Identity(
        system_identifier=system,
        database=database,
        database_oid=5,
        started_at=STARTED + timedelta(hours=hours),
    )


def told(identity: Identity | None = None, host: str = "h", **facts: bool) -> Asked:
    given = RoleFacts(database="shop", **(BARE | facts))
    login = Login(host=host, port="5432", database="shop", user="app")
    return Asked(login=login, outcome="told", facts=given, identity=identity or who())


LIVE = Production(live=who(), address=PROD)
WRITTEN = Production(address=PROD)
BEFORE = Production(proven=(who(),))


@pytest.mark.parametrize(
    ("asked", "known", "same"),
    [
        (told(), LIVE, True),
        (told(who(hours=1)), LIVE, None),  # a physical copy of it, or a standby
        (told(who("8")), LIVE, False),
        (told(who("8"), "db.example"), LIVE, False),
        (told(host="db.example"), WRITTEN, True),
        (told(host="DB.EXAMPLE"), WRITTEN, True),
        (told(), WRITTEN, None),
        (told(), Production(), None),
        (told(who("8")), BEFORE, False),
        (told(), BEFORE, None),
        (told(who("8"), "db.example"), Production(proven=(who(),), address=PROD), None),
        (told(who("7"), "db.example"), Production(proven=(who(),), address=PROD), True),
    ],
)
def test_which_server_is_production(asked: Asked, known: Production, same: bool | None) -> None:
    assert is_production(asked, known) is same


@pytest.mark.parametrize(
    ("asked", "known", "might", "words"),
    [
        (told(), LIVE, NO, "can read only"),
        (told(creates_databases=True), LIVE, NO, "can read and create new databases"),
        (told(superuser=True), LIVE, YES, "can drop every database there"),
        (told(owns_database=True), LIVE, YES, "can drop the database shop, which it owns"),
        (told(truncates=True), LIVE, YES, "can empty tables of the database shop"),
        (told(runs_programs=True), LIVE, YES, "can run programs on the database's server"),
        (told(replicates=True), LIVE, DUNNO, "REPLICATION"),
        (told(superuser=True), Production(), DUNNO, "whether that is production is not known"),
        (told(), Production(), DUNNO, "whether that is production is not known"),
        (told(who("8"), owns_database=True), LIVE, NO, "which is not production's server"),
        (told(who("8"), superuser=True), LIVE, DUNNO, "not production's server"),
    ],
)
def test_what_the_answer_means(asked: Asked, known: Production, might: Might, words: str) -> None:
    power = power_of(asked, known)
    assert power.might is might
    assert words in power.reason
    assert (power.basis is Basis.OBSERVED) is (might is not DUNNO)


def test_a_login_that_opens_nothing_and_one_that_nobody_answers() -> None:
    login = Login(host="h", port="1", database="d", user="u")
    refused = Asked(login=login, outcome="refused", why="password authentication failed")
    silent = Asked(login=login, outcome="unknown", why="connection refused")
    for known in (LIVE, WRITTEN, Production()):
        assert power_of(refused, known).might is NO
        assert power_of(refused, known).reason.startswith("does not open h:1/d")
        assert power_of(silent, known).might is DUNNO
        assert "connection refused" in power_of(silent, known).reason


def test_of_productions_server_its_own_database_is_asked() -> None:
    other = told(who(database="blog"), owns_database=True)
    inside = elsewhere(other, LIVE)
    assert inside is not None
    assert inside.database == "shop"
    assert elsewhere(told(), LIVE) is None
    assert elsewhere(told(who("8", "blog")), LIVE) is None
    assert power_of(other, LIVE, told()).might is NO
    assert power_of(other, LIVE, told(writes_tables=True)).might is YES
    closed = Asked(login=inside, outcome="refused", why="permission denied for database")
    assert power_of(other, LIVE, closed).might is DUNNO
    strong = told(who(database="blog"), writes_files=True)
    assert power_of(strong, LIVE, closed).might is YES


def test_of_several_logins_with_one_password_the_worst_counts() -> None:
    powers = [Power(thing="x", might=one, basis=Basis.NONE, reason="") for one in (NO, DUNNO, YES)]
    assert [worst(powers[:n]).might for n in (1, 2, 3)] == [NO, DUNNO, YES]  # type: ignore[union-attr]
    assert worst([]) is None
