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

_FIRST_OWN = 16384
"""Objects with a lower oid came with the server (`FirstNormalObjectId`)."""

QUERY = f"""WITH RECURSIVE b (oid) AS (
 SELECT oid FROM pg_roles WHERE rolname = session_user
 UNION
 SELECT m.roleid FROM b JOIN pg_auth_members m ON m.member = b.oid
  WHERE m.admin_option OR coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)),
w (oid, name) AS (
 SELECT r.oid, r.rolname FROM pg_roles r WHERE EXISTS (SELECT FROM b WHERE pg_has_role(b.oid, r.oid, 'USAGE'))),
c AS (
 SELECT c.oid, c.relkind, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND ({_OWN} OR c.oid >= {_FIRST_OWN})),
adds AS (
 SELECT FROM c, b WHERE c.relkind IN ('r', 'p', 'v', 'f')
  AND (has_table_privilege(b.oid, c.oid, 'INSERT') OR has_any_column_privilege(b.oid, c.oid, 'INSERT')))
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
 EXISTS (SELECT FROM pg_proc p, b WHERE (p.prosecdef OR p.proname LIKE 'dblink%')
         AND has_function_privilege(b.oid, p.oid, 'EXECUTE')) AS borrows_rights,
 EXISTS (SELECT FROM pg_proc p, aclexplode(p.proacl) a
         WHERE p.oid < {_FIRST_OWN} AND a.privilege_type = 'EXECUTE'
         AND (a.grantee IN (SELECT oid FROM w UNION SELECT oid FROM b) OR a.grantee = 0)
         AND EXISTS (SELECT FROM pg_init_privs i WHERE i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass)
         AND NOT EXISTS (SELECT FROM pg_init_privs i, aclexplode(i.initprivs) x
                         WHERE i.objoid = p.oid AND i.classoid = 'pg_proc'::regclass
                         AND x.grantee = a.grantee AND x.privilege_type = 'EXECUTE')) AS calls_server,
 EXISTS (SELECT FROM pg_default_acl d, aclexplode(d.defaclacl) a
         WHERE d.defaclobjtype IN ('r', 'n', 'S') AND a.privilege_type NOT IN ('SELECT', 'USAGE')
         AND (a.grantee = 0 OR a.grantee IN (SELECT oid FROM w UNION SELECT oid FROM b))
         AND a.grantee <> d.defaclrole) AS gets_rights,
 EXISTS (SELECT FROM b WHERE has_database_privilege(b.oid, current_database(), 'CREATE')
         OR EXISTS (SELECT FROM pg_namespace n WHERE {_OWN}
                    AND has_schema_privilege(b.oid, n.oid, 'CREATE'))
         OR EXISTS (SELECT FROM c WHERE c.relkind IN ('r', 'p', 'v', 'f')
                    AND has_table_privilege(b.oid, c.oid, 'TRIGGER'))) AS lays_code,
 EXISTS (SELECT FROM pg_shdepend s JOIN w ON w.oid = s.refobjid
         WHERE s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
         AND (s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
              OR s.classid = 'pg_subscription'::regclass)) AS owns_things,
 EXISTS (SELECT FROM adds) AND (
  EXISTS (SELECT FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
          WHERE NOT t.tgisinternal AND p.prosecdef)
  OR EXISTS (SELECT FROM pg_rewrite r JOIN c ON c.oid = r.ev_class WHERE r.ev_type <> '1')) AS starts_code,
 EXISTS (SELECT FROM pg_foreign_server f, b WHERE has_server_privilege(b.oid, f.oid, 'USAGE'))
  OR EXISTS (SELECT FROM pg_foreign_data_wrapper f, b
             WHERE has_foreign_data_wrapper_privilege(b.oid, f.oid, 'USAGE')) AS reaches_servers,
 EXISTS (SELECT FROM pg_shdepend s WHERE s.classid = to_regclass('pg_catalog.pg_parameter_acl')
         AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'a'
         AND s.refobjid IN (SELECT oid FROM w UNION SELECT oid FROM b)) AS sets_server,
 EXISTS (SELECT FROM pg_largeobject_metadata l WHERE current_setting('lo_compat_privileges') = 'on'
         OR EXISTS (SELECT FROM aclexplode(l.lomacl) a WHERE a.privilege_type = 'UPDATE'
                    AND (a.grantee = 0 OR a.grantee IN (SELECT oid FROM w)))) AS large_objects,
 EXISTS (SELECT FROM adds) AS adds_rows,
 EXISTS (SELECT FROM pg_class s JOIN pg_namespace n ON n.oid = s.relnamespace, b
         WHERE s.relkind = 'S' AND {_OWN}
         AND has_sequence_privilege(b.oid, s.oid, 'UPDATE')) AS moves_sequences,
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
    calls_server: bool
    """It was granted functions of the server's own that are kept from others: they read and write its files, or
    end and promote servers."""
    gets_rights: bool
    """Default privileges give it more than reading on what will be made."""
    lays_code: bool
    """It may create functions or triggers where others with more rights may run them."""
    owns_things: bool
    """Of any kind: with a type, domain or extension goes every column that is of it (DROP … CASCADE)."""
    starts_code: bool
    """It may add rows, and there are triggers or rules that run with others' rights."""
    reaches_servers: bool
    """It may use foreign servers, with whatever logins are kept for them."""
    sets_server: bool
    """It was granted settings of the server that only a superuser changes otherwise; what is granted to PUBLIC
    is not seen."""
    large_objects: bool
    """It may overwrite some."""
    adds_rows: bool
    moves_sequences: bool
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
            (self.large_objects, f"can overwrite large objects of {named}"),
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
            (
                self.calls_server,
                "was granted functions of the server's own that others may not call",
            ),
            (
                self.gets_rights,
                "gets rights to change what will be made there (default privileges)",
            ),
            (self.lays_code, "can leave code that others run with their own rights"),
            (
                self.owns_things,
                "owns things there (types, functions, extensions or others), and what is dropped with them was "
                "not asked",
            ),
            (self.starts_code, "can add rows, which start triggers or rules with others' rights"),
            (
                self.reaches_servers,
                "can use foreign servers, and so the logins that are kept for them",
            ),
            (self.sets_server, "was granted settings that only a superuser may change otherwise"),
        ):
            if true:
                return words
        return ""

    @property
    def harmless(self) -> str:
        more = [
            words
            for true, words in (
                (self.adds_rows, "add rows"),
                (self.moves_sequences, "move sequences"),
                (self.creates_databases, "create new databases"),
            )
            if true
        ]
        if not more:
            return "can read only: it owns nothing there and may change no row"
        return f"can read and {' and '.join(more)}: it owns nothing there, and changes and removes no row"


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
