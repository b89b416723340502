"""What is made before an archive is loaded, asked of a server; and what is left out, asked of texts."""

import os
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.rows import scalar_row
from support.pg import Postgres, signals_of

from drbook.core.errors import Cancelled, CouldNotVerify, DrbookError, StepFailed
from drbook.core.globals import GlobalRole, Globals, Membership
from drbook.core.signals import Milestone
from drbook.core.targets import LOADER, Target
from drbook.providers import pgsession
from drbook.providers.archive_needs import Needs
from drbook.providers.cancel import CancelToken
from drbook.providers.pgidentity import answer
from drbook.providers.targets.ground import Ground, Leaving, left_out, make_ground
from drbook.providers.targets.lease import mark

OWN = ("drbook_admin", "drbook_loader", "drbook_reader")


@pytest.fixture
def made(postgres: Postgres) -> Iterator[Target]:
    """A marked, empty database of a server that is all ours, with the login that loads."""
    with postgres.connect("postgres") as admin:
        before = set(roles(postgres))
        admin.execute("CREATE DATABASE ground TEMPLATE template0")
        admin.execute(f"COMMENT ON DATABASE ground IS '{mark('n0nce')}'")
        admin.execute(f"CREATE ROLE {LOADER} LOGIN")
        ref = postgres.server.ref("ground")
        with pgsession.connect(ref, os.environ) as connection:
            identity = answer(connection).identity
        try:
            yield Target(
                kind="cluster", name="restore-1", nonce="n0nce", location="", connect=ref,
                admin=ref, identity=identity, proof="", whole_server=True,
            )  # fmt: skip
        finally:
            admin.execute("DROP DATABASE ground WITH (FORCE)")
            for name in set(roles(postgres)) - before:
                admin.execute(f'DROP ROLE "{name}"')


def roles(postgres: Postgres) -> dict[str, str]:
    """Every role → `L` where it may log in, `I` where it inherits, `S` where it is able to more."""
    with postgres.connect("postgres") as admin:
        return dict(
            admin.execute(
                "SELECT rolname, concat(CASE WHEN rolcanlogin THEN 'L' END, CASE WHEN rolinherit THEN"
                " 'I' END, CASE WHEN rolsuper OR rolcreatedb OR rolcreaterole THEN 'S' END) FROM pg_roles"
            ).fetchall()
        )


def members(postgres: Postgres) -> set[tuple[str, str, bool]]:
    """(group, member, with its ADMIN option), without the server's own."""
    with postgres.connect("postgres") as admin:
        return set(
            admin.execute(
                "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members"
                " WHERE roleid >= 16384"
            ).fetchall()
        )


def asked(postgres: Postgres, query: str) -> list[object]:
    with postgres.connect("ground") as admin:
        return admin.cursor(row_factory=scalar_row).execute(query.encode()).fetchall()


def ground(
    target: Target, needs: Needs, globals: Globals | None = None
) -> tuple[Ground, list[str]]:
    found, said = signals_of(make_ground(target, needs, os.environ, CancelToken(), globals))
    assert all(isinstance(each, Milestone) for each in said)
    return found, [each.text for each in said if isinstance(each, Milestone)]


def failed(target: Target, needs: Needs) -> DrbookError:
    with pytest.raises(DrbookError) as caught:
        ground(target, needs)
    return caught.value


# --- roles -------------------------------------------------------------------------------------


def test_what_needs_nothing_asks_nobody(made: Target) -> None:
    gone = made.connect.model_copy(update={"host": "127.0.0.1", "port": 1})
    target = made.model_copy(update={"connect": gone, "admin": gone})
    assert ground(target, Needs()) == (Ground(), [])
    given = target.model_copy(update={"whole_server": False})
    assert ground(given, Needs(), globals_of("anna")) == (Ground(), [])
    for needs, file in (
        (Needs(frozenset("a")), None),
        (Needs(extensions={"hstore": ""}), None),
        (Needs(), globals_of("a")),
    ):
        with pytest.raises(StepFailed, match="does not answer"):
            ground(target, needs, file)


