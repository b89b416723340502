"""What a server must hold before an archive is loaded as a role without rights: roles and extensions.

All of it is said by our own statements, after a look at the archive's; nothing of the archive is in
the server yet. What only a superuser could create and no data depends on is left out, and reported.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from drbook.core.errors import DrbookError, StepFailed
from drbook.core.globals import Globals
from drbook.core.ports import Cancel
from drbook.core.signals import Milestone, Working
from drbook.core.targets import ADMIN, LOADER, READER, Target
from drbook.core.values import counted, plain
from drbook.providers import pgsession
from drbook.providers.archive_needs import Needs
from drbook.providers.pgsession import Connection
from drbook.providers.sqlnames import IDENTIFIER, bare
from drbook.providers.targets.lease import lease
from drbook.providers.targets.roles import HARMLESS


@dataclass(frozen=True, slots=True)
class Ground:
    """What was made, and therefore must not come from the archive again."""

    roles: tuple[str, ...] = ()
    """Those that stand in, for no globals file names them."""
    made: tuple[str, ...] = ()
    """Those of the globals file."""
    rights_left: tuple[str, ...] = ()
    extensions: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()


def make_ground(
    target: Target,
    needs: Needs,
    environment: Mapping[str, str],
    cancel: Cancel,
    globals: Globals | None = None,
) -> Working[Ground]:
    """Roles and extensions. Raises StepFailed, before anything is loaded."""
    if not target.whole_server:
        globals = None  # its roles are not ours to make
    if not needs.roles and not needs.extensions and globals is None:
        return Ground()
    with lease(target, environment, cancel, target.admin) as connection:
        try:
            made = _of_production(connection, globals) if globals is not None else ()
            roles = _stand_in(connection, target, needs.roles, made)
            extensions, schemas = _extensions(connection, target, needs.extensions)
        except psycopg.Error as error:
            raise _not_made(connection, error, cancel) from None
    if globals is not None:
        yield Milestone(_told(globals, made))
    if roles:
        shown = ", ".join(plain(name, 63) for name in roles[:10])
        yield Milestone(f"roles stand in without login, to be replaced: {shown}")
    if target.whole_server and (own := sorted(needs.roles & {ADMIN, LOADER, READER})):
        yield Milestone(
            f"what the dump grants to {', '.join(own)} is granted to drbook's own login of that name"
        )
    if extensions:
        shown = ", ".join(plain(name, 63) for name in extensions)
        yield Milestone(f"extensions made by drbook, not by the archive: {shown}")
    return Ground(
        roles,
        made,
        globals.left() if globals is not None else (),
        frozenset(extensions),
        frozenset(schemas),
    )


def _not_made(connection: Connection, error: psycopg.Error, cancel: Cancel) -> DrbookError:
    """Names come from the archive: those that no server accepts are the archive's fault."""
    if cancel.requested or connection.closed:
        return pgsession.broke_off(connection, error, cancel, "made what the dump needs")
    return StepFailed(
        "What the dump speaks of could not be made before it is loaded: " + pgsession.said(error),
        means="No server that was dumped has roles, schemas or extensions like that: somebody may have "
        "written into this copy. Nothing was loaded; the target is never used again.",
        next="Choose another recovery point, and ask who could write to this one.",
        code="ground",
    )


def _of_production(connection: Connection, globals: Globals) -> tuple[str, ...]:
    """Production's roles and who is a member of whom, without login and without any attribute that makes
    able: the loading login becomes a member of those that the archive names. Memberships in roles of the
    server's own are left out for the same reason."""
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    wanted = [each for each in globals.roles if each.name not in present and _ordinary(each.name)]
    for role in wanted:
        inherit = "NOINHERIT" if "NOINHERIT" in role.attributes else "INHERIT"
        connection.execute(
            sql.SQL("CREATE ROLE {} NOLOGIN " + inherit).format(sql.Identifier(role.name))
        )
    made = {role.name for role in wanted}
    for each in globals.memberships:
        if {each.group, each.member} <= made:
            admin = " WITH ADMIN OPTION" if each.admin else ""
            connection.execute(
                sql.SQL("GRANT {} TO {}" + admin).format(
                    sql.Identifier(each.group), sql.Identifier(each.member)
                )
            )
    return tuple(role.name for role in wanted)


def _ordinary(name: str) -> bool:
    """Neither a role of the server's own nor one of drbook's."""
    return not name.startswith("pg_") and name not in (ADMIN, LOADER, READER)


