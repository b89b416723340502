"""What PostgreSQL writes otherwise after a dump and a load, in one form.

The server writes an expression from its own tree of it, and what it makes of that text again is not
always the same tree: `x BETWEEN 1 AND 5 AND y` becomes flat, the cast of a list goes into its elements,
and a constant's column gets a name. Only what means the same to the server itself is made the same here,
and text that cannot be followed is left as it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, Union

LONGEST, DEEPEST = 1_000_000, 100
"""Characters of a text that is followed, and parentheses in parentheses."""

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\n\r\f\v]+)
    | (?P<string>[Ee]'(?:[^'\\]|''|\\.)*'(?!') | (?:[Uu]&|[BbXxNn])?'(?:[^']|'')*'(?!')
        | \$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][\w]*)?)\$.*?\$(?P=tag)\$)
    | (?P<quoted>(?:[Uu]&)?"(?:[^"]|"")*"(?!"))
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]+)?(?![\w$.]))
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*|\$[0-9]+(?![\w$.]))
    | (?P<mark>::|:=|[-+*/<>=~!@\#%^&|`?]+|[()\[\],;:.])""",
    re.VERBOSE | re.DOTALL,
)
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")
_NAME = re.compile(r"""[\"_]|[^\W\dA-Z][^']*\Z""")
_LITERAL = re.compile(r"\.?[0-9]|[A-Za-z&]{0,2}'")
_CLOSES = {"(": ")", "[": "]"}
_FURTHER = frozenset({"varying", "precision", "with", "without", "time", "zone"})
"""Words that may follow the first one of a type's name."""
_BEFORE = frozenset(
    {",", "AND", "OR", "DEFAULT", "CASE", "WHEN", "THEN", "ELSE", "SELECT", "RETURN"}
)
"""After what parentheses are no function's arguments; operators beside."""
_NOT_FLAT = frozenset({"AND", "OR", "BETWEEN", "CASE", "SELECT", "VALUES", "WITH", ",", ";"})


@dataclass(slots=True)
class Group:
    """What stands in parentheses or brackets."""

    opens: str
    parts: list["Node"] = field(default_factory=list)


Node: TypeAlias = Union[str, Group]
"""A token as it is written, or a group of them."""


def canonical(text: str) -> str:
    """One form for all that PostgreSQL may write for the same expression; the text itself where it
    cannot be followed."""
    tree = _tree(text) if len(text) <= LONGEST else None
    return text if tree is None else " ".join(_written(tree))


def _tokens(text: str) -> Iterator[str | None]:
    """Everything but blanks; None for what is no token of an expression."""
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            yield None
            return
        at = found.end()
        token = found.group()
        if found.lastgroup == "mark" and ("--" in token or "/*" in token):
            yield None  # a comment, which the server never writes
            return
        if found["blank"] is None:
            yield token


def _tree(text: str) -> list[Node] | None:
    """The groups of a text, each tidied when it ends; None where they do not fit together."""
    open_: list[Group] = [Group("")]
    for token in _tokens(text):
        if token is None:
            return None
        if token in _CLOSES:
            open_.append(Group(token))
            if len(open_) > DEEPEST:
                return None
        elif token in (")", "]"):
            done = open_.pop()
            if _CLOSES.get(done.opens) != token:
                return None
            done.parts = _tidied(done.parts)
            open_[-1].parts.append(done)
        else:
            open_[-1].parts.append(token)
    return _tidied(open_[0].parts) if len(open_) == 1 else None


def _written(parts: list[Node]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Group):
            yield part.opens
            yield from _written(part.parts)
            yield _CLOSES[part.opens]
        else:
            yield part


def _tidied(parts: list[Node]) -> list[Node]:
    parts = _with_casts_inside(_bare(_unnamed(parts)))
    return _flat(_flat(parts, "AND"), "OR")


