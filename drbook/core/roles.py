"""What a PostgreSQL login may destroy, by what its server says of its role.

One read-only query over catalogues, and its answer judged. Counted is what the login may do, and what every
role may that it can become by SET ROLE or make itself a member of (ADMIN OPTION); a membership that neither
inherits nor may be set gives nothing (PostgreSQL 16 and later, `pg_auth_members`).
"""

from collections.abc import Sequence

from drbook.core.credentials import PRODUCTION, Might, Power
from drbook.core.points import Basis
from drbook.core.values import Frozen, plain

_OWN = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_OTHERS = (
    "'pg_write_all_data', 'pg_maintain', 'pg_read_server_files', 'pg_database_owner',"
    " 'pg_signal_backend', 'pg_checkpoint', 'pg_create_subscription'"
)

QUERY = f"""WITH RECURSIVE b (oid) AS (
 SELECT oid FROM pg_roles WHERE rolname = session_user
 UNION
 SELECT m.roleid FROM b JOIN pg_auth_members m ON m.member = b.oid
  WHERE m.admin_option OR coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)),
w (oid, name) AS (
 SELECT r.oid, r.rolname FROM pg_roles r WHERE EXISTS (SELECT FROM b WHERE pg_has_role(b.oid, r.oid, 'USAGE'))),
c AS (
 SELECT c.oid, c.relkind, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {_OWN})
SELECT current_database() AS database,
 EXISTS (SELECT FROM b JOIN pg_roles r USING (oid) WHERE r.rolsuper) AS superuser,
 EXISTS (SELECT FROM pg_database d JOIN w ON w.oid = d.datdba
         WHERE d.datname = current_database()) AS owns_database,
 EXISTS (SELECT FROM w WHERE name = 'pg_execute_server_program') AS runs_programs,
 EXISTS (SELECT FROM w WHERE name = 'pg_write_server_files') AS writes_files,
 EXISTS (SELECT FROM pg_namespace n JOIN w ON w.oid = n.nspowner
         WHERE {_OWN} AND EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid
                                  AND c.relkind IN ('r', 'p', 'm'))) AS owns_schemas,
 EXISTS (SELECT FROM c JOIN w ON w.oid = c.relowner WHERE c.relkind IN ('r', 'p', 'm')) AS owns_tables,
 EXISTS (SELECT FROM c, b WHERE c.relkind IN ('r', 'p', 'f')
         AND has_table_privilege(b.oid, c.oid, 'TRUNCATE')) AS truncates,
 EXISTS (SELECT FROM c, b WHERE c.relkind IN ('r', 'p', 'v', 'f')
         AND (has_table_privilege(b.oid, c.oid, 'DELETE, UPDATE')
              OR has_any_column_privilege(b.oid, c.oid, 'UPDATE'))) AS writes_tables,
 EXISTS (SELECT FROM b JOIN pg_roles r USING (oid) WHERE r.rolcreaterole) AS creates_roles,
 EXISTS (SELECT FROM b JOIN pg_roles r USING (oid) WHERE r.rolreplication) AS replicates,
 EXISTS (SELECT FROM b JOIN pg_roles r USING (oid) WHERE r.rolbypassrls) AS bypasses_rls,
 EXISTS (SELECT FROM w WHERE name IN ({_OTHERS})) AS strong_role,
 EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, b
         WHERE {_OWN} AND (p.prosecdef OR p.proname LIKE 'dblink%')
         AND has_function_privilege(b.oid, p.oid, 'EXECUTE')) AS borrows_rights,
 EXISTS (SELECT FROM b WHERE has_database_privilege(b.oid, current_database(), 'CREATE')
         OR EXISTS (SELECT FROM pg_namespace n WHERE {_OWN}
                    AND has_schema_privilege(b.oid, n.oid, 'CREATE'))
         OR EXISTS (SELECT FROM c WHERE c.relkind IN ('r', 'p', 'v', 'f')
                    AND has_table_privilege(b.oid, c.oid, 'TRIGGER'))) AS lays_code,
 EXISTS (SELECT FROM pg_largeobject_metadata) AS large_objects,
 EXISTS (SELECT FROM b JOIN pg_roles r USING (oid) WHERE r.rolcreatedb) AS creates_databases"""
