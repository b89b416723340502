"""Is the restored structure what the backup held? Word for word, by a table of what each difference means.

Owners change where nobody could be made owner, and the server that restores may be a newer one: what
is expected to differ is said and does not fail. What nobody can tell apart from damage does not pass.
"""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from drbook.core.archivelist import is_left_out
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import (
    NOT_VALID,
    DbObject,
    Structure,
    names_of,
    same_meaning,
    same_words,
)
from drbook.core.values import plain

GOOD, FAIL, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY


@dataclass(frozen=True, slots=True)
class Rule:
    """What it means where an object of a kind is missing, is there beside what was held, or reads
    otherwise; and why, where that is not plain."""

    missing: TableVerdict = FAIL
    extra: TableVerdict = FAIL
    changed: TableVerdict = FAIL
    why: str = ""
    lacks: str = ""
    """What to do where it is missing."""


_LEFT_OUT = "the load left it out, for only a superuser could make it: make it by hand"
MISSING, EXTRA = "missing", "not in the backup"
AS_OWNER = "no more than it had as the owner in the backup"
NARROWED = 3
"""The reading since when an owner's rights are listed that are not all."""
LEFT_OUT = ("publication", "subscription", "event trigger")
"""What a load leaves out where only a superuser could make it; only what it said that it left out may be
missing."""
_OWNED = "the restored objects belong to the login that loaded them until somebody gives them away"

RULES: Mapping[str, Rule] = {
    "schema": Rule(extra=GOOD),
    "table": Rule(),
    "column": Rule(),
    "view": Rule(),
    "materialized view": Rule(),
    "foreign table": Rule(),
    "index": Rule(),
    "constraint": Rule(),
    "sequence": Rule(),
    "function": Rule(),
    "trigger": Rule(),
    "rule": Rule(),
    "policy": Rule(),
    "type": Rule(),
    "collation": Rule(),
    "cast": Rule(),
    "operator": Rule(),
    "operator class": Rule(),
    "text search": Rule(),
    "statistics": Rule(),
    "extension": Rule(extra=GOOD, changed=GOOD, why="the server brings its own version of it"),
    "extension schema": Rule(extra=GOOD),
    "extension grant": Rule(
        why="an extension's objects belong to a superuser, and the login that loads may neither give nor "
        "take rights on them: do it by hand, and verify again"
    ),
    "foreign server": Rule(),
    "user mapping": Rule(),
    "user mapping options": Rule(
        missing=GOOD, extra=GOOD, why="only a superuser sees how a role logs in elsewhere"
    ),
    "comment": Rule(),
    "publication": Rule(missing=GOOD, why=_LEFT_OUT),
    "subscription": Rule(missing=GOOD, why=_LEFT_OUT),
    "event trigger": Rule(missing=GOOD, why=_LEFT_OUT),
    "owner": Rule(missing=GOOD, extra=GOOD, changed=GOOD, why=_OWNED),
    "grant": Rule(),
    "server grant": Rule(
        missing=GOOD,
        extra=GOOD,
        changed=GOOD,
        why="rights on the database itself, on languages and on foreign-data wrappers are not in a dump "
        "of one database, or only a superuser could give them: set them by hand",
    ),
    "default grant": Rule(),
    "role": Rule(
        missing=GOOD,
        extra=GOOD,
        changed=GOOD,
        why="roles belong to the server and not to the backup",
        lacks="make it before users come",
    ),
    "membership": Rule(
        missing=GOOD,
        extra=GOOD,
        changed=GOOD,
        why="roles belong to the server and not to the backup",
    ),
    "database setting": Rule(
        missing=GOOD,
        extra=GOOD,
        changed=GOOD,
        why="settings of roles and databases are not in a dump of one database: set it by hand",
    ),
    "encoding": Rule(),
    "locale": Rule(
        changed=UNSURE,
        why="text sorts otherwise: ranges and partitions of text may hold other rows, and users see "
        "another order",
    ),
    "server setting": Rule(missing=GOOD, extra=GOOD, changed=GOOD, why="the server has its own"),
    "collation version": Rule(
        missing=GOOD, extra=GOOD, changed=GOOD, why="indexes were built here, by this version"
    ),
}
"""Kind → what a difference means. A kind that is not here counts like a table."""

SINCE: Mapping[str, int] = {"extension schema": 3, "extension grant": 3}
"""In which reading of a structure a kind was first asked for: an older one says nothing of it."""

