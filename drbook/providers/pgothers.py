"""The catalogue queries for what is no relation: types, functions, operators, collations, text search,
publications, other servers, and what people wrote about any of it."""

from drbook.providers.pgobjects import (
    CLASS,
    NAMED,
    OURS,
    collation,
    foreign_options,
    own,
    since,
    state,
    switched_off,
)


def _proc(column: str) -> str:
    """A function's name; nothing where there is none."""
    return f"nullif({column}::oid, 0)::regproc"


FUNCTIONS = f"""
SELECT 'function', format('%%I.%%I(%%s)', n.nspname, p.proname,
                          pg_get_function_identity_arguments(p.oid)),
       CASE WHEN p.prokind = 'a'
            THEN (SELECT concat_ws(' ', 'AGGREGATE', a.aggtransfn, a.aggfinalfn, quote_literal(a.agginitval),
                    'OF', format_type(a.aggtranstype, NULL), a.aggkind, a.aggnumdirectargs,
                    a.aggfinalmodify, CASE WHEN a.aggfinalextra THEN 'EXTRA' END,
                    'COMBINE ' || {_proc("a.aggcombinefn")}, 'SERIAL ' || {_proc("a.aggserialfn")},
                    'DESERIAL ' || {_proc("a.aggdeserialfn")}, 'MOVING ' || {_proc("a.aggmtransfn")},
                    {_proc("a.aggminvtransfn")}, {_proc("a.aggmfinalfn")}, quote_literal(a.aggminitval),
                    'SORT ' || nullif(a.aggsortop, 0)::regoperator, p.proparallel)
                    FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
            ELSE pg_get_functiondef(p.oid) END, ''
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {OURS} AND {own("pg_proc", "p.oid")}
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                    AND d.deptype = 'i')
"""

TYPES = f"""
SELECT 'type', format('%%I.%%I', n.nspname, t.typname),
       CASE t.typtype
         WHEN 'e' THEN (SELECT 'ENUM ' || string_agg(quote_literal(l.enumlabel), ', '
                                                     ORDER BY l.enumsortorder)
                          FROM pg_enum l WHERE l.enumtypid = t.oid)
         WHEN 'd' THEN concat_ws(' ', 'DOMAIN', format_type(t.typbasetype, t.typtypmod),
                         CASE WHEN t.typcollation <> b.typcollation
                              THEN 'COLLATE ' || {collation("t.typcollation")} END,
                         CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' ||
                           coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault))
         WHEN 'r' THEN (SELECT concat_ws(' ', 'RANGE', format_type(r.rngsubtype, NULL),
                           CASE WHEN r.rngcollation <> s.typcollation
                                THEN 'COLLATE ' || {collation("r.rngcollation")} END,
                           (SELECT 'BY ' || format('%%I.%%I', m.nspname, o.opcname) FROM pg_opclass o
                              JOIN pg_namespace m ON m.oid = o.opcnamespace
                             WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                           'CANONICAL ' || {_proc("r.rngcanonical")}, 'DIFF ' || {_proc("r.rngsubdiff")})
                          FROM pg_range r JOIN pg_type s ON s.oid = r.rngsubtype
                         WHERE r.rngtypid = t.oid)
         WHEN 'c' THEN (SELECT 'COMPOSITE (' || string_agg(quote_ident(a.attname), ', '
                                                           ORDER BY a.attnum) || ')'
                          FROM pg_attribute a WHERE a.attrelid = t.typrelid AND NOT a.attisdropped)
         ELSE concat_ws(' ', 'BASE', t.typlen, t.typalign, t.typstorage, t.typinput, t.typoutput) END, ''
  FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_type b ON b.oid = t.typbasetype
  LEFT JOIN pg_class c ON c.oid = t.typrelid
 WHERE {OURS} AND {own("pg_type", "t.oid")} AND t.typtype IN ('e', 'd', 'r', 'c', 'b')
   AND (t.typrelid = 0 OR c.relkind = 'c')
   AND NOT (t.typelem <> 0 AND EXISTS (SELECT FROM pg_type e WHERE e.oid = t.typelem
                                        AND e.typarray = t.oid))
"""
"""A domain's constraints are constraints."""