def _told(globals: Globals, made: tuple[str, ...]) -> str:
    left = globals.left()
    told = f"{counted(len(made), 'role')} made without login, from {globals.location}"
    if left:
        told += "; to be given back before cutover: " + "; ".join(left[:10])
        told += f" and {len(left) - 10} more" if len(left) > 10 else ""
    if globals.others:
        told += "; not read there: " + ", ".join(globals.others[:5])
    return told


def _stand_in(
    connection: Connection, target: Target, named: frozenset[str], made: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """NOLOGIN roles for those that the dump names and the server lacks; reported, never secret.

    Roles belong to a whole server: on a given one nothing is added, and their lack is an error.
    """
    present = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
    missing = tuple(sorted(named - present))
    if missing and not target.whole_server:
        raise StepFailed(
            "The dump speaks of roles that the server does not have: "
            + ", ".join(plain(name, 63) for name in missing[:10])
            + ".",
            means="Loading would stop at the first grant to one of them. Nothing was loaded.",
            next="Create them there (NOLOGIN is enough), or restore into a fresh cluster.",
            code="roles-missing",
        )
    for name in missing:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(name)))
    for name in sorted(named & {*missing, *made}):
        if target.admin is not None:
            # ALTER DEFAULT PRIVILEGES FOR ROLE asks for membership.
            connection.execute(
                sql.SQL("GRANT {} TO {}").format(sql.Identifier(name), sql.Identifier(LOADER))
            )
    return missing


