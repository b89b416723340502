"""The catalogue queries behind a structure: each gives kind, name, words and flaw, in PostgreSQL's own
spelling. (PostgreSQL manual, chapter 53; `pg_get_*` of section 9.27.)

What extensions own is theirs, and what lies in ignored schemas is not looked at. The session's search
path is `pg_catalog`, so that every name comes with its schema.
"""

from drbook.core.structure import NOT_VALID

_OURS = (
    "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
    " AND n.nspname <> ALL (%(ignored)s)"
)


def _own(catalogue: str, oid: str) -> str:
    """No member of an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = '{catalogue}'::regclass"
        f" AND d.objid = {oid} AND d.deptype = 'e')"
    )


_NAMED = "format('%%I.%%I', n.nspname, c.relname)"
_CLASS = f"""pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE {_OURS} AND {_own("pg_class", "c.oid")} AND c.relpersistence <> 't'"""

SCHEMAS = f"""
SELECT 'schema', quote_ident(n.nspname), '', ''
  FROM pg_namespace n WHERE {_OURS} AND {_own("pg_namespace", "n.oid")}
"""

TABLES = f"""
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
                      WHEN 'f' THEN 'foreign table' ELSE 'table' END,
       {_NAMED},
       concat_ws(' ', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
         CASE WHEN c.relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
         CASE WHEN c.relispartition THEN pg_get_expr(c.relpartbound, c.oid) END,
         (SELECT 'INHERITS ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
            FROM pg_inherits i WHERE i.inhrelid = c.oid),
         CASE WHEN c.relrowsecurity THEN 'ROW SECURITY' END,
         CASE WHEN c.relforcerowsecurity THEN 'FORCED' END,
         array_to_string(c.reloptions, ', '),
         CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
         (SELECT 'SERVER ' || quote_ident(s.srvname) FROM pg_foreign_table f
            JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid)),
       CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'never filled' ELSE '' END
  FROM {_CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

COLUMNS = f"""
SELECT 'column', {_NAMED} || '.' || quote_ident(a.attname),
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
         CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
         CASE WHEN a.attnotnull THEN 'NOT NULL' END,
         CASE a.attidentity WHEN 'a' THEN 'IDENTITY ALWAYS' WHEN 'd' THEN 'IDENTITY' END,
         CASE WHEN a.attgenerated <> '' THEN 'GENERATED (' || pg_get_expr(e.adbin, e.adrelid) || ')'
              WHEN e.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(e.adbin, e.adrelid) END),
       ''
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef e ON e.adrelid = a.attrelid AND e.adnum = a.attnum,
       {_CLASS} AND c.relkind IN ('r', 'p', 'f', 'c', 'm', 'v')
   AND a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
"""

INDEXES = f"""
SELECT 'index', {_NAMED}, pg_get_indexdef(c.oid),
       CASE WHEN NOT i.indisvalid AND c.relkind = 'I' THEN 'it is not valid, for a partition lacks it'
            WHEN NOT i.indisvalid THEN '{NOT_VALID}'
            WHEN NOT i.indisready THEN 'it is not kept up to date' ELSE '' END
  FROM pg_index i, {_CLASS} AND c.oid = i.indexrelid
"""

_DERIVED = """(WITH RECURSIVE up AS (SELECT k.conname, k.conrelid, k.conparentid
         UNION ALL SELECT p.conname, p.conrelid, p.conparentid FROM up JOIN pg_constraint p
             ON p.oid = up.conparentid)
     SELECT format('%%I of %%s to %%s', up.conname, up.conrelid::regclass, k.confrelid::regclass)
       FROM up WHERE up.conparentid = 0)"""
"""A foreign key that the server made for a partition: its own name is made up in the order in which
partitions came, so that it is called after the key that it was made from."""

CONSTRAINTS = f"""
SELECT 'constraint', {_NAMED} || '.' || CASE WHEN k.contype = 'f' AND k.conparentid <> 0
         THEN {_DERIVED} ELSE quote_ident(k.conname) END,
       regexp_replace(pg_get_constraintdef(k.oid), ' NOT (VALID|ENFORCED)$', ''),
       CASE WHEN NOT k.convalidated THEN 'the rows were never checked against it (NOT VALID)'
            WHEN EXISTS (SELECT FROM pg_trigger g WHERE g.tgconstraint = k.oid AND g.tgenabled = 'D')
            THEN 'it is switched off' ELSE '' END
  FROM pg_constraint k, {_CLASS} AND c.oid = k.conrelid AND k.contype IN ('c', 'f', 'p', 'u', 'x')
"""

SEQUENCES = f"""
SELECT 'sequence', {_NAMED},
       concat_ws(' ', format_type(s.seqtypid, NULL), 'START', s.seqstart, 'INCREMENT', s.seqincrement,
         'FROM', s.seqmin, 'TO', s.seqmax, 'CACHE', s.seqcache, CASE WHEN s.seqcycle THEN 'CYCLE' END),
       ''
  FROM pg_sequence s, {_CLASS} AND c.oid = s.seqrelid
"""

FUNCTIONS = f"""
SELECT 'function', format('%%I.%%I(%%s)', n.nspname, p.proname,
                          pg_get_function_identity_arguments(p.oid)),
       CASE WHEN p.prokind = 'a'
            THEN (SELECT concat_ws(' ', 'AGGREGATE', a.aggtransfn, a.aggfinalfn,
                                    quote_literal(a.agginitval))
                    FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
            ELSE pg_get_functiondef(p.oid) END, ''
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {_OURS} AND {_own("pg_proc", "p.oid")}
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'i')
"""

TRIGGERS = f"""
SELECT 'trigger', {_NAMED} || '.' || quote_ident(g.tgname), pg_get_triggerdef(g.oid),
       CASE g.tgenabled WHEN 'D' THEN 'it is switched off' ELSE '' END
  FROM pg_trigger g, {_CLASS} AND c.oid = g.tgrelid AND NOT g.tgisinternal
"""

RULES = f"""
SELECT 'rule', {_NAMED} || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid),
       CASE r.ev_enabled WHEN 'D' THEN 'it is switched off' ELSE '' END
  FROM pg_rewrite r, {_CLASS} AND c.oid = r.ev_class AND r.rulename <> '_RETURN'
"""

POLICIES = f"""
SELECT 'policy', {_NAMED} || '.' || quote_ident(y.polname),
       concat_ws(' ', CASE WHEN y.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR',
         y.polcmd, 'TO', (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ', '
                              ORDER BY r::regrole::text COLLATE "C") FROM unnest(y.polroles) AS r),
         'USING (' || pg_get_expr(y.polqual, y.polrelid) || ')',
         'CHECK (' || pg_get_expr(y.polwithcheck, y.polrelid) || ')'), ''
  FROM pg_policy y, {_CLASS} AND c.oid = y.polrelid
"""

TYPES = f"""
SELECT 'type', format('%%I.%%I', n.nspname, t.typname),
       CASE t.typtype
         WHEN 'e' THEN (SELECT 'ENUM ' || string_agg(quote_literal(l.enumlabel), ', '
                                                     ORDER BY l.enumsortorder)
                          FROM pg_enum l WHERE l.enumtypid = t.oid)
         WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
                         CASE WHEN t.typnotnull THEN 'NOT NULL' END,
                         'DEFAULT ' || coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault),
                         (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname)
                            FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
         WHEN 'r' THEN (SELECT 'RANGE ' || format_type(r.rngsubtype, NULL)
                          FROM pg_range r WHERE r.rngtypid = t.oid)
         WHEN 'c' THEN 'COMPOSITE' ELSE 'BASE' END, ''
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE {_OURS} AND {_own("pg_type", "t.oid")} AND t.typtype IN ('e', 'd', 'r', 'c', 'b')
   AND (t.typrelid = 0 OR c.relkind = 'c')
   AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem
                                        AND e.typarray = t.oid))
   AND t.typtype <> 'm'
"""

EXTENSIONS = "SELECT 'extension', quote_ident(extname), extversion, '' FROM pg_extension WHERE extname <> 'plpgsql'"

OTHERS = f"""
SELECT 'publication', quote_ident(pubname), concat_ws(' ', puballtables, pubinsert, pubupdate,
       pubdelete), '' FROM pg_publication
UNION ALL
SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regprocedure),
       CASE evtenabled WHEN 'D' THEN 'it is switched off' ELSE '' END
  FROM pg_event_trigger e WHERE {_own("pg_event_trigger", "e.oid")}
UNION ALL
SELECT 'foreign server', quote_ident(s.srvname), quote_ident(w.fdwname), ''
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE {_own("pg_foreign_server", "s.oid")}
UNION ALL
SELECT 'statistics', format('%%I.%%I', n.nspname, x.stxname), pg_get_statisticsobjdef(x.oid), ''
  FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace WHERE {_OURS}
UNION ALL
SELECT 'collation', format('%%I.%%I', n.nspname, k.collname),
       concat_ws(' ', k.collprovider, k.collisdeterministic, k.collcollate), ''
  FROM pg_collation k JOIN pg_namespace n ON n.oid = k.collnamespace
 WHERE {_OURS} AND {_own("pg_collation", "k.oid")}
UNION ALL
SELECT 'cast', format('%%s to %%s', format_type(k.castsource, NULL), format_type(k.casttarget, NULL)),
       concat_ws(' ', k.castcontext, k.castmethod, nullif(k.castfunc, 0)::regprocedure), ''
  FROM pg_cast k WHERE k.oid >= 16384 AND {_own("pg_cast", "k.oid")}
UNION ALL
SELECT 'operator', format('%%I.%%s (%%s, %%s)', n.nspname, o.oprname,
         format_type(nullif(o.oprleft, 0), NULL), format_type(nullif(o.oprright, 0), NULL)),
       o.oprcode::regprocedure::text, ''
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
 WHERE {_OURS} AND {_own("pg_operator", "o.oid")}
UNION ALL
SELECT 'operator class', format('%%I.%%I', n.nspname, o.opcname), format_type(o.opcintype, NULL), ''
  FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace
 WHERE {_OURS} AND {_own("pg_opclass", "o.oid")}
UNION ALL
SELECT 'text search', format('%%I.%%I', n.nspname, t.cfgname), 'configuration', ''
  FROM pg_ts_config t JOIN pg_namespace n ON n.oid = t.cfgnamespace
 WHERE {_OURS} AND {_own("pg_ts_config", "t.oid")}
UNION ALL
SELECT 'text search', format('%%I.%%I', n.nspname, t.dictname), 'dictionary', ''
  FROM pg_ts_dict t JOIN pg_namespace n ON n.oid = t.dictnamespace
 WHERE {_OURS} AND {_own("pg_ts_dict", "t.oid")}
"""

SUBSCRIPTIONS = """
SELECT 'subscription', quote_ident(subname), array_to_string(subpublications, ', '), ''
  FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Before 16 only a superuser may read this one."""

OWNERS = f"""
SELECT 'owner', 'schema ' || quote_ident(n.nspname), n.nspowner::regrole::text, ''
  FROM pg_namespace n WHERE {_OURS} AND {_own("pg_namespace", "n.oid")}
UNION ALL
SELECT 'owner', {_NAMED}, c.relowner::regrole::text, ''
  FROM {_CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
UNION ALL
SELECT 'owner', 'function ' || p.oid::regprocedure, p.proowner::regrole::text, ''
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {_OURS} AND {_own("pg_proc", "p.oid")}
UNION ALL
SELECT 'owner', 'database', datdba::regrole::text, '' FROM pg_database WHERE datname = current_database()
"""

_RIGHTS = """
  SELECT o.named, coalesce(nullif(x.grantee, 0)::regrole::text, 'PUBLIC') AS whom,
         string_agg(x.privilege_type || CASE WHEN x.is_grantable THEN '*' ELSE '' END, ', '
                    ORDER BY x.privilege_type) AS rights
    FROM o, LATERAL aclexplode(o.acl) AS x
   WHERE x.grantee <> o.owner AND x.grantee <> ALL (%(logins)s::oid[])
   GROUP BY 1, 2
"""

GRANTS = f"""
WITH o (named, owner, acl) AS (
  SELECT 'schema ' || quote_ident(n.nspname), n.nspowner,
         coalesce(n.nspacl, acldefault('n', n.nspowner))
    FROM pg_namespace n WHERE {_OURS} AND {_own("pg_namespace", "n.oid")} AND n.nspname <> 'public'
  UNION ALL
  SELECT {_NAMED}, c.relowner, coalesce(c.relacl,
         acldefault(CASE c.relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, c.relowner))
    FROM {_CLASS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  UNION ALL
  SELECT {_NAMED} || '.' || quote_ident(a.attname), c.relowner, a.attacl
    FROM pg_attribute a, {_CLASS} AND a.attrelid = c.oid AND a.attacl IS NOT NULL
     AND NOT a.attisdropped
  UNION ALL
  SELECT 'function ' || p.oid::regprocedure, p.proowner, coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE {_OURS} AND {_own("pg_proc", "p.oid")}
  UNION ALL
  SELECT 'type ' || format('%%I.%%I', n.nspname, t.typname), t.typowner,
         coalesce(t.typacl, acldefault('T', t.typowner))
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE {_OURS} AND {_own("pg_type", "t.oid")} AND t.typtype IN ('e', 'd', 'r')
)
SELECT 'grant', r.named || ' to ' || r.whom, r.rights, '' FROM ({_RIGHTS}) AS r
"""
"""Who may do what, the owners' own rights left out: a restore gives them to another owner. The login
that restores, and the one that reads, are drbook's own (`logins`)."""

ROLES = """
SELECT 'role', quote_ident(rolname), concat_ws(' ', CASE WHEN rolcanlogin THEN 'LOGIN' END,
         CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreatedb THEN 'CREATEDB' END,
         CASE WHEN rolcreaterole THEN 'CREATEROLE' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
         CASE WHEN rolbypassrls THEN 'BYPASSRLS' END, CASE WHEN NOT rolinherit THEN 'NOINHERIT' END,
         'LIMIT ' || nullif(rolconnlimit, -1), array_to_string(rolconfig, ', ')), ''
  FROM pg_roles WHERE rolname !~ '^pg_' AND oid <> ALL (%(logins)s::oid[]) AND oid <> 10
UNION ALL
SELECT 'membership', format('%%s in %%s', m.member::regrole, m.roleid::regrole), '', ''
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
         ' in ' || nullif(p.defaclnamespace, 0)::regnamespace),
         (SELECT string_agg(i::text, ', ' ORDER BY i::text COLLATE "C") FROM unnest(p.defaclacl) AS i), ''
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

LOCALE = {
    0: "SELECT 'locale', 'database', concat_ws(' ', datcollate, datctype), '' FROM pg_database"
    " WHERE datname = current_database()",
    150000: "SELECT 'locale', 'database', concat_ws(' ', datlocprovider, datcollate, datctype,"
    " daticulocale), '' FROM pg_database WHERE datname = current_database()",
    170000: "SELECT 'locale', 'database', concat_ws(' ', datlocprovider, datcollate, datctype,"
    " datlocale), '' FROM pg_database WHERE datname = current_database()",
}
"""From which version on which query: the columns were renamed on the way."""

_MADE = (
    "CASE WHEN {was} IS DISTINCT FROM {now} THEN 'text was ordered by version ' || coalesce({was}, '?')"
    " || ' of it, and this system has ' || coalesce({now}, '?') || ': rebuild the indexes on text'"
    " ELSE '' END"
)
COLLATION_VERSIONS = {
    0: "SELECT 'collation version', k.collname::text, k.collversion, "
    + _MADE.format(was="k.collversion", now="pg_collation_actual_version(k.oid)")
    + " FROM pg_collation k WHERE k.collversion IS NOT NULL AND EXISTS (SELECT FROM pg_attribute a"
    " WHERE a.attcollation = k.oid AND a.attrelid >= 16384)",
    150000: " UNION ALL SELECT 'collation version', 'database', d.datcollversion, "
    + _MADE.format(was="d.datcollversion", now="pg_database_collation_actual_version(d.oid)")
    + " FROM pg_database d WHERE d.datname = current_database() AND d.datcollversion IS NOT NULL",
}