EXTENSIONS = """
SELECT 'extension', quote_ident(extname), extversion, '' FROM pg_extension WHERE extname <> 'plpgsql'
UNION ALL
SELECT 'extension schema', quote_ident(x.extname), quote_ident(n.nspname), ''
  FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
 WHERE x.extname <> 'plpgsql' AND n.nspname <> ALL (%(ignored)s)
"""


def publications(version: int) -> str:
    """With what is in them, row filters and lists of columns included."""
    filtered = since(version, 150000, "pg_get_expr(r.prqual, r.prrelid)")
    listed = since(
        version,
        150000,
        "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"
        " WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs))",
    )
    schemas = since(
        version,
        150000,
        "(SELECT 'TABLES IN ' || string_agg(quote_ident(n.nspname), ', ' ORDER BY n.nspname)"
        " FROM pg_publication_namespace r JOIN pg_namespace n ON n.oid = r.pnnspid"
        " WHERE r.pnpubid = p.oid AND n.nspname <> ALL (%(ignored)s))",
    )
    root = since(version, 130000, "CASE WHEN p.pubviaroot THEN 'VIA ROOT' END")
    generated = since(version, 180000, "nullif(p.pubgencols::text, 'n')")
    return f"""
SELECT 'publication', quote_ident(p.pubname), concat_ws(' ', p.puballtables, p.pubinsert, p.pubupdate,
         p.pubdelete, CASE WHEN NOT p.pubtruncate THEN 'NO TRUNCATE' END, {root},
         'GENERATED ' || {generated},
         (SELECT 'TABLES ' || string_agg(concat({NAMED}, ' (' || {listed} || ')', ' WHERE ' || {filtered}),
                                         ', ' ORDER BY n.nspname, c.relname)
            FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
            JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE r.prpubid = p.oid AND n.nspname <> ALL (%(ignored)s)),
         {schemas}), ''
  FROM pg_publication p
"""


SUBSCRIPTIONS = """
SELECT 'subscription', quote_ident(subname), array_to_string(subpublications, ', '), ''
  FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Before 16 only a superuser may read this one."""

FOREIGN = f"""
SELECT 'foreign server', quote_ident(s.srvname), concat_ws(' ', quote_ident(w.fdwname),
         'TYPE ' || quote_literal(s.srvtype), 'VERSION ' || quote_literal(s.srvversion),
         {foreign_options("s.srvoptions")}), ''
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE {own("pg_foreign_server", "s.oid")}
UNION ALL
SELECT 'user mapping', format('%%s at %%I', CASE u.umuser WHEN 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END,
         u.srvname), '', ''
  FROM pg_user_mappings u WHERE u.umuser <> ALL (%(logins)s::oid[])
   AND {own("pg_foreign_server", "u.srvid")}
UNION ALL
SELECT 'user mapping options', format('%%s at %%I', CASE u.umuser WHEN 0 THEN 'PUBLIC'
         ELSE quote_ident(u.usename) END, u.srvname),
       coalesce((SELECT string_agg(o.option_name, ', ' ORDER BY o.option_name) || ': sha256 '
         || encode(sha256(convert_to(u.srvname || ' ' || u.usename || string_agg(' ' || o.option_name || ' '
         || o.option_value, '' ORDER BY o.option_name), 'UTF8')), 'hex')
         FROM pg_options_to_table(u.umoptions) AS o), ''), ''
  FROM pg_user_mappings u WHERE u.umuser <> ALL (%(logins)s::oid[])
   AND {own("pg_foreign_server", "u.srvid")} AND current_setting('is_superuser') = 'on'
"""
"""How a role logs in elsewhere may be a password: only the options' names are kept, and one digest of
all, which the server itself makes. Nobody but a superuser sees more than that there is a mapping."""