def test_roles_stand_in_without_login(made: Target, postgres: Postgres) -> None:
    found, said = ground(made, Needs(frozenset({"zoe", "anna", "reader"})))
    assert found == Ground(roles=("anna", "zoe"))
    assert said == ["roles stand in without login, to be replaced: anna, zoe"]
    assert {name: roles(postgres)[name] for name in ("anna", "zoe")} == {"anna": "I", "zoe": "I"}
    # ALTER DEFAULT PRIVILEGES FOR ROLE asks for membership; a role that was there lends nothing.
    assert members(postgres) == {("anna", LOADER, False), ("zoe", LOADER, False)}


def test_many_roles_are_not_all_named(made: Target) -> None:
    names = frozenset(f"r{number:02}" for number in range(12)) | {"a\x1b" + "x" * 80}
    target = made.model_copy(update={"whole_server": False})
    error = failed(target, Needs(names))
    assert error.code == "roles-missing"
    assert "does not have: a" in error.what
    assert "r09" not in error.what
    assert "\x1b" not in error.what
    assert "x" * 63 not in error.what
    assert "Loading would stop at the first grant" in error.means
    assert "NOLOGIN is enough" in error.next
    assert error.what.endswith("r08.")
    _, (said,) = ground(made, Needs(names - {"a\x1b" + "x" * 80}))
    assert said.endswith(": " + ", ".join(f"r{number:02}" for number in range(10)))


def test_names_from_outside_are_harmless_where_they_are_told(made: Target) -> None:
    assert "e\\x1bf." in failed(made, Needs(extensions={"e\x1bf": ""})).what
    _, (said,) = ground(made, Needs(frozenset({"a\x1bb"})))
    assert said == "roles stand in without login, to be replaced: a\\x1bb"


def test_a_given_server_that_has_them_gets_none(made: Target, postgres: Postgres) -> None:
    target = made.model_copy(update={"whole_server": False, "admin": None})
    assert ground(target, Needs(frozenset({"reader"})), globals_of("anna")) == (Ground(), [])
    assert "anna" not in roles(postgres)
    assert not members(postgres)


def test_no_login_of_its_own_is_made_a_member(made: Target, postgres: Postgres) -> None:
    """Where nobody but the administrator is there, nobody needs to be one."""
    ground(made.model_copy(update={"admin": None}), Needs(frozenset({"anna"})))
    assert "anna" in roles(postgres)
    assert not members(postgres)


def test_a_name_that_no_server_takes_is_the_archive_s_fault(made: Target) -> None:
    error = failed(made, Needs(frozenset({"pg_mine"})))
    assert isinstance(error, StepFailed)
    assert error.code == "ground"
    assert 'could not be made before it is loaded: role name "pg_mine" is reserved' in error.what
    assert "somebody may have written into this copy. Nothing was loaded" in error.means
    assert "Choose another recovery point" in error.next


def test_a_role_that_is_called_as_drbook_s_own_login_is_told(
    made: Target, postgres: Postgres
) -> None:
    found, said = ground(made, Needs(frozenset({LOADER, "anna"})))
    assert found.roles == ("anna",)
    assert said == [
        "roles stand in without login, to be replaced: anna",
        "what the dump grants to drbook_loader is granted to drbook's own login of that name",
    ]
    assert members(postgres) == {("anna", LOADER, False)}
    given = made.model_copy(update={"whole_server": False})
    assert ground(given, Needs(frozenset({LOADER}))) == (Ground(), [])
    _, said = ground(made, Needs(frozenset(OWN)))
    assert said[-1].startswith(
        "what the dump grants to drbook_admin, drbook_loader, drbook_reader is"
    )


