"""The catalogue queries for who owns what and may do what, and for the database and its server."""

from drbook.providers.pgobjects import CLASS, NAMED, OURS, own

OWNERS = f"""
SELECT 'owner', 'schema ' || quote_ident(n.nspname), n.nspowner::regrole::text, ''
  FROM pg_namespace n WHERE {OURS} AND {own("pg_namespace", "n.oid")}
UNION ALL
SELECT 'owner', {NAMED}, c.relowner::regrole::text, ''
  FROM {CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'owner', 'function ' || p.oid::regprocedure, p.proowner::regrole::text, ''
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {OURS} AND {own("pg_proc", "p.oid")}
UNION ALL
SELECT 'owner', 'database', datdba::regrole::text, '' FROM pg_database WHERE datname = current_database()
"""

_WHOSE = """x.grantee <> ALL (%(logins)s::oid[])
     AND coalesce(nullif(x.grantee, 0)::regrole::text, '') <> 'pg_database_owner'"""
_WHOM = "coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC')"
_LIST = """string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
                    ORDER BY x.privilege_type)"""
_RIGHTS = f"""
  SELECT o.named, {_WHOM} AS whom, {_LIST} AS rights
    FROM o, LATERAL aclexplode(o.acl) AS x
   WHERE {_WHOSE}
   GROUP BY o.named, o.owner, o.type, x.grantee
  HAVING x.grantee <> o.owner OR {_LIST} IS DISTINCT FROM
         (SELECT {_LIST} FROM aclexplode(acldefault(o.type, o.owner)) AS x WHERE x.grantee = o.owner)
"""
"""Of an owner only what is not everything: a restore gives that to the role by its name, whoever is owner
then."""
_OF_CLASS = """CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END"""

GRANTS = f"""
WITH o (named, owner, acl, type) AS (
  SELECT 'schema ' || quote_ident(n.nspname), n.nspowner,
         coalesce(n.nspacl, acldefault('n', n.nspowner)), 'n'::"char"
    FROM pg_namespace n WHERE {OURS} AND {own("pg_namespace", "n.oid")}
  UNION ALL
  SELECT {NAMED}, c.relowner, coalesce(c.relacl, acldefault({_OF_CLASS}, c.relowner)), {_OF_CLASS}
    FROM {CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT {NAMED} || '.' || quote_ident(a.attname), c.relowner, a.attacl, 'c'::"char"
    FROM pg_attribute a, {CLASS} AND a.attrelid = c.oid AND a.attacl IS NOT NULL
     AND NOT a.attisdropped
  UNION ALL
  SELECT 'function ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner)),
         'f'::"char"
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE {OURS} AND {own("pg_proc", "p.oid")}
  UNION ALL
  SELECT 'type ' || format('%%I.%%I', n.nspname, t.typname), t.typowner,
         coalesce(t.typacl, acldefault('T', t.typowner)), 'T'::"char"
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE {OURS} AND {own("pg_type", "t.oid")} AND t.typtype IN ('e', 'd', 'r', 'c', 'b')
     AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem
                                          AND e.typarray = t.oid))
     AND (t.typrelid = 0 OR EXISTS (SELECT FROM pg_class c WHERE c.oid = t.typrelid
                                     AND c.relkind = 'c'))
  UNION ALL
  SELECT 'foreign server ' || quote_ident(s.srvname), s.srvowner, s.srvacl, 'S'::"char"
    FROM pg_foreign_server s WHERE {own("pg_foreign_server", "s.oid")}
)
SELECT 'grant', r.named || ' to ' || r.whom, r.rights, '' FROM ({_RIGHTS}) AS r
UNION ALL
SELECT 'grant', 'large objects to ' || g.whom,
       string_agg(g.rights || ' on ' || g.those, '; ' ORDER BY g.rights), ''
  FROM (SELECT r.whom, r.rights, string_agg(r.named::text, ', ' ORDER BY r.named) AS those
          FROM (WITH o (named, owner, acl, type) AS (
                  SELECT m.oid, m.lomowner, m.lomacl, 'L'::"char" FROM pg_largeobject_metadata m
                   WHERE m.lomacl IS NOT NULL) {_RIGHTS}) AS r
         GROUP BY 1, 2) AS g
 GROUP BY g.whom
"""
"""Who may do what, the owners' own rights left out where they are all: a restore gives them to another
owner. The login that restores, and the one that reads, are drbook's own (`logins`)."""