def collations(version: int) -> str:
    """By what they sort. Where an ICU locale stands was changed on the way; versions of the library are
    looked at elsewhere."""
    icu = "k.collcollate"
    if version >= 150000:
        icu = "k.colllocale" if version >= 170000 else "k.colliculocale"
    fixed = since(
        version, 120000, "CASE WHEN NOT k.collisdeterministic THEN 'NOT DETERMINISTIC' END"
    )
    rules = since(version, 160000, "'RULES ' || quote_literal(k.collicurules)")
    return f"""
SELECT 'collation', format('%%I.%%I', n.nspname, k.collname),
       concat_ws(' ', k.collprovider, CASE WHEN k.collprovider IN ('i', 'b') THEN {icu}
         ELSE concat_ws(' ', k.collcollate, k.collctype) END, {fixed}, {rules}), ''
  FROM pg_collation k JOIN pg_namespace n ON n.oid = k.collnamespace
 WHERE {OURS} AND {own("pg_collation", "k.oid")}
"""


def _link(column: str) -> str:
    """Another operator, from whichever side they are linked: a reload links both."""
    return (
        f"coalesce(nullif(o.{column}, 0), (SELECT min(x.oid) FROM pg_operator x"
        f" WHERE x.{column} = o.oid))::regoperator"
    )


OPERATORS = f"""
SELECT 'operator', format('%%I.%%s (%%s, %%s)', n.nspname, o.oprname,
         format_type(nullif(o.oprleft, 0), NULL), format_type(nullif(o.oprright, 0), NULL)),
       concat_ws(' ', o.oprcode::regprocedure, 'COMMUTATOR ' || {_link("oprcom")},
         'NEGATOR ' || {_link("oprnegate")}, 'RESTRICT ' || {_proc("o.oprrest")},
         'JOIN ' || {_proc("o.oprjoin")}, CASE WHEN o.oprcanhash THEN 'HASHES' END,
         CASE WHEN o.oprcanmerge THEN 'MERGES' END), ''
  FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
 WHERE {OURS} AND {own("pg_operator", "o.oid")}
UNION ALL
SELECT 'operator class', format('%%I.%%I using %%I', n.nspname, o.opcname, m.amname),
       concat_ws(' ', format_type(o.opcintype, NULL), CASE WHEN o.opcdefault THEN 'DEFAULT' END,
         'STORAGE ' || format_type(nullif(o.opckeytype, 0), NULL),
         (SELECT 'OPERATORS ' || string_agg(concat(x.amopstrategy, ' ', x.amopopr::regoperator,
                   ' FOR ORDER BY ' || nullif(x.amopsortfamily, 0)), ', '
                   ORDER BY x.amoplefttype::regtype::text, x.amoprighttype::regtype::text, x.amopstrategy)
            FROM pg_amop x WHERE x.amopfamily = o.opcfamily),
         (SELECT 'FUNCTIONS ' || string_agg(concat(x.amprocnum, ' ', x.amproc::oid::regprocedure), ', '
                   ORDER BY x.amproclefttype::regtype::text, x.amprocrighttype::regtype::text, x.amprocnum)
            FROM pg_amproc x WHERE x.amprocfamily = o.opcfamily)), ''
  FROM pg_opclass o JOIN pg_namespace n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
 WHERE {OURS} AND {own("pg_opclass", "o.oid")}
UNION ALL
SELECT 'cast', format('%%s to %%s', format_type(k.castsource, NULL), format_type(k.casttarget, NULL)),
       concat_ws(' ', k.castcontext, k.castmethod, nullif(k.castfunc, 0)::regprocedure), ''
  FROM pg_cast k WHERE k.oid >= 16384 AND {own("pg_cast", "k.oid")}
"""