@pytest.mark.parametrize("how", ["cancelled", "ended"])
def test_a_session_that_ends_is_not_the_archive_s_fault(
    made: Target, postgres: Postgres, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = CancelToken()
    execute = psycopg.Connection.execute

    def broken(self: psycopg.Connection, query: object, *rest: object, **more: object) -> object:
        if "CREATE ROLE" in str(query):
            if how == "cancelled":
                token.request("enough")
                raise psycopg.errors.QueryCanceled("canceling statement due to user request")
            with postgres.connect("postgres") as admin:
                execute(admin, "SELECT pg_terminate_backend(%s, 5000)", (self.info.backend_pid,))
        return execute(self, query, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg.Connection, "execute", broken)
    with pytest.raises(DrbookError) as caught:
        signals_of(make_ground(made, Needs(frozenset({"anna"})), os.environ, token))
    assert isinstance(caught.value, Cancelled if how == "cancelled" else CouldNotVerify)
    assert caught.value.code != "ground"


# --- a globals file ----------------------------------------------------------------------------


def globals_of(*names: str, members: tuple[Membership, ...] = (), **more: object) -> Globals:
    return Globals.model_validate(
        {
            "location": "globals.sql",
            "sha256": "",
            "roles": [GlobalRole(name=name) for name in names],
            "memberships": members,
        }
        | more
    )


def test_production_s_roles_are_made_without_what_makes_them_able(
    made: Target, postgres: Postgres
) -> None:
    file = globals_of(
        roles=[
            GlobalRole(name="anna", attributes=("LOGIN", "SUPERUSER")),
            GlobalRole(name="staff", attributes=("NOINHERIT",)),
            GlobalRole(name="reader"),
            GlobalRole(name="pg_mine"),
            *(GlobalRole(name=name) for name in OWN),
        ],
        members=(
            Membership(group="staff", member="anna", admin=True),
            Membership(group="anna", member="reader"),
            Membership(group="reader", member="anna"),
            Membership(group="pg_monitor", member="anna"),
        ),
    )
    there = roles(postgres)
    found, said = ground(made, Needs(frozenset({"staff", "zoe", "pg_monitor"})), file)
    assert found.made == ("anna", "staff")
    assert found.roles == ("zoe",)
    assert found.rights_left == file.left()
    now = {name: what for name, what in roles(postgres).items() if name not in there}
    assert now == {"anna": "I", "staff": "", "zoe": "I"}
    assert members(postgres) == {
        ("staff", "anna", True),
        ("staff", LOADER, False),
        ("zoe", LOADER, False),
    }
    assert said[0] == (
        "2 roles made without login, from globals.sql; to be given back before cutover: "
        "anna: LOGIN, SUPERUSER; anna: member of pg_monitor"
    )
    assert said[1:] == ["roles stand in without login, to be replaced: zoe"]


def test_a_membership_without_its_admin_option(made: Target, postgres: Postgres) -> None:
    ground(made, Needs(), globals_of("a", "b", members=(Membership(group="a", member="b"),)))
    assert members(postgres) == {("a", "b", False)}


def test_what_a_globals_file_says_at_length_is_cut(made: Target) -> None:
    many = [GlobalRole(name=f"r{number:02}", attributes=("LOGIN",)) for number in range(12)]
    words = [f"W{number}" for number in range(7)]
    _, (said,) = ground(made, Needs(), globals_of(roles=many, others=words))
    assert "; r09: LOGIN and 2 more; not read there: W0, W1, W2, W3, W4" in said
    assert "r10" not in said
    assert said.endswith("W4")


@pytest.mark.parametrize(("count", "end"), [(10, "r09: LOGIN"), (11, "r09: LOGIN and 1 more")])
def test_as_many_as_are_shown_leave_no_more(made: Target, count: int, end: str) -> None:
    many = [GlobalRole(name=f"r{number:02}", attributes=("LOGIN",)) for number in range(count)]
    _, (said,) = ground(made, Needs(), globals_of(roles=many))
    assert said.endswith(end)


# --- extensions --------------------------------------------------------------------------------


def test_extensions_are_made_where_the_dump_has_them(made: Target, postgres: Postgres) -> None:
    wanted = {"cube": "shapes", "earthdistance": "shapes", "hstore": "", "citext": "public"}
    found, said = ground(made, Needs(extensions=wanted))
    assert found == Ground(extensions=frozenset(wanted), schemas=frozenset({"shapes"}))
    assert said == [
        "extensions made by drbook, not by the archive: cube, earthdistance, hstore, citext"
    ]
    where = asked(
        postgres, "SELECT extname || ' ' || extnamespace::regnamespace FROM pg_extension ORDER BY 1"
    )
    assert where == [
        "citext public", "cube shapes", "earthdistance shapes", "hstore public", "plpgsql pg_catalog",
    ]  # fmt: skip
    owner = "SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'shapes'"
    assert asked(postgres, owner) == [LOADER]


def test_one_in_the_server_s_own_schema(made: Target) -> None:
    found, _ = ground(made, Needs(extensions={"plpgsql": "pg_catalog"}))
    assert found == Ground(extensions=frozenset({"plpgsql"}))


def test_an_extension_that_the_server_lacks(made: Target) -> None:
    names = {f"e{number:02}": "" for number in range(11)}
    error = failed(made, Needs(extensions={**names, "hstore": ""}))
    assert error.code == "extensions-missing"
    assert "does not have: e00, e01" in error.what
    assert error.what.endswith("e09.")
    assert error.means == "Nothing was loaded."
    assert "DRBOOK_PG_BIN" in error.next


def test_an_extension_that_reaches_outside(made: Target, postgres: Postgres) -> None:
    needs = Needs(extensions={"dblink": "", "hstore": "", "amcheck": "", "file_fdw": ""})
    error = failed(made, needs)
    assert error.code == "extensions-outside"
    assert error.what.endswith("stay inside the database: dblink, file_fdw.")
    assert "An archive is code" in error.means
    assert "`target: {kind: cluster, extensions: [dblink, file_fdw]}`" in error.next
    assert asked(postgres, "SELECT extname::text FROM pg_extension") == ["plpgsql"]
    said_so = made.model_copy(update={"extensions": ("dblink", "file_fdw")})
    found, _ = ground(said_so, needs)
    assert found.extensions == set(needs.extensions)
    grants = (
        "SELECT fdwname || ' ' || has_foreign_data_wrapper_privilege('drbook_loader', oid, 'USAGE')"
    )
    assert asked(postgres, f"{grants} FROM pg_foreign_data_wrapper ORDER BY 1") == [
        "dblink_fdw true", "file_fdw true",
    ]  # fmt: skip


STAYING = (
    "amcheck", "bloom", "cube", "earthdistance", "pg_buffercache", "pg_freespacemap",
    "pg_stat_statements", "pg_visibility", "pgrowlocks", "pgstattuple", "plpgsql", "vector",
)  # fmt: skip
"""Of the extensions that stay inside of their database, those that the tests' server has."""


def test_extensions_that_stay_inside_need_no_word_of_the_runbook(made: Target) -> None:
    found, _ = ground(made, Needs(extensions=dict.fromkeys(STAYING, "")))
    assert found.extensions == set(STAYING)


def test_a_given_server_s_archive_makes_its_own(made: Target, postgres: Postgres) -> None:
    target = made.model_copy(update={"admin": None})
    found, said = ground(target, Needs(extensions={"hstore": "", "dblink": "far"}))
    assert (found, said) == (Ground(), [])
    assert asked(postgres, "SELECT extname::text FROM pg_extension") == ["plpgsql"]


def test_rows_of_an_extension_s_own_tables_may_be_loaded(made: Target, postgres: Postgres) -> None:
    with postgres.connect("ground") as admin:
        admin.execute("CREATE EXTENSION hstore")
        for name in ("kept", "other"):
            admin.execute(f"CREATE TABLE {name} (n int)")
            admin.execute(f"ALTER EXTENSION hstore ADD TABLE {name}")
        admin.execute(
            "UPDATE pg_extension SET extconfig = ARRAY['kept'::regclass::oid] WHERE extname = 'hstore'"
        )
    ground(made, Needs(extensions={"hstore": ""}))
    may = "SELECT c.relname || ' ' || has_table_privilege('drbook_loader', c.oid, 'INSERT')"
    assert asked(postgres, f"{may} FROM pg_class c WHERE relname IN ('kept', 'other') ORDER BY 1") == [
        "kept true", "other false",
    ]  # fmt: skip


# --- what is left out: the list of an archive --------------------------------------------------

EVERYTHING = frozenset({"all", "odd one"})
NEEDS = Needs(publications=EVERYTHING | {"some", "all paid", "odd"}, everything=EVERYTHING)
MADE = Ground(extensions=frozenset({"hstore"}), schemas=frozenset({"shapes"}))
LEFT = {
    "4; 3466 16385 EVENT TRIGGER - watch postgres": "event trigger watch",
    "5; 0 0 COMMENT - EVENT TRIGGER watch postgres": "",
    "6; 6100 1 SUBSCRIPTION - far away postgres": "subscription far away",
    "7; 0 0 SECURITY LABEL - SUBSCRIPTION far postgres": "",
    "8; 0 0 SUBSCRIPTION TABLE public far t postgres": "subscription table far t",
    "9; 6104 1 PUBLICATION - all postgres": "publication all",
    "9; 6104 1 PUBLICATION - odd one postgres": "publication odd one",
    "9; 6104 1 PUBLICATION - odd one deploy user": "publication odd one deploy",
    "9; 0 0 COMMENT - PUBLICATION all postgres": "",
    "10; 6237 1 PUBLICATION TABLES IN SCHEMA public all public postgres": "publication tables in schema "
    "all public",
    "11; 6106 1 PUBLICATION TABLE public all t postgres": "publication table all t",
    "12; 3079 1 EXTENSION - hstore ": "",
    "13; 0 0 COMMENT - EXTENSION hstore ": "",
    "14; 2615 1 SCHEMA - shapes postgres": "",
}
STAYS = [
    "; comment",
    "",
    "x; 6100 1 SUBSCRIPTION - far postgres",
    "9; 6104 1 PUBLICATION - al postgres",
    "9; 6104 1 PUBLICATION - allx postgres",
    "9; 6104 1 PUBLICATION - some postgres",
    "9; 6104 1 PUBLICATION - all paid postgres",
    "9; 0 0 COMMENT - PUBLICATION all paid postgres",
    "9; 6104 1 PUBLICATION - odd postgres",
    "9; 6104 1 PUBLICATION - odd deploy user",
    "11; 6106 1 PUBLICATION TABLE public all paid t postgres",
    "11; 6106 1 PUBLICATION TABLE public odd t postgres",
    "11; 6106 1 PUBLICATION TABLE public some t postgres",
    "12; 3079 1 EXTENSION - cube ",
    "12; 3079 1 EXTENSION - shapes ",
    "14; 2615 1 SCHEMA - hstore postgres",
    "14; 2615 1 SCHEMA - all postgres",
    "15; 0 0 COMMENT - SCHEMA shapes postgres",
    "15; 0 0 ACL - SCHEMA shapes postgres",
    "16; 1259 1 TABLE public subscription postgres",
    "17; 1259 1 TABLE public EVENT TRIGGER postgres",
]


def test_lines_of_an_archive_s_list() -> None:
    assert left_out([*STAYS, *LEFT, *STAYS], NEEDS, MADE) == LEFT


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["shapes deploy user"], ["shapes deploy user"]),
        (["shapes postgres", "shapes deploy user"], ["shapes postgres"]),
        (["shapes a b", "shapes c d"], []),  # which of them, nothing tells: the load says so
        (["shapesx deploy user", "shape user"], []),
        (["shapes "], ["shapes "]),
    ],
)
def test_a_schema_whose_owner_has_a_name_of_two_words(names: list[str], left: list[str]) -> None:
    lines = [f"14; 2615 1 SCHEMA - {name}" for name in names]
    expected = {f"14; 2615 1 SCHEMA - {name}": "" for name in left}
    assert left_out(lines, NEEDS, MADE) == expected