def _of_an_extension(catalogue: str, oid: str) -> str:
    return (
        f"EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalogue}'::regclass"
        f" AND d.objid = {oid} AND d.objsubid = 0 AND d.deptype = 'e')"
    )


def _at_first(catalogue: str, oid: str) -> str:
    """The rights that came with the extension, or with the server, where they are not the usual ones."""
    return (
        f"(SELECT i.initprivs FROM pg_init_privs i WHERE i.classoid = '{catalogue}'::regclass"
        f" AND i.objoid = {oid} AND i.objsubid = 0)"
    )


def _others(relation: str, function: str) -> str:
    """Rights on relations and functions, of those for which the conditions hold, that are others than they
    came with: name and rights."""
    default = f"acldefault({_OF_CLASS}, c.relowner)"
    sides = [
        f"""(SELECT b.named, {_WHOM} AS whom, {_LIST} AS rights
               FROM b, LATERAL aclexplode(b.{side}) AS x WHERE {_WHOSE} AND x.grantee <> b.owner
              GROUP BY b.named, x.grantee)"""
        for side in ("acl", "base")
    ]
    return f"""
  (WITH b (named, owner, acl, base) AS (
     SELECT {NAMED}, c.relowner, coalesce(c.relacl, {default}),
            coalesce({_at_first("pg_class", "c.oid")}, {default})
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname <> ALL (%(ignored)s) AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {relation}
     UNION ALL
     SELECT 'function ' || p.oid::regprocedure, p.proowner,
            coalesce(p.proacl, acldefault('f', p.proowner)),
            coalesce({_at_first("pg_proc", "p.oid")}, acldefault('f', p.proowner))
       FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE n.nspname <> ALL (%(ignored)s) AND {function})
   SELECT concat(coalesce(s.named, w.named), ' to ', coalesce(s.whom, w.whom)) AS name,
          coalesce(s.rights, 'nothing') AS rights
     FROM {sides[0]} AS s FULL JOIN {sides[1]} AS w ON s.named = w.named AND s.whom = w.whom
    WHERE s.rights IS DISTINCT FROM w.rights)
"""


EXTENSION_GRANTS = f"""
SELECT 'extension grant', g.name, g.rights, ''
  FROM {_others(_of_an_extension("pg_class", "c.oid"), _of_an_extension("pg_proc", "p.oid"))} AS g
"""
"""Rights on what belongs to an extension, where somebody gave or took some: a dump brings those back."""

SERVER_GRANTS = f"""
WITH o (named, owner, acl, type) AS (
  SELECT 'database', d.datdba, coalesce(d.datacl, acldefault('d', d.datdba)), 'd'::"char"
    FROM pg_database d WHERE d.datname = current_database()
  UNION ALL
  SELECT 'language ' || quote_ident(l.lanname), l.lanowner, coalesce(l.lanacl, acldefault('l', l.lanowner)),
         'l'::"char"
    FROM pg_language l WHERE l.lanispl
  UNION ALL
  SELECT 'foreign-data wrapper ' || quote_ident(w.fdwname), w.fdwowner, w.fdwacl, 'F'::"char"
    FROM pg_foreign_data_wrapper w
)
SELECT 'server grant', r.named || ' to ' || r.whom, r.rights, '' FROM ({_RIGHTS}) AS r
UNION ALL
SELECT 'server grant', g.name, g.rights, ''
  FROM {
    _others(
        "n.nspname = 'pg_catalog' AND c.oid < 16384 AND c.relacl IS NOT NULL",
        "n.nspname = 'pg_catalog' AND p.oid < 16384 AND p.proacl IS NOT NULL",
    )
} AS g
"""
"""What no dump of one database brings back, or only for a superuser: on the server's own tables and
functions too, where somebody gave or took rights."""

