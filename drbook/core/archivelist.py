"""Is everything there that the archive lists? Names alone: what each thing is, the list does not say.

It is what a restore without a manifest can be held to beside its rows. (`pg_dump` writes what an entry is
of as its type, its schema and a tag that is made up of names; `_printTocEntry` in pg_backup_archiver.c.)
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import Structure, names_of

LISTED = (
    "structure: that all is there that the archive lists was compared, and no definitions or rights"
)
"""What was not compared where names are all that is known."""

_KINDS: Mapping[str, str] = {
    "SCHEMA": "schema",
    "TABLE": "table",
    "VIEW": "view",
    "MATERIALIZED VIEW": "materialized view",
    "FOREIGN TABLE": "foreign table",
    "SEQUENCE": "sequence",
    "INDEX": "index",
    "CONSTRAINT": "constraint",
    "FK CONSTRAINT": "constraint",
    "CHECK CONSTRAINT": "constraint",
    "TRIGGER": "trigger",
    "RULE": "rule",
    "POLICY": "policy",
    "FUNCTION": "function",
    "PROCEDURE": "function",
    "AGGREGATE": "function",
    "TYPE": "type",
    "DOMAIN": "type",
    "EXTENSION": "extension",
    "STATISTICS": "statistics",
    "COLLATION": "collation",
    "PUBLICATION": "publication",
    "SERVER": "foreign server",
}
"""What pg_dump calls them, and the kind of a structure's object."""
_CALLED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})
"""Whose tags end with arguments, in other words than a structure's; several may have one name."""
_LOADED = "publication"
"""What a load may leave out."""


def missing(
    held: ArchiveFacts,
    restored: Structure,
    ignored: Sequence[str] = (),
    left_out: Sequence[str] | None = (),
) -> Iterator[Remark]:
    """What the archive lists and is not there. `left_out` is what the load said that it leaves out, None
    where that is not known."""
    found = Counter(_spelt(one.kind, names_of(one.name)) for one in restored.objects)
    for type_, entries in sorted((held.objects or {}).items()):
        kind = _KINDS.get(type_)
        if kind is None or kind in restored.unread:
            continue
        wanted = Counter(
            _listed(type_, kind, schema, name)
            for schema, name in entries
            if schema not in ignored and not (type_ == "SCHEMA" and name in ignored)
            if not _elsewhere(type_, kind, name, left_out)
        )
        for one, number in sorted(wanted.items()):
            if found[one] < number:
                yield _gone(kind, one, number - found[one])
    yield from _switched(held, restored, ignored)


def _spelt(kind: str, names: Sequence[str]) -> tuple[str, str, str]:
    """Kind, schema and the rest as a tag has it: a blank between names, and none of a line's end."""
    schema, rest = ("", names) if len(names) == 1 else (names[0], names[1:])
    return kind, schema, _line(" ".join(rest))


def _line(name: str) -> str:
    return name.replace("\n", " ").replace("\r", " ")


def _listed(type_: str, kind: str, schema: str, tag: str) -> tuple[str, str, str]:
    return kind, schema, tag.split("(", 1)[0] if type_ in _CALLED else tag


def _elsewhere(type_: str, kind: str, name: str, left_out: Sequence[str] | None) -> bool:
    """What is not looked for: a view's own rule, plpgsql, what the load left out, a name in letters that
    could not be read."""
    if "\ufffd" in name or (type_ == "RULE" and name.endswith(" _RETURN")):
        return True
    if kind == "extension" and name == "plpgsql":
        return True
    return kind == _LOADED and is_left_out(kind, name, left_out) is not False


def is_left_out(kind: str, name: str, left_out: Sequence[str] | None) -> bool | None:
    """Whether the load said that it leaves this one out; None where nobody knows."""
    if left_out is None:
        return None
    said = f"{kind} {name}"
    return any(one == said or one.startswith(f"{said} ") for one in left_out)


def _gone(kind: str, one: tuple[str, str, str], number: int) -> Remark:
    _, schema, rest = one
    several = f" ({number} of that name)" if number > 1 else ""
    return Remark(
        question=Question.FIDELITY,
        check=f"listed {kind}",
        subject=f"{schema}.{rest}" if schema else rest,
        verdict=TableVerdict.FAIL,
        words=f"missing{several}: the archive lists it",
    )


def _switched(held: ArchiveFacts, restored: Structure, ignored: Sequence[str]) -> Iterator[Remark]:
    """Row security that the archive switches on, and defaults that it sets."""
    objects = held.objects or {}
    for type_, kind, mark in (
        ("ROW SECURITY", "table", "ROW SECURITY"),
        ("DEFAULT", "column", "DEFAULT"),
    ):
        known = {
            _spelt(kind, names_of(one.name)): one.words
            for one in restored.objects
            if one.kind == kind
        }
        for schema, name in objects.get(type_, ()):
            words = known.get((kind, schema, name))
            # A definition that is kept by its digest does not say it.
            if words is None or schema in ignored or words.startswith("sha256 ") or mark in words:
                continue
            yield Remark(
                question=Question.FIDELITY,
                check=f"listed {type_.lower()}",
                subject=f"{schema}.{name}",
                verdict=TableVerdict.FAIL,
                words=f"has no {type_.lower()}: the archive gives it one",
            )