# --- what is left out: a plain dump's statements -----------------------------------------------

LOST = {
    "CREATE EVENT TRIGGER watch ON ddl_command_start EXECUTE FUNCTION f();": "event trigger watch",
    "ALTER EVENT TRIGGER watch DISABLE;": None,
    "ALTER EVENT TRIGGER watch OWNER TO postgres;": None,
    "COMMENT ON EVENT TRIGGER watch IS 'x';": None,
    "CREATE SUBSCRIPTION \"far away\" CONNECTION 'x' PUBLICATION y;": "subscription far away",
    "CREATE PUBLICATION all FOR ALL TABLES;": "publication all",
    "ALTER PUBLICATION all ADD TABLES IN SCHEMA public;": None,
    "ALTER PUBLICATION all OWNER TO postgres;": None,
    "ALTER PUBLICATION some OWNER TO postgres;": None,
    "CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;": None,
    "COMMENT ON EXTENSION hstore IS 'x';": None,
    "CREATE SCHEMA shapes;": None,
    "ALTER SCHEMA shapes OWNER TO postgres;": None,
    "ALTER SCHEMA other OWNER TO postgres;": None,
    "ALTER TABLE public.t OWNER TO postgres;": None,
    'ALTER TABLE public.t OWNER TO "odd; one" ;': None,
    "SET default_tablespace = fast;": None,
    "\n-- a comment ;\n\n  ALTER TABLE t\n OWNER TO a;": None,
}
KEPT = [
    "CREATE PUBLICATION some FOR TABLE ONLY public.t;",
    "CREATE EXTENSION IF NOT EXISTS cube;",
    "CREATE SCHEMA hstore;",
    "COMMENT ON SCHEMA shapes IS 'x';",
    "ALTER TABLE public.t OWNER TO postgres, x;",
    "ALTER TABLE public.t RENAME TO owner;",
    "SET default_tablespace = '';",
    'SET default_tablespace = "";',
    "SET default_table_access_method = heap;",
    "SELECT 1;",
    "-- CREATE SCHEMA shapes;\nSELECT 1;",
    "CREATE TABLE event_trigger ();",
]