ROLES = """
SELECT 'role', quote_ident(rolname), concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' END,
         CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
         CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
         'LIMIT ' || nullif(rolconnlimit, -1), array_to_string(rolconfig, ', ')), ''
  FROM pg_roles WHERE rolname !~ '^pg_' AND oid <> ALL (%(logins)s::oid[]) AND oid <> 10
UNION ALL
SELECT 'membership', format('%%s in %%s', m.member::regrole, m.roleid::regrole),
       CASE WHEN bool_or(m.admin_option) THEN 'ADMIN OPTION' ELSE '' END, ''
  FROM pg_auth_members m
 WHERE m.member >= 16384 AND m.member <> ALL (%(logins)s::oid[])
 GROUP BY m.member, m.roleid
UNION ALL
SELECT 'database setting', coalesce(nullif(s.setrole, 0)::regrole::text, 'everybody'),
       array_to_string(s.setconfig, ', '), ''
  FROM pg_db_role_setting s
 WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND s.setrole <> ALL (%(logins)s::oid[])
UNION ALL
SELECT 'default grant', format('%%s of %%s%%s', p.defaclobjtype, p.defaclrole::regrole,
         ' in ' || nullif(p.defaclnamespace, 0)::regnamespace), (SELECT string_agg(x::text, ', ' ORDER BY x::text COLLATE "C")
         FROM unnest(p.defaclacl) AS x), ''
  FROM pg_default_acl p
"""

SETTINGS = ("max_connections", "shared_preload_libraries", "timezone", "wal_level")
"""Server settings that an application notices."""

DATABASE = """
SELECT 'encoding', 'database', pg_encoding_to_char(encoding), '' FROM pg_database
 WHERE datname = current_database()
UNION ALL
SELECT 'server setting', name, setting, '' FROM pg_settings WHERE name = ANY (%(settings)s)
"""

_LOCALE = """
SELECT 'locale', 'database', concat_ws(' ', {columns}), '' FROM pg_database
 WHERE datname = current_database()
"""


def locale(version: int) -> str:
    """The columns were renamed on the way."""
    columns = "datcollate, datctype"
    if version >= 150000:
        columns = f"datlocprovider, {columns}, " + (
            "datlocale" if version >= 170000 else "daticulocale"
        )
    return _LOCALE.format(columns=columns)


_MADE = (
    "CASE WHEN {was} IS DISTINCT FROM {now} THEN 'text was ordered by version ' || coalesce({was}, '?')"
    " || ' of it, and this system has ' || coalesce({now}, '?') || ': rebuild the indexes on text'"
    " ELSE '' END"
)
_VERSIONS = (
    "SELECT 'collation version', k.collname::text, k.collversion, "
    + _MADE.format(was="k.collversion", now="pg_collation_actual_version(k.oid)")
    + " FROM pg_collation k WHERE k.collversion IS NOT NULL AND EXISTS (SELECT FROM pg_attribute a"
    " WHERE a.attcollation = k.oid AND a.attrelid >= 16384)"
)
_OF_DATABASE = (
    " UNION ALL SELECT 'collation version', 'database', d.datcollversion, "
    + _MADE.format(was="d.datcollversion", now="pg_database_collation_actual_version(d.oid)")
    + " FROM pg_database d WHERE d.datname = current_database() AND d.datcollversion IS NOT NULL"
)


def collation_versions(version: int) -> str:
    return _VERSIONS + (_OF_DATABASE if version >= 150000 else "")