def _extensions(
    connection: Connection, target: Target, wanted: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Creates them, before any of the archive's code is there to stand in their way; the names of
    extensions and of their schemas."""
    available = connection.execute(
        "SELECT a.name, v.trusted, coalesce(v.schema, 'public') FROM pg_available_extensions a"
        " JOIN pg_available_extension_versions v"
        " ON v.name = a.name AND v.version = a.default_version"
    ).fetchall()
    trusted = {name: bool(loadable) for name, loadable, _ in available}
    home = {name: schema for name, _, schema in available}
    if absent := sorted(set(wanted) - set(trusted)):
        raise StepFailed(
            f"The dump needs extensions that the target's server does not have: {_shown(absent)}.",
            means="Nothing was loaded.",
            next="Install their packages for this version of PostgreSQL, or point DRBOOK_PG_BIN at "
            "programs that have them; then run the step again.",
            code="extensions-missing",
        )
    if target.admin is None:
        return [], []
    allowed = HARMLESS | set(target.extensions)
    if outside := [name for name in wanted if not trusted[name] and name not in allowed]:
        raise StepFailed(
            "The dump needs extensions that only a superuser may create, and that are not known to "
            f"stay inside the database: {_shown(outside)}.",
            means="An archive is code, and could use them. Nothing was loaded.",
            next="Where this archive may have them, say so in the runbook: "
            f"`target: {{kind: cluster, extensions: [{_shown(outside)}]}}`.",
            code="extensions-outside",
        )
    schemas = sorted(set(wanted.values()) - {"", "public", "pg_catalog"})
    for schema in schemas:
        connection.execute(
            sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(
                sql.Identifier(schema), sql.Identifier(LOADER)
            )
        )
    for name, schema in wanted.items():  # in the dump's order: what others require comes first
        _create(connection, name, schema or home[name])
    return list(wanted), schemas


def _create(connection: Connection, name: str, schema: str) -> None:
    statement = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Identifier(schema)))
    loader = sql.Identifier(LOADER)
    wrappers = connection.execute(
        "SELECT w.fdwname FROM pg_foreign_data_wrapper w JOIN pg_depend d ON d.objid = w.oid"
        " JOIN pg_extension e ON e.oid = d.refobjid AND d.deptype = 'e' WHERE e.extname = %s",
        (name,),
    ).fetchall()
    for (wrapper,) in wrappers:
        connection.execute(
            sql.SQL("GRANT USAGE ON FOREIGN DATA WRAPPER {} TO {}").format(
                sql.Identifier(wrapper), loader
            )
        )
    # The rows of an extension's own tables (like PostGIS's reference systems) come from the dump.
    tables = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_extension e, pg_class c, pg_namespace n"
        " WHERE e.extname = %s AND c.oid = ANY (e.extconfig) AND n.oid = c.relnamespace",
        (name,),
    ).fetchall()
    for where, table in tables:
        connection.execute(
            sql.SQL("GRANT ALL ON {} TO {}").format(sql.Identifier(where, table), loader)
        )


def _shown(names: Iterable[str]) -> str:
    return ", ".join(plain(name, 63) for name in list(names)[:10])


# --- what is left out --------------------------------------------------------------------------

_LEFT = ("EVENT TRIGGER", "SUBSCRIPTION TABLE", "SUBSCRIPTION")


def left_out(entries: Iterable[str], needs: Needs, ground: Ground) -> dict[str, str]:
    """The lines of an archive's list that are not loaded, each with what it is, for people.

    An empty text stands for what drbook made itself, or what only speaks of something left out.
    """
    found, schemas = {}, {}
    for line in entries:
        match = _LINE.match(line)
        if match is None:
            continue
        kind, name = match["kind"], match["name"].rsplit(" ", 1)[0]
        if kind in _LEFT or (kind.startswith("PUBLICATION") and _of_everything(name, needs)):
            found[line] = "" if match["about"] else f"{kind.lower()} {name}"
        elif kind == "EXTENSION" and name in ground.extensions:
            found[line] = ""
        elif kind == "SCHEMA" and not match["about"]:
            schemas[line] = match["name"]
    return found | dict.fromkeys(_made(schemas, ground.schemas), "")


def _made(lines: Mapping[str, str], schemas: Iterable[str]) -> Iterator[str]:
    """The lines of schemas that are there already. A line ends with its owner, and nothing says where
    that begins: a role of two words is told where only one schema's line begins with the name."""
    for schema in schemas:
        fits = [line for line, rest in lines.items() if rest.startswith(f"{schema} ")]
        exact = [line for line in fits if lines[line].rsplit(" ", 1)[0] == schema]
        yield from exact or (fits if len(fits) == 1 else ())


def _of_everything(name: str, needs: Needs) -> bool:
    """Whether that is a publication's own entry, or one for something in it, which names that behind it.
    Where the names of several begin it, the longest is meant: the last one, for each begins the next."""
    fits = [one for one in needs.publications if name == one or name.startswith(f"{one} ")]
    return bool(fits) and max(fits) in needs.everything


_LINE = re.compile(
    r"^\d+; \d+ \d+ (?P<about>(?:COMMENT|SECURITY LABEL|ACL) \S+ )?(?P<kind>EVENT TRIGGER"
    r"|SUBSCRIPTION TABLE|SUBSCRIPTION|PUBLICATION TABLES IN SCHEMA|PUBLICATION TABLE|PUBLICATION"
    r"|SCHEMA|EXTENSION) (?(about)|\S+ )(?P<name>.+)$"
)
"""A line of `pg_restore --list`: numbers, what it is, its schema or `-`, its name, its owner."""

_LEAD = re.compile(rb"(?:\s+|--[^\n]*(?:\n|\Z))*")
_NAME = IDENTIFIER.encode()
_OWNER = re.compile(rb"ALTER\s.*\sOWNER\s+TO\s+" + _NAME + rb"\s*;\Z", re.DOTALL)
_STATEMENT = re.compile(
    rb"(?:CREATE|ALTER|COMMENT ON) (EVENT TRIGGER|SUBSCRIPTION|PUBLICATION|EXTENSION|SCHEMA)"
    rb" (?:IF NOT EXISTS )?(" + _NAME + rb")"
)
_TABLESPACE = re.compile(rb"SET default_tablespace = (?!''|\"\";)[^;]*;\Z")
_LONGEST_OWNER = 4096


@dataclass(slots=True)
class Leaving:
    """Says of a plain dump's statements which are not loaded, and keeps what they were.

    Owners and tablespaces are left out too, as `pg_restore --no-owner --no-tablespaces` does with
    archives.
    """

    needs: Needs
    ground: Ground
    found: list[str] = field(default_factory=list)

    def __call__(self, statement: bytes) -> bool:
        lead = _LEAD.match(statement)
        start = lead.end() if lead else 0
        text = statement[start : start + _LONGEST_OWNER]
        match = _STATEMENT.match(text)
        if match is None or match[1] == b"SCHEMA":
            short = len(statement) - start <= _LONGEST_OWNER
            if short and (_OWNER.match(text) or _TABLESPACE.match(text)):
                return True
            if match is None:
                return False
        kind, name = match[1].decode(), bare(match[2].decode("utf-8", "replace"))
        verb = text.split(b" ", 1)[0]
        if kind == "SCHEMA":
            return verb == b"CREATE" and name in self.ground.schemas
        if kind == "EXTENSION":
            return name in self.ground.extensions
        if kind == "PUBLICATION" and name not in self.needs.everything:
            return _OWNER.match(text) is not None
        if verb == b"CREATE" and len(self.found) < 200:
            self.found.append(f"{kind.lower()} {name}")
        return True
