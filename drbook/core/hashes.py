"""Recorded content hashes: how one is read, and which two may be compared.

The sum of the rows' hashes is written with its method, `hash_record_extended/2:123`. A method may carry
traits after a plus sign: what else the figure depends on. Two equal sums of one method are equal
contents whatever else differs; only of two *different* sums it must be asked whether they had to be
equal, and that is what `comparable` answers.
"""

from dataclasses import dataclass

RECORD, TEXT = "hash_record_extended/2", "hashtextextended/2"
"""By the types' own hash functions, and by the text of the row. Of both this is the second way: columns
come in the order of their names, and the first function's hash is mixed once more, since by itself it
adds up the columns' hashes, and a sum over rows then says nothing of values that changed places."""

CHAR = "char"
"""The trait of a text hash of rows with a value of the type `"char"`."""

_CHANGES = {
    (TEXT, ""): ((12, "floating-point values are written in the shortest exact form since 12"),),
    (TEXT, CHAR): ((15, 'the type "char" is written otherwise since 15'),),
}
"""By method and trait: the major version in which what is hashed changed. (Release notes of 12, "Make
float output shortest-precise"; commit ec62ce55 of 15, "Change type "char"'s I/O format".)

The hash functions of the built-in types themselves are kept stable by PostgreSQL, since hash-partitioned
tables are carried over by pg_upgrade; only neighbouring majors were tried here."""


@dataclass(frozen=True, slots=True)
class Hashed:
    """One recorded content hash and the server that computed it."""

    method: str
    traits: frozenset[str]
    value: str
    major: int
    """Of the server; 0 where it was not recorded."""


def written(method: str, traits: frozenset[str], value: str) -> str:
    """`method+trait:value`, as it is recorded."""
    return "+".join([method, *sorted(traits)]) + f":{value}"


def read(content: str, server_version: int) -> Hashed:
    """What was recorded. `server_version` is `server_version_num`, like 180003."""
    head, _, value = content.partition(":")
    method, *traits = head.split("+")
    return Hashed(method, frozenset(traits), value, server_version // 10000)


def comparable(a: Hashed, b: Hashed) -> str:
    """Why a difference between the two would say nothing, in a sentence; empty where it would."""
    if a.method != b.method:
        return f"Content was hashed by another method: {a.method} and {b.method}."
    if a.method not in (RECORD, TEXT):
        return f"Content was hashed by {a.method}, which is not known here."
    encodings = _encoding(a), _encoding(b)
    if encodings[0] != encodings[1]:
        return f"The databases have other encodings: {encodings[0]} and {encodings[1]}."
    if a.major == b.major:
        return ""
    low, high = sorted((a.major, b.major))
    if low == 0:
        return "Which server's version hashed the content was not recorded."
    for trait in ("", *sorted(a.traits | b.traits)):
        for since, why in _CHANGES.get((a.method, trait), ()):
            if low < since <= high:
                return f"Content hashed by PostgreSQL {low} and {high} cannot be compared: {why}."
    if high - low > 1:
        return (
            f"Content was hashed by PostgreSQL {low} and {high}; that their hashes agree is known only "
            "of neighbouring versions."
        )
    return ""


def _encoding(hashed: Hashed) -> str:
    """Names are upper case, as PostgreSQL writes encodings; without one it is UTF8."""
    return next((trait for trait in sorted(hashed.traits) if trait.isupper()), "UTF8")