"""One row about the login that asks, `session_user`: a database's name, and booleans."""


class RoleFacts(Frozen):
    """The query's answer."""

    database: str = ""
    """Which one was asked about."""
    superuser: bool
    owns_database: bool
    runs_programs: bool
    """On the server's machine, as the server's user (pg_execute_server_program)."""
    writes_files: bool
    """Of the server, its data among them (pg_write_server_files)."""
    owns_schemas: bool
    """With tables in them."""
    owns_tables: bool
    truncates: bool
    writes_tables: bool
    creates_roles: bool
    replicates: bool
    bypasses_rls: bool
    strong_role: bool
    """It may become a predefined role whose reach rights on tables do not tell."""
    borrows_rights: bool
    """It may call functions of others that run with their owner's rights, or connections by the server."""
    lays_code: bool
    """It may create functions or triggers where others with more rights may run them."""
    large_objects: bool
    """There are large objects, of whose rights nothing is told here."""
    creates_databases: bool
    """New ones: that destroys nothing."""

    @classmethod
    def read(cls, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> "RoleFacts":
        """From PostgreSQL's own text. Raises ValueError where it is something else."""
        if len(rows) != 1 or len(rows[0]) != len(columns) or not rows[0]:
            raise ValueError("the server did not answer with one row of booleans")
        database, *values = rows[0]
        if columns[0] != "database" or any(value not in ("t", "f") for value in values):
            raise ValueError("the server did not answer with one row of booleans")
        told = {column: value == "t" for column, value in zip(columns[1:], values, strict=True)}
        return cls(database=plain(database or "", 63), **told)

    @property
    def everywhere(self) -> str:
        """What it can do to every database of that server, in words; empty where that is nothing."""
        for true, words in (
            (self.superuser, "can drop every database there: it is, or may become, a superuser"),
            (self.runs_programs, "can run programs on the database's server, as the server's user"),
            (self.writes_files, "can overwrite the server's files, its data among them"),
        ):
            if true:
                return words
        return ""

    @property
    def destroys(self) -> str:
        """What it can destroy, in words; empty where nothing that was asked allows it."""
        named = f"the database {self.database}" if self.database else "the database"
        for true, words in (
            (bool(self.everywhere), self.everywhere),
            (self.owns_database, f"can drop {named}, which it owns"),
            (self.owns_schemas, f"can drop schemas of {named}, which it owns"),
            (self.owns_tables, f"can drop tables of {named}, which it owns"),
            (self.truncates, f"can empty tables of {named} (TRUNCATE)"),
            (self.writes_tables, f"can delete or change rows of {named}"),
        ):
            if true:
                return words
        return ""

    @property
    def doubts(self) -> str:
        """Why it may be able to do more than was told, in words; empty where nothing speaks for it."""
        for true, words in (
            (self.creates_roles, "can create roles, and so may make itself more (CREATEROLE)"),
            (self.replicates, "can replicate, which rights on tables do not tell (REPLICATION)"),
            (self.bypasses_rls, "passes row-level security (BYPASSRLS)"),
            (self.strong_role, "may become a role that can do more than rights on tables tell"),
            (self.borrows_rights, "can call functions that run with others' rights"),
            (self.lays_code, "can leave code that others run with their own rights"),
            (
                self.large_objects,
                "changes no table; who may change large objects was not asked",
            ),
        ):
            if true:
                return words
        return ""

    @property
    def harmless(self) -> str:
        more = ", and create new databases" if self.creates_databases else ""
        return f"can read only{more}: it owns nothing there and may change no row"


def power_of(facts: RoleFacts) -> Power:
    """What destroys is said first; what may lead to more than was asked is unknown, never harmless."""
    if facts.destroys:
        return _power(Might.DESTROYS, facts.destroys)
    if facts.doubts:
        return _power(Might.UNKNOWN, facts.doubts)
    return _power(Might.CANNOT, facts.harmless)


def _power(might: Might, words: str) -> Power:
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    reason = f"its login {words}, as the server says"
    return Power(thing=PRODUCTION, might=might, basis=basis, reason=reason)
