"""Which queries a structure is read by, on a server of which version, and what each of them tells of."""

from collections.abc import Callable, Mapping

from drbook.providers import pgobjects, pgothers, pgrights

_QUERIES: Mapping[str, str | Callable[[int], str]] = {
    "schemas": pgobjects.SCHEMAS,
    "tables": pgobjects.TABLES,
    "columns": pgobjects.columns,
    "indexes": pgobjects.INDEXES,
    "constraints": pgobjects.CONSTRAINTS,
    "sequences": pgobjects.SEQUENCES,
    "functions": pgothers.FUNCTIONS,
    "triggers": pgobjects.TRIGGERS,
    "rules": pgobjects.RULES,
    "policies": pgobjects.POLICIES,
    "types": pgothers.TYPES,
    "extensions": pgothers.EXTENSIONS,
    "publications": pgothers.publications,
    "subscriptions": pgothers.SUBSCRIPTIONS,
    "other servers": pgothers.FOREIGN,
    "collations": pgothers.collations,
    "operators": pgothers.OPERATORS,
    "other objects": pgothers.OTHERS,
    "comments": pgothers.COMMENTS,
    "owners": pgrights.OWNERS,
    "grants": pgrights.GRANTS,
    "grants of extensions": pgrights.EXTENSION_GRANTS,
    "grants of the server's": pgrights.SERVER_GRANTS,
    "roles": pgrights.ROLES,
    "database": pgrights.DATABASE,
    "locale": pgrights.locale,
    "collation versions": pgrights.collation_versions,
}
KINDS: Mapping[str, tuple[str, ...]] = {
    "schemas": ("schema",),
    "tables": ("table", "view", "materialized view", "foreign table"),
    "columns": ("column",),
    "indexes": ("index",),
    "constraints": ("constraint",),
    "sequences": ("sequence",),
    "functions": ("function",),
    "triggers": ("trigger",),
    "rules": ("rule",),
    "policies": ("policy",),
    "types": ("type",),
    "extensions": ("extension", "extension schema"),
    "publications": ("publication",),
    "subscriptions": ("subscription",),
    "other servers": ("foreign server", "user mapping", "user mapping options"),
    "collations": ("collation",),
    "operators": ("operator", "operator class", "cast"),
    "other objects": ("event trigger", "statistics", "text search"),
    "comments": ("comment",),
    "owners": ("owner",),
    "grants": ("grant",),
    "grants of extensions": ("extension grant",),
    "grants of the server's": ("server grant",),
    "roles": ("role", "membership", "database setting", "default grant"),
    "database": ("encoding", "server setting"),
    "locale": ("locale",),
    "collation versions": ("collation version",),
}
"""What each part of the catalogue tells of: where it cannot be read, all of these are unknown."""


def parts(version: int) -> list[tuple[str, str]]:
    """Each part with its query, for a server of this `server_version_num`."""
    return [
        (part, query if isinstance(query, str) else query(version))
        for part, query in _QUERIES.items()
    ]