def _bare(parts: list[Node]) -> list[Node]:
    """`('a'::x)::y` without its parentheses: the short forms that the server writes have none."""
    found: list[Node] = []
    for at, part in enumerate(parts):
        cast = _free(parts, at) and parts[at + 1 : at + 2] == ["::"]
        if cast and isinstance(part, Group) and part.opens == "(" and _scalar(part.parts):
            found += part.parts
        else:
            found.append(part)
    return found


def _free(parts: list[Node], at: int) -> bool:
    """Whether parentheses here only group: behind a name they would be a function's arguments."""
    before = parts[at - 1] if at else ","
    return isinstance(before, str) and bool(before in _BEFORE or _OPERATOR.fullmatch(before))


def _scalar(parts: list[Node]) -> bool:
    """A number or a string, perhaps cast, and to no array."""
    if not parts or not isinstance(parts[0], str) or not _LITERAL.match(parts[0]):
        return False
    at = 1
    while at < len(parts):
        end = _end_of_type(parts, at + 1)
        if parts[at] != "::" or end is None:
            return False  # a further cast is none where the brackets of an array's type follow
        at = end
    return at > 1 or "'" not in parts[0]


# --- a constant's column is called after its type -------------------------------------------------

_IN_LIST = frozenset({",", "SELECT", "DISTINCT", "ALL"})
"""What stands before a column of a query."""
_CLAUSES = frozenset(
    {
        "SELECT",
        "FROM",
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "VALUES",
        "WITH",
        "WINDOW",
    }
)
_INTERNAL = {
    "integer": "int4",
    "bigint": "int8",
    "smallint": "int2",
    "boolean": "bool",
    "real": "float4",
    "double precision": "float8",
    "character": "bpchar",
    "character varying": "varchar",
    "bit varying": "varbit",
    "timestamp with time zone": "timestamptz",
    "timestamp without time zone": "timestamp",
    "time with time zone": "timetz",
    "time without time zone": "time",
}
"""Types that the server itself calls otherwise than it writes them."""


def _unnamed(parts: list[Node]) -> list[Node]:
    """`SELECT 'a'::text AS text` as `SELECT 'a'::text`. Who wrote `SELECT 'a'` gave no name; read again, the
    cast that the server wrote for it gives one (`FigureColname` in parse_target.c)."""
    if "AS" not in parts:
        return parts
    found: list[Node] = []
    at = 0
    while at < len(parts):
        name = parts[at + 1] if parts[at] == "AS" and at + 1 < len(parts) else None
        if isinstance(name, str) and _own_name(_column(found)) == _unquoted(name):
            at += 2
        else:
            found.append(parts[at])
            at += 1
    return found


def _column(before: list[Node]) -> list[Node]:
    """The column of a query that ends here; nothing where this is no list of columns."""
    clause = next((one for one in reversed(before) if isinstance(one, str) and one in _CLAUSES), "")
    for at in range(len(before) - 1, -1, -1):
        one = before[at]
        if isinstance(one, str) and one in _IN_LIST:
            return before[at + 1 :] if clause == "SELECT" else []
    return []


def _own_name(column: list[Node]) -> str | None:
    """What a constant with its type, or a query of one, is called by itself."""
    if len(column) == 1 and isinstance(column[0], Group):
        inner = column[0].parts
        if inner[:1] != ["SELECT"]:
            return None
        ends = (
            n
            for n, one in enumerate(inner)
            if n and isinstance(one, str) and one in _CLAUSES | {","}
        )
        return _own_name(inner[1 : next(ends, len(inner))])
    first = column[0] if column else None
    if not isinstance(first, str) or not (first == "NULL" or _LITERAL.match(first)):
        return None
    at, name = 1, None
    while at < len(column):
        end = _end_of_type(column, at + 1)
        if column[at] != "::" or end is None:
            return None
        words = [one for one in column[at + 1 : end] if isinstance(one, str)]
        # The last of `schema.name`; a type of the standard has several words.
        name = _unquoted(words[-1]) if "." in words else " ".join(words)
        name = _INTERNAL.get(name, _unquoted(name))
        at = end + 1 if _is_array(column, end) else end
    return name


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


