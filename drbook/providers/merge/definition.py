"""SQL that makes tables which production has lost, as the restored database has them.

drbook does not run it: a definition may hold whatever its owner wrote, and what a production looks like is
for people to say. It is read, run by hand, and then the rows are merged like any others.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from psycopg import sql

from drbook.core.errors import StepFailed
from drbook.core.ports import Cancel
from drbook.core.reviewed import TableFacts
from drbook.core.signals import Milestone, Working
from drbook.core.values import counted, plain
from drbook.providers.artifacts import ArtifactFolder
from drbook.providers.hiding import Secret, scrub
from drbook.providers.merge.references import TREE
from drbook.providers.pgdump import connect_string
from drbook.providers.pgsession import Connection
from drbook.providers.pgtools import ENGLISH, PgTools, choose
from drbook.providers.process import run

_PARTITIONS = (
    TREE.format(root="%s::regclass")
    + """
SELECT n.nspname::text, k.relname::text
  FROM tree JOIN pg_class k ON k.oid = tree.oid JOIN pg_namespace n ON n.oid = k.relnamespace
 ORDER BY 1, 2
"""
)
_REFERRING = """
SELECT c.conrelid::regclass::text, quote_ident(c.conname), pg_get_constraintdef(c.oid)
  FROM pg_constraint c
 WHERE c.contype = 'f' AND c.confrelid = %(one)s::regclass AND c.conrelid <> c.confrelid
   AND c.conrelid <> ALL (%(all)s::regclass[]) AND c.conparentid = 0 ORDER BY 1, 2
"""
Tools = Callable[[], tuple[PgTools, ...]]

_HEAD = """\
-- What production has lost of its structure, as the restored database has it. Read it before you run it:
-- owners are not in it (whoever runs it owns the tables), and views, functions and triggers of other tables
-- that went with them are not either.
"""
_TAIL = """
-- Foreign keys of other tables to these ones, which went with them. Add them once the rows are back:
"""


def write_definition(
    tools: Tools, folder: ArtifactFolder, cancel: Cancel
) -> Callable[[Connection, Sequence[TableFacts]], Working[str]]:
    """What asks `pg_dump` for the definitions, on the server behind a connection. A quoted name is taken by
    its patterns as it is in SQL."""

    def write(connection: Connection, tables: Sequence[TableFacts]) -> Working[str]:
        yield Milestone(f"writing the definition of {counted(len(tables), 'table')}")
        names = list(dict.fromkeys(_names(connection, tables)))
        tail = [
            f"-- ALTER TABLE {plain(table, 300)} ADD CONSTRAINT {plain(name, 130)} {plain(text, 2000)};"
            for one in names
            for table, name, text in connection.execute(_REFERRING, {"one": one, "all": names})
        ]
        text = yield from _dump(connection, names, tools(), cancel)
        body = _HEAD + text + (_TAIL + "\n".join(tail) + "\n" if tail else "")
        return folder.keep(body.encode(), ".sql")

    return write


def _names(connection: Connection, tables: Sequence[TableFacts]) -> Iterator[str]:
    """Each table and all of its partitions: `pg_dump` makes a parent without them, in which no row finds a
    place."""
    for one in tables:
        name = sql.Identifier(one.schema_, one.name).as_string(connection)
        yield name
        if one.partitioned:
            for found in connection.execute(_PARTITIONS, (name,)):
                yield sql.Identifier(*found).as_string(connection)


def _dump(
    connection: Connection, names: Sequence[str], tools: tuple[PgTools, ...], cancel: Cancel
) -> Working[str]:
    major = connection.info.server_version // 10000
    chosen = choose(tools, server=False, major=major, at_least=major)[0]
    argv: list[str | Path] = [
        chosen.path("pg_dump"),
        "--schema-only",
        "--no-owner",
        "--no-password",
    ]
    argv += ["--lock-wait-timeout=5s", *(f"--table={one}" for one in names)]
    argv += [f"--dbname={connect_string(connection)}"]
    password = connection.info.password
    pieces: list[bytes] = []
    done = yield from run(
        argv,
        env={**ENGLISH, **({"PGPASSWORD": Secret(password)} if password else {})},
        cancel=cancel,
        take=pieces.append,
    )
    if done.exit_code != 0:
        tail = plain(scrub(" ".join(done.stderr.split())[-400:]), 400)
        raise StepFailed(
            f"pg_dump failed with exit code {done.exit_code}: {tail or 'it said nothing'}",
            means="How the lost tables are made is not known from here. Nothing was proposed.",
            next="Look at the restored database with pg_dump by hand, make the tables in production, then run "
            "the step again.",
            code="dump",
        )
    return b"".join(pieces).decode("utf-8", "replace")
