"""Is the restored structure what the backup held? Word for word, by a table of what each difference means.

Owners change where nobody could be made owner, and the server that restores may be a newer one: what
is expected to differ is said and does not fail. What nobody can tell apart from damage does not pass.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import DbObject, Structure, same_words
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


_LEFT_OUT = "a restore leaves it out, for only a superuser could make it"
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
        why="roles belong to the server and not to the backup: make it before users come",
    ),
    "membership": Rule(
        missing=GOOD, extra=GOOD, why="roles belong to the server and not to the backup"
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


def differences(
    held: Structure, restored: Structure, *, majors: tuple[int, int]
) -> Iterator[Remark]:
    """What is not as the backup held it. `majors` are the servers' major versions, the backup's first."""
    unread = {**restored.unread, **held.unread}
    for kind, why in sorted(unread.items()):
        yield _remark(kind, "", UNSURE, f"could not be compared: {plain(why, 300)}")
    owned = frozenset(f"{one.name} to {one.words}" for one in held.of_kind("owner").values())
    kinds = sorted({one.kind for one in (*held.objects, *restored.objects)} - unread.keys())
    for kind in kinds:
        for one in _differences_of(kind, held.of_kind(kind), restored.of_kind(kind), majors):
            yield _as_rights(one, owned, majors) if kind == "grant" else one


def _differences_of(
    kind: str,
    held: Mapping[str, DbObject],
    restored: Mapping[str, DbObject],
    majors: tuple[int, int],
) -> Iterator[Remark]:
    rule = RULES.get(kind, Rule())
    because = f": {rule.why}" if rule.why else ""
    for name in sorted({*held, *restored}):
        was, is_ = held.get(name), restored.get(name)
        if was is None:
            yield _remark(kind, name, rule.extra, f"not in the backup{because}")
        elif is_ is None:
            yield _remark(kind, name, rule.missing, f"missing{because}")
        elif not same_words(was.words, _comparable(kind, is_.words, majors)):
            verdict, words = rule.changed, f"{_change(was.words, is_.words)}{because}"
            if verdict is FAIL and majors[0] != majors[1] and kind in _DEPARSED:
                verdict = UNSURE
                words += f"; PostgreSQL {majors[1]} may only write it otherwise than {majors[0]}"
            yield _remark(kind, name, verdict, words)


def _comparable(kind: str, words: str, majors: tuple[int, int]) -> str:
    """Rights as the backup's server could have said them: who had all of them got MAINTAIN with 17."""
    if not majors[0] < 17 <= majors[1]:
        return words
    if kind == "grant":
        return ", ".join(one for one in words.split(", ") if one.rstrip("*") != "MAINTAIN")
    return re.sub(r"=([A-Za-z*]*?)m\*?", r"=\1", words) if kind == "default grant" else words


def _as_rights(one: Remark, owned: frozenset[str], majors: tuple[int, int]) -> Remark:
    """`owned`: the rights of whoever owned what was held, which are read only once somebody else does."""
    if one.verdict is FAIL and one.subject in owned:
        words = f"{one.words}: what was its owner's; {_OWNED}"
        return one.model_copy(update={"verdict": GOOD, "words": words})
    if one.subject.startswith("schema public to ") and majors[0] < 15 <= majors[1]:
        words = f"{one.words}; since PostgreSQL 15 not everybody may create there"
        return one.model_copy(update={"verdict": UNSURE, "words": words})
    return one


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