# --- an array's cast goes into its elements ----------------------------------------------------


def _with_casts_inside(parts: list[Node]) -> list[Node]:
    """`ARRAY['a'::x, b]::y[]` as `ARRAY['a'::x::y, (b)::y]`, which is how the server itself reads it.
    One element must be seen to be no array: with arrays in it, the cast is of another kind."""
    found: list[Node] = []
    at = 0
    while at < len(parts):
        array, after = _array(parts, at)
        cast = array is not None and parts[after : after + 1] == ["::"]
        end = _end_of_type(parts, after + 1) if cast else None
        elements = _split(array.parts, ",") if array is not None else []
        if end is not None and _is_array(parts, end) and any(map(_scalar, elements)):
            inside = [_cast(one, parts[after:end]) for one in elements]
            # What follows may be a further cast of the same array.
            parts = [*parts[:at], "ARRAY", Group("[", _joined(inside, ",")), *parts[end + 1 :]]
        else:
            found.append(parts[at])
            at += 1
    return found


def _array(parts: list[Node], at: int) -> tuple[Group | None, int]:
    """The brackets of an `ARRAY[…]` that begins here, in parentheses or not, and where it ends."""
    first = parts[at]
    if isinstance(first, Group) and first.opens == "(":
        inner: list[Node] = first.parts if len(first.parts) == 2 and _free(parts, at) else [""]
        return _array(inner, 0)[0], at + 1
    following = parts[at + 1] if at + 1 < len(parts) else None
    if first == "ARRAY" and isinstance(following, Group) and following.opens == "[":
        return following, at + 2
    return None, at


def _cast(element: list[Node], cast: list[Node]) -> list[Node]:
    return [*element, *cast] if _scalar(element) else [Group("(", element), *cast]


def _end_of_type(parts: list[Node], at: int) -> int | None:
    """Where the name of a type ends that begins here, its brackets left out; None for no type. Names
    are small or quoted, as the server writes them: what is in capitals is a keyword."""
    if at >= len(parts) or not _names(parts[at]):
        return None
    at += 1
    while at < len(parts):
        part = parts[at]
        if part == "." and at + 1 < len(parts) and _names(parts[at + 1]):
            at += 2
        elif _is_modifier(part) if isinstance(part, Group) else part in _FURTHER:
            at += 1
        else:
            break
    return at


def _names(part: Node) -> bool:
    return isinstance(part, str) and bool(_NAME.match(part))


def _is_modifier(part: Group) -> bool:
    return part.opens == "(" and all(
        isinstance(one, str) and (one == "," or one.isdigit()) for one in part.parts
    )


def _is_array(parts: list[Node], end: int) -> bool:
    return parts[end : end + 1] == [Group("[")]


# --- AND in AND and OR in OR -------------------------------------------------------------------


def _flat(parts: list[Node], word: str) -> list[Node]:
    """`(a AND b) AND c` as `a AND b AND c`; grouping says nothing there, and the order stays."""
    if word not in parts or "BETWEEN" in parts:
        return parts
    operands = _split(parts, word)
    return _joined([_inner(one, word) for one in operands], word)


def _inner(operand: list[Node], word: str) -> list[Node]:
    """What stands in an operand's parentheses, where that is a chain of the same word and no more."""
    if len(operand) != 1 or not isinstance(operand[0], Group) or operand[0].opens != "(":
        return operand
    words = {one for one in operand[0].parts if isinstance(one, str)}
    return operand[0].parts if words & _NOT_FLAT == {word} else operand


def _split(parts: list[Node], at: str) -> list[list[Node]]:
    found: list[list[Node]] = [[]]
    for part in parts:
        if part == at:
            found.append([])
        else:
            found[-1].append(part)
    return found


def _joined(pieces: list[list[Node]], by: str) -> list[Node]:
    found = list(pieces[0])
    for piece in pieces[1:]:
        found += [by, *piece]
    return found
