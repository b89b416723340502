"""What a PostgreSQL login may destroy, by what its server says of its role.

One read-only query, and its answer judged. `pg_has_role(…, 'MEMBER')` counts what the role may become by
SET ROLE as well.
"""

from collections.abc import Sequence

from drbook.core.credentials import PRODUCTION, Might, Power
from drbook.core.points import Basis
from drbook.core.values import Frozen

_OWN = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

QUERY = f"""SELECT
 EXISTS (SELECT FROM pg_roles r WHERE r.rolsuper AND pg_has_role(r.oid, 'MEMBER')) AS superuser,
 EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database()
         AND pg_has_role(d.datdba, 'MEMBER')) AS owns_database,
 EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'm') AND {_OWN}
         AND (pg_has_role(c.relowner, 'MEMBER') OR pg_has_role(n.nspowner, 'MEMBER'))) AS owns_tables,
 EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_roles r
         WHERE c.relkind IN ('r', 'p', 'v', 'f') AND {_OWN} AND pg_has_role(r.oid, 'MEMBER')
         AND (has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, UPDATE')
              OR has_any_column_privilege(r.oid, c.oid, 'UPDATE'))) AS writes_tables,
 EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(r.oid, 'MEMBER') AND (r.rolcreaterole
         OR r.rolreplication OR r.rolbypassrls OR r.rolname IN ('pg_write_all_data', 'pg_maintain',
         'pg_write_server_files', 'pg_execute_server_program', 'pg_read_server_files',
         'pg_database_owner', 'pg_signal_backend', 'pg_checkpoint', 'pg_create_subscription')))
   AS strong_role,
 EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, pg_roles r
         WHERE {_OWN} AND pg_has_role(r.oid, 'MEMBER')
         AND (p.prosecdef OR p.proname LIKE 'dblink%')
         AND has_function_privilege(r.oid, p.oid, 'EXECUTE')) AS borrows_rights,
 EXISTS (SELECT FROM pg_roles r WHERE pg_has_role(r.oid, 'MEMBER')
         AND (has_database_privilege(r.oid, current_database(), 'CREATE')
              OR EXISTS (SELECT FROM pg_namespace n WHERE {_OWN}
                         AND has_schema_privilege(r.oid, n.oid, 'CREATE'))
              OR EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                         WHERE c.relkind IN ('r', 'p', 'v', 'f') AND {_OWN}
                         AND has_table_privilege(r.oid, c.oid, 'TRIGGER')))) AS lays_code,
 EXISTS (SELECT FROM pg_largeobject_metadata) AS large_objects"""
"""One row of booleans about the login that asks, and every role that it may become."""


class RoleFacts(Frozen):
    """The query's answer."""

    superuser: bool
    owns_database: bool
    owns_tables: bool
    writes_tables: bool
    strong_role: bool
    """It may become a role that can give itself more, or whose reach rights on tables do not tell."""
    borrows_rights: bool
    """It may call functions of others that run with their owner's rights, or connections by the server."""
    lays_code: bool
    """It may create functions or triggers where others with more rights may run them."""
    large_objects: bool
    """There are large objects, of whose rights nothing is told here."""

    @classmethod
    def read(cls, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> "RoleFacts":
        """From PostgreSQL's own text. Raises ValueError where it is something else."""
        if len(rows) != 1 or any(value not in ("t", "f") for value in rows[0]):
            raise ValueError("the server did not answer with one row of booleans")
        return cls(**{name: value == "t" for name, value in zip(columns, rows[0], strict=True)})


def power_of(facts: RoleFacts) -> Power:
    """What destroys is said first; what may lead to more than was asked is unknown, never harmless."""
    for true, words in (
        (facts.superuser, "its login is, or may become, a superuser, as the server says"),
        (facts.owns_database, "its login owns the database, as the server says"),
        (facts.owns_tables, "its login owns tables or their schemas, as the server says"),
        (facts.writes_tables, "its login may delete or change rows, as the server says"),
    ):
        if true:
            return _power(Might.DESTROYS, words)
    for true, words in (
        (
            facts.strong_role,
            "its login may become a role that can do more than rights on tables tell",
        ),
        (facts.borrows_rights, "its login may call functions that run with others' rights"),
        (facts.lays_code, "its login may leave code that others run with their own rights"),
        (
            facts.large_objects,
            "its login changes no table; who may change large objects was not asked",
        ),
    ):
        if true:
            return _power(Might.UNKNOWN, words)
    return _power(Might.CANNOT, "its login owns nothing and may change no row, as the server says")


def _power(might: Might, reason: str) -> Power:
    basis = Basis.NONE if might is Might.UNKNOWN else Basis.OBSERVED
    return Power(thing=PRODUCTION, might=might, basis=basis, reason=reason)