_DEPARSED = frozenset(
    {
        "view",
        "materialized view",
        "index",
        "constraint",
        "column",
        "function",
        "trigger",
        "rule",
        "policy",
        "statistics",
        "collation",
        "publication",
    }
)
"""Kinds whose words the server makes from its own form of them: another major may write the same
thing otherwise."""
_REWRITTEN = _DEPARSED - {"collation"} | {"table", "type"}
"""Kinds in which stand expressions that the same major writes otherwise after a dump and a load."""
_RIGHTS = ("DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE")
"""All that may be granted on a table before PostgreSQL 17, which knows MAINTAIN as well."""
_ALL = re.compile(r"(=(?:arwdDxt|a\*r\*w\*d\*D\*x\*t\*))(?=/)")
_OWN = re.compile(r"((?:^|, )(?P<role>[^,=/]+)=[a-zA-Z*]+?)m?(?=/(?P=role)(?:, |$))")
"""The same as `aclitem` writes it, and what a role has on what it makes itself."""


def differences(
    held: Structure,
    restored: Structure,
    *,
    majors: tuple[int, int],
    left_out: Sequence[str] | None = None,
) -> Iterator[Remark]:
    """What is not as the backup held it. `majors` are the servers' major versions, the backup's first.
    `left_out` is what the load said that it left out; None where that is not known."""
    unread = {**restored.unread, **held.unread}
    known = min(held.reading, restored.reading)
    unknown = {kind for kind, since in SINCE.items() if known < since}
    for kind, why in sorted(unread.items()):
        yield _remark(kind, "", UNSURE, f"could not be compared: {plain(why, 300)}")
    owners = {f"{one.name} to {one.words}" for one in held.of_kind("owner").values()}
    kinds = sorted(
        {one.kind for one in (*held.objects, *restored.objects)} - unread.keys() - unknown
    )
    public = "public" in held.of_kind("schema")
    for kind in kinds:
        found = _differences_of(
            kind,
            held.of_kind(kind),
            restored.of_kind(kind),
            majors,
            owners if kind == "grant" else (),
            {one.name: one for one in held.also if one.kind == kind},
        )
        for one in found:
            sure = one
            if kind == "grant" and one.words == AS_OWNER and known < NARROWED:
                words = f"{EXTRA}; it was the owner, and whether with all rights, an older reading does not say"
                sure = one.model_copy(update={"verdict": UNSURE, "words": words})
            elif kind == "grant":
                sure = _of_schema_public(one, majors)
                if not public and _is_the_servers(one, restored, majors[1]):
                    words = (
                        f"{EXTRA}, which had no schema public: the server makes it with this right"
                    )
                    sure = one.model_copy(update={"verdict": GOOD, "words": words})
            elif kind in LEFT_OUT and one.words.startswith(MISSING):
                sure = _left_out(one, left_out)
            yield sure if held.reading == restored.reading else _of_another_reading(sure)


def _differences_of(
    kind: str,
    held: Mapping[str, DbObject],
    restored: Mapping[str, DbObject],
    majors: tuple[int, int],
    owners: Container[str] = (),
    also: Mapping[str, DbObject] | None = None,
) -> Iterator[Remark]:
    """`also`: what read otherwise while the backup was made."""
    rule = RULES.get(kind, Rule())
    because = f": {rule.why}" if rule.why else ""
    for name in sorted({*held, *restored}):
        was, is_ = held.get(name), restored.get(name)
        if was is None and name in owners:
            # It had all rights, for an owner whose rights were narrowed is listed with what was left.
            yield _remark(kind, name, GOOD, AS_OWNER)
        elif was is None:
            yield _remark(kind, name, rule.extra, f"{EXTRA}{because}")
        elif is_ is None and kind == "index" and was.flaw == NOT_VALID:
            yield _remark(kind, name, GOOD, "not valid in production; a dump leaves it out")
        elif is_ is None:
            todo = f"; {rule.lacks}" if rule.lacks else ""
            yield _remark(kind, name, rule.missing, f"{MISSING}{because}{todo}")
        elif name in owners and _but_maintain(was, is_, majors):
            continue
        elif not _same(was, is_, majors) and also and name in also:
            if not _same(also[name], is_, majors):
                words = f"{_change(was.words, is_.words)}; it was changed while it was dumped"
                yield _remark(kind, name, UNSURE if rule.changed is FAIL else rule.changed, words)
        elif not _same(was, is_, majors):
            words = f"{_change(was.words, is_.words)}{because}"
            yield _remark(kind, name, *_changed(was, is_, rule.changed, words, majors))