OTHERS = f"""
SELECT 'event trigger', quote_ident(evtname), concat_ws(' ', evtevent, evtfoid::regprocedure,
         array_to_string(evttags, ', '), {state("evtenabled")}), {switched_off("evtenabled")}
  FROM pg_event_trigger e WHERE {own("pg_event_trigger", "e.oid")}
UNION ALL
SELECT 'statistics', format('%%I.%%I', n.nspname, x.stxname), concat_ws(' ',
         pg_get_statisticsobjdef(x.oid),
         'STATISTICS ' || nullif(nullif(to_jsonb(x) ->> 'stxstattarget', '-1'), '')), ''
  FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace
 WHERE {OURS} AND {own("pg_statistic_ext", "x.oid")}
UNION ALL
SELECT 'text search', format('configuration %%I.%%I', n.nspname, t.cfgname),
       concat_ws(' ', t.parser, (SELECT string_agg(m.maptokentype || ' ' || m.mapdict::regdictionary,
         ', ' ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = t.oid)), ''
  FROM (SELECT t.*, (SELECT format('%%I.%%I', n.nspname, p.prsname) FROM pg_ts_parser p
          JOIN pg_namespace n ON n.oid = p.prsnamespace WHERE p.oid = t.cfgparser) AS parser
          FROM pg_ts_config t) AS t JOIN pg_namespace n ON n.oid = t.cfgnamespace
 WHERE {OURS} AND {own("pg_ts_config", "t.oid")}
UNION ALL
SELECT 'text search', format('dictionary %%I.%%I', n.nspname, t.dictname),
       concat_ws(' ', (SELECT format('%%I.%%I', m.nspname, s.tmplname) FROM pg_ts_template s
         JOIN pg_namespace m ON m.oid = s.tmplnamespace WHERE s.oid = t.dicttemplate),
         t.dictinitoption), ''
  FROM pg_ts_dict t JOIN pg_namespace n ON n.oid = t.dictnamespace
 WHERE {OURS} AND {own("pg_ts_dict", "t.oid")}
"""

_LEFT_ALONE = ("pg_extension", "pg_event_trigger", "pg_publication", "pg_subscription")
COMMENTS = f"""
SELECT 'comment', CASE c.relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
         WHEN 'f' THEN 'foreign table ' WHEN 'S' THEN 'sequence ' WHEN 'c' THEN 'type '
         WHEN 'i' THEN 'index ' WHEN 'I' THEN 'index ' ELSE 'table ' END
         || {NAMED} || coalesce('.' || quote_ident(a.attname), ''), s.description, ''
  FROM pg_description s
  LEFT JOIN pg_attribute a ON a.attrelid = s.objoid AND a.attnum = nullif(s.objsubid, 0),
       {CLASS} AND s.classoid = 'pg_class'::regclass AND s.objoid = c.oid
UNION ALL
SELECT 'comment', i.type || ' ' || i.identity, s.description, ''
  FROM pg_description s,
       LATERAL pg_identify_object(s.classoid, s.objoid, s.objsubid) AS i,
       LATERAL pg_identify_object_as_address(s.classoid, s.objoid, s.objsubid) AS w
 WHERE (s.objoid >= 16384 OR (s.classoid = 'pg_namespace'::regclass AND i.identity NOT IN
        ('pg_catalog', 'pg_toast', 'information_schema', 'public')
        AND EXISTS (SELECT FROM pg_namespace m WHERE m.oid = s.objoid AND m.nspname !~ '^pg_')))
   AND s.classoid <> 'pg_class'::regclass AND s.classoid::regclass::text <> ALL
       (ARRAY{list(_LEFT_ALONE)}) AND i.identity <> 'public'
   AND coalesce(i.schema, w.object_names[1]) <> ALL (%(ignored)s)
   AND coalesce(i.schema, w.object_names[1]) !~ '^pg_(toast|temp)'
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = s.classoid AND d.objid = s.objoid
                    AND d.deptype = 'e')
"""
"""On what a dump of one database brings back: extensions are the server's, and what only a superuser could
make is left out. What the server has from its making is not asked about."""