def made_out(text: str) -> tuple[bool, list[str]]:
    leaving = Leaving(NEEDS, MADE)
    return leaving(text.encode()), leaving.found


@pytest.mark.parametrize("text", LOST)
def test_a_statement_that_is_left_out(text: str) -> None:
    name = LOST[text]
    assert made_out(text) == (True, [name] if name else [])


@pytest.mark.parametrize("text", KEPT)
def test_a_statement_that_stays(text: str) -> None:
    assert made_out(text) == (False, [])


@pytest.mark.parametrize(("length", "left"), [(4096, True), (4097, False)])
@pytest.mark.parametrize("lead", ["", "-- one\n"])
def test_an_owner_is_looked_for_in_short_statements_only(
    length: int, left: bool, lead: str
) -> None:
    begun, end = "ALTER TABLE ", " OWNER TO a;"
    text = lead + begun + "t" * (length - len(begun) - len(end)) + end
    assert made_out(text) == (left, [])


def test_what_a_long_statement_quotes_is_no_end_of_it() -> None:
    begun, end = 'ALTER TABLE t RENAME TO "', " OWNER TO a;"
    text = begun + "x" * (4096 - len(begun) - len(end)) + end + 'more";'
    assert made_out(text) == (False, [])
    assert made_out(text[:4096]) == (True, [])


def test_a_name_that_is_no_text_is_nobodys() -> None:
    leaving = Leaving(NEEDS, MADE)
    assert not leaving(b'CREATE SCHEMA "\xff";')
    assert leaving(b"CREATE SUBSCRIPTION \"\xff\" CONNECTION '' PUBLICATION p;")
    assert leaving.found == ["subscription �"]


def test_only_so_many_are_told() -> None:
    leaving = Leaving(NEEDS, MADE)
    for number in range(201):
        assert leaving(b"CREATE EVENT TRIGGER e%d ON x EXECUTE FUNCTION f();" % number)
    assert len(leaving.found) == 200
    assert leaving.found[0] == "event trigger e0"