def _same(was: DbObject, is_: DbObject, majors: tuple[int, int]) -> bool:
    if same_words(was.words, is_.words):
        return True
    if was.kind in ("grant", "default grant") and 0 < majors[0] < 17 <= majors[1]:
        given = _with_maintain if was.kind == "grant" else _default_with_maintain
        return given(was.words) == given(is_.words)
    return was.kind in _REWRITTEN and bool(same_meaning(was.words, is_.words))


def _changed(
    was: DbObject, is_: DbObject, verdict: TableVerdict, words: str, majors: tuple[int, int]
) -> tuple[TableVerdict, str]:
    if verdict is FAIL and majors[0] != majors[1] and was.kind in _DEPARSED:
        newer = f"; PostgreSQL {majors[1]} may only write it otherwise than {majors[0]}"
        return UNSURE, words + newer
    if verdict is FAIL and was.kind in _REWRITTEN and same_meaning(was.words, is_.words) is None:
        return UNSURE, words + "; PostgreSQL may only write it otherwise, which this digest hides"
    return verdict, words


def _but_maintain(was: DbObject, is_: DbObject, majors: tuple[int, int]) -> bool:
    """Whether an owner whose rights were narrowed before 17, which knows MAINTAIN, has that one more."""
    if not 0 < majors[0] < 17 <= majors[1]:
        return False
    return [
        one for one in is_.words.split(", ") if one.rstrip("*") != "MAINTAIN"
    ] == was.words.split(", ")


def _with_maintain(rights: str) -> str:
    """Who was granted everything before 17 has MAINTAIN as well where 17 or newer restored it; who was
    granted less has not."""
    mark = "*" if rights.endswith("*") else ""
    if rights.split(", ") != [one + mark for one in _RIGHTS]:
        return rights
    return ", ".join(sorted(one + mark for one in (*_RIGHTS, "MAINTAIN")))


def _default_with_maintain(items: str) -> str:
    def whole(found: re.Match[str]) -> str:
        return found[1] + ("m*" if "*" in found[1] else "m")

    return _OWN.sub(r"\1m", _ALL.sub(whole, items))


def _of_another_reading(one: Remark) -> Remark:
    if one.verdict is not FAIL:
        return one
    words = f"{one.words}; another version of drbook read it, which may only write it otherwise"
    return one.model_copy(update={"verdict": UNSURE, "words": words})


def _of_schema_public(one: Remark, majors: tuple[int, int]) -> Remark:
    if not one.subject.startswith("schema public to ") or not majors[0] < 15 <= majors[1]:
        return one
    words = f"{one.words}; since PostgreSQL 15 not everybody may create there"
    return one.model_copy(update={"verdict": UNSURE, "words": words})


def _is_the_servers(one: Remark, restored: Structure, major: int) -> bool:
    """Whether that is what everybody may in a schema `public` as the server makes it."""
    usual = "USAGE" if major >= 15 else "CREATE, USAGE"
    found = restored.of_kind("grant").get(one.subject)
    return (
        one.subject == "schema public to PUBLIC"
        and one.words.startswith(EXTRA)
        and found is not None
        and found.words == usual
    )


def _left_out(one: Remark, left_out: Sequence[str] | None) -> Remark:
    names = names_of(one.subject)
    said = is_left_out(one.check, names[0] if names else one.subject, left_out)
    if said:
        return one
    if said is None:
        words = f"{MISSING}; whether the load left it out is not known"
        return one.model_copy(update={"verdict": UNSURE, "words": words})
    return one.model_copy(
        update={"verdict": FAIL, "words": f"{MISSING}, and the load did not leave it out"}
    )


def _remark(kind: str, name: str, verdict: TableVerdict, words: str) -> Remark:
    return Remark(
        question=Question.FIDELITY, check=kind, subject=name, verdict=verdict, words=words
    )


def _change(was: str, now: str) -> str:
    """The part that differs, with a little of what stands before it."""
    same = next((n for n, (a, b) in enumerate(zip(was, now, strict=False)) if a != b), None)
    start = min(len(was), len(now)) if same is None else same
    start = max(0, start - 20) if start > 60 else 0
    lead = "…" if start else ""
    return (
        f"held `{lead}{plain(was[start:], 160) or 'nothing'}`, "
        f"is `{lead}{plain(now[start:], 160) or 'nothing'}`"
    )
