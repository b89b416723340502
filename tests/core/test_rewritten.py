"""One form for what PostgreSQL writes in several ways, and never for what means something else."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drbook.core import rewritten
from drbook.core.rewritten import canonical

SAME = {
    "a list of varchar": (
        "((a)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
        "((a)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))",
    ),
    "a list of varchar, with fewer parentheses": (
        "a::text = ANY (ARRAY['a'::character varying, 'b'::character varying]::text[])",
        "a::text = ANY (ARRAY['a'::character varying::text, 'b'::character varying::text])",
    ),
    "a list with a column in it": (
        "ARRAY['a'::character varying, b]::text[]",
        "ARRAY[('a'::character varying)::text, (b)::text]",
    ),
    "a list of numbers": ("(ARRAY[1, 2])::numeric(5,2)[]", "ARRAY[(1)::numeric(5,2), (2)::numeric(5,2)]"),
    "a type of two words and a schema": (
        "(ARRAY['1'::date])::timestamp(3) without time zone[] || (ARRAY['x'::text])::public.\"Mood\"[]",
        "ARRAY[('1'::date)::timestamp(3) without time zone] || ARRAY[('x'::text)::public.\"Mood\"]",
    ),
    "types of several words": (
        "(ARRAY['1'::x])::double precision[] || (ARRAY['1'::x])::time with time zone[]",
        "ARRAY[('1'::x)::double precision] || ARRAY[('1'::x)::time with time zone]",
    ),
    "a default": ("DEFAULT (ARRAY['a'::character varying])::text[]", "DEFAULT ARRAY[('a'::character varying)::text]"),
    "a list that is cast twice": (
        "((ARRAY['a'::text])::character varying[])::text[]",
        "ARRAY[(('a'::text)::character varying)::text]",
    ),
    "AND in AND": ("((((x >= 1) AND (x <= 5)) AND (y = 2)))", "(((x >= 1) AND (x <= 5) AND (y = 2)))"),
    "AND behind AND": ("(a AND (b AND (c AND d)))", "(a AND b AND c AND d)"),
    "OR in OR": ("(((a OR b) OR c))", "((a OR b OR c))"),
    "OR in OR in AND": ("(x AND ((a OR b) OR c))", "(x AND (a OR b OR c))"),
    "a constant's column": (
        "(EXISTS ( SELECT NULL::text\n FROM u WHERE (u.id = t.id)))",
        "(EXISTS ( SELECT NULL::text AS text\n FROM u WHERE (u.id = t.id)))",
    ),
    "columns of several constants": (
        "SELECT 'a'::text, '-1'::integer, '{}'::text[], NULL::public.\"Mood\"",
        "SELECT 'a'::text AS text, '-1'::integer AS int4, '{}'::text[] AS text, NULL::public.\"Mood\" AS \"Mood\"",
    ),
    "columns of types that are called otherwise": (
        "SELECT DISTINCT 'a'::character varying(5), '1'::timestamp(0) with time zone, '1'::numeric(3,1)",
        "SELECT DISTINCT 'a'::character varying(5) AS \"varchar\", '1'::timestamp(0) with time zone AS timestamptz,"
        " '1'::numeric(3,1) AS \"numeric\"",
    ),
    "a column of a query of a constant": (
        "SELECT ( SELECT 'a'::text FROM u) FROM t",
        "SELECT ( SELECT 'a'::text AS text FROM u) AS text FROM t",
    ),
    "a constant behind a column": (
        "x IN ( SELECT v, 'a'::text FROM u)", "x IN ( SELECT v, 'a'::text AS text FROM u)"
    ),
    "dashes in a string": ("'--'  ||  a", "'--' || a"),
    "blanks": ("SELECT a,\n    b\n   FROM t;", "SELECT a, b FROM t;"),
}  # fmt: skip

OTHER = {
    "a constant's column of another name": ("SELECT 'a'::text FROM u", "SELECT 'a'::text AS b FROM u"),
    "a constant's column as none": ("SELECT 'a'::text AS \"?column?\"", "SELECT 'a'::text AS text"),
    "a constant's column of another type": ("SELECT 'a'::text FROM u", "SELECT 'a'::text AS \"varchar\" FROM u"),
    "another constant": ("SELECT 'a'::text FROM u", "SELECT 'b'::text AS text FROM u"),
    "a name where no column is": ("FROM 'a'::text", "FROM 'a'::text AS text"),
    "a column that is no constant": ("SELECT a::text FROM u", "SELECT a::text AS text FROM u"),
    "a constant with more": ("SELECT 'a'::text || b FROM u", "SELECT 'a'::text || b AS text FROM u"),
    "a constant without a type": ("SELECT 1 FROM u", "SELECT 1 AS text FROM u"),
    "AND in OR": ("((a AND b) OR c)", "(a AND (b OR c))"),
    "parentheses of OR in AND": ("(a AND (b OR c))", "(a AND b OR c)"),
    "NOT before a chain": ("(a AND NOT (b AND c))", "(a AND NOT b AND c)"),
    "a comparison with a chain": ("(a AND x = (b AND c))", "(a AND x = b AND c)"),
    "the other side of a comparison": ("(a AND (b AND c) = x)", "(a AND b AND c = x)"),
    "a function of a chain": ("(a AND f(b AND c))", "(a AND f b AND c)"),
    "the bounds of a frame": ("(ROWS BETWEEN x AND (y AND z))", "(ROWS BETWEEN x AND y AND z)"),
    "a query in a chain": ("(a AND (SELECT b AND c))", "(a AND SELECT b AND c)"),
    "a row in a chain": ("(a AND (b AND c, d))", "(a AND b AND c, d)"),
    "the operands' order": ("(a AND b)", "(b AND a)"),
    "the parentheses of a cast": ("(a || b)::text", "a || (b)::text"),
    "the sign of a cast number": ("(-1)::text", "-(1)::text"),
    "a name of the same letters": ('"a"', "'a'"),
    "a name in capitals": ('"A"', "a"),
    "blanks in a string": ("'a  b'", "'a b'"),
    "blanks in a name": ('"a  b"', '"a b"'),
    "blanks in a body": ("AS $function$ a  b $function$", "AS $function$ a b $function$"),
    "an operator in two": ("a <> b", "a < > b"),
    "words in a string": ("'((a AND b) AND c)'", "'(a AND b AND c)'"),
    "a string and two": ("'a''b'", "'a' 'b'"),
    "an escape": (r"E'a\'b'", r"E'a\\b'"),
    "arrays in an array": ("(ARRAY[a, b])::text[]", "ARRAY[(a)::text, (b)::text]"),
    "an array's own arrays": (
        "(ARRAY['{a}'::character varying[], b])::text[]",
        "ARRAY[('{a}'::character varying[])::text, (b)::text]",
    ),
    "an array that is cast to no array": ("(ARRAY['a'::text])::text", "ARRAY[('a'::text)::text]"),
    "the arguments of a function": (
        "f(ARRAY['a'::character varying])::text[]",
        "f ARRAY['a'::character varying::text]",
    ),
    "another word's brackets": ("x['a'::name]::text[]", "ARRAY['a'::name::text]"),
    "a list and more": ("(ARRAY['a'::x] || b)::y[]", "ARRAY['a'::x::y]"),
    "a query's list": ("ARRAY('a'::x)::y[]", "ARRAY['a'::x::y]"),
    "a list in brackets": ("[ARRAY['a'::x]]::y[]", "ARRAY['a'::x::y]"),
    "a list of sums": ("(ARRAY[1 + a])::text[]", "ARRAY[1 + a::text]"),
    "a string that is cast to nothing": ("ARRAY['a', b]::text[]", "ARRAY['a'::text, (b)::text]"),
    "a sum for a cast": ("(ARRAY['a'::x]) + y[]", "ARRAY['a'::x + y]"),
    "a sum for a schema": ("(ARRAY['a'::x])::a + b[]", "ARRAY['a'::x::a + b]"),
    "a keyword for a type": ("(ARRAY['a'::x])::ELSE[]", "ARRAY['a'::x::ELSE]"),
    "a type of a column": ("(ARRAY['a'::x])::y(a)[]", "ARRAY['a'::x::y(a)]"),
    "a function's string": ("f('a'::text)::x", "f 'a'::text::x"),
    "a string that is not cast again": ("('a'::text) = b", "'a'::text = b"),
    "a string in brackets": ("['a'::x]::y", "'a'::x::y"),
    "a chain in brackets": ("(a AND [b AND c])", "(a AND b AND c)"),
    "a chain in parentheses alone": ("((a AND b))", "(a AND b)"),
    "no name of a type": ("(ARRAY['a'::(x)])::y[]", "ARRAY['a'::(x)::y]"),
    "the type of a list": (
        "(ARRAY['a'::character varying])::text[]",
        "(ARRAY['a'::character varying])::bpchar[]",
    ),
    "a keyword that looks like a type's": (
        "ARRAY['a'::text]::text ELSE ARRAY[]::text[]",
        "ARRAY['a'::text::text ELSE ARRAY]::text[]",
    ),
}  # fmt: skip

NOT_FOLLOWED = {
    "no end of parentheses": "(a AND  b",
    "no beginning": "a  AND b)",
    "brackets across": "(a  [b)]",
    "no end of a string": "x = 'a  b",
    "a string that goes on": "x = 'it''s  ",
    "no end of a name": 'x  = "a',
    "no end of a body": "AS $x$ a  $y$",
    "a comment": "a  -- b",
    "a long comment": "a  /* b */",
    "no character of SQL": "a  \\ b",
    "a number that goes on": "12ab  c",
    "very deep": "(" * 200 + "a  b" + ")" * 200,
}


@pytest.mark.parametrize("what", SAME)
def test_what_means_the_same_has_one_form(what: str) -> None:
    held, restored = SAME[what]
    assert canonical(held) == canonical(restored)


@pytest.mark.parametrize("what", OTHER)
def test_what_means_something_else_has_another(what: str) -> None:
    held, restored = OTHER[what]
    assert canonical(held) != canonical(restored)


@pytest.mark.parametrize("what", NOT_FOLLOWED)
def test_what_cannot_be_followed_stays_as_it_is(what: str) -> None:
    assert canonical(NOT_FOLLOWED[what]) == NOT_FOLLOWED[what]


def test_a_text_without_end_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert canonical("a  b") == "a b"
    monkeypatch.setattr(rewritten, "LONGEST", 4)
    assert canonical("a  b") == "a b"
    monkeypatch.setattr(rewritten, "LONGEST", 3)
    assert canonical("a  b") == "a  b"


def test_parentheses_are_followed_to_a_depth() -> None:
    for depth, form in ((rewritten.DEEPEST - 1, "a b"), (rewritten.DEEPEST, "a  b")):
        text = canonical("(" * depth + "a  b" + ")" * depth)
        assert form in text


@pytest.mark.parametrize("word", ["OR", "BETWEEN", "CASE", "SELECT", "VALUES", "WITH", ",", ";"])
def test_a_chain_with_more_in_it_stays_in_its_parentheses(word: str) -> None:
    text = f"( a AND ( b AND c {word} d ) )"
    assert canonical(text) == text


@pytest.mark.parametrize(
    "word",
    [",", "AND", "OR", "DEFAULT", "CASE", "WHEN", "THEN", "ELSE", "SELECT", "RETURN", "=", "&&"],
)
def test_a_list_may_stand_behind_a_keyword_or_an_operator(word: str) -> None:
    form = canonical(f"x {word} (ARRAY['a'::text])::name[]")
    assert form == f"x {word} ARRAY [ 'a' :: text :: name ]"


# --- any expression ------------------------------------------------------------------------------

Change = Callable[[int], str]
NAMES = st.sampled_from(["a", "b", "t.x", '"Odd ""name"', '"AND"', "now()", "VALUE"])
LITERALS = st.one_of(
    st.sampled_from(["1", "2.5", "NULL::text", "'{a,b}'::text[]", "true", "B'101'::\"bit\""]),
    st.text("ab'\\() $\",AND:[]", max_size=6).map(
        lambda text: (
            ("E'" if "\\" in text else "'")
            + text.replace("\\", "\\\\").replace("'", "''")
            + "'::character varying"
        )
    ),
)
OPERATORS = st.sampled_from(["=", "<>", "<=", "~~", "!~*", "||", "->>"])


def _lists(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    ways = st.sampled_from(
        ["(ARRAY[{}])::text[]", "ARRAY[{}]::text[]", "ARRAY[{}]", "f({})", "ROW({})"]
    )
    return st.builds(
        lambda way, parts: way.format(", ").replace(", ", ", ".join(parts), 1),
        ways,
        st.lists(inner, min_size=1, max_size=3),
    )


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chains = st.builds(
        lambda word, parts: f"({f' {word} '.join(parts)})",
        st.sampled_from(["AND", "OR"]),
        st.lists(inner, min_size=2, max_size=3),
    )
    return st.one_of(
        chains,
        _lists(inner),
        st.builds(lambda a, op, b: f"({a} {op} {b})", inner, OPERATORS, inner),
        inner.map(lambda a: f"(NOT {a})"),
        inner.map(lambda a: f"({a})::text"),
        st.builds(lambda a, b: f"CASE WHEN {a} THEN {b} END", inner, inner),
        inner.map(lambda a: f"(SELECT x FROM t WHERE {a})"),
    )


EXPRESSIONS = st.recursive(st.one_of(NAMES, LITERALS), _larger, max_leaves=12)


@given(EXPRESSIONS)
def test_the_form_of_a_form_is_itself(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(st.text("ab'\"\\$() ,:[]-/*E1.AND\n", max_size=40))
def test_any_text_has_a_form_that_stays(text: str) -> None:
    assert canonical(canonical(text)) == canonical(text)


@given(EXPRESSIONS, st.data())
def test_another_token_is_another_form(text: str, data: st.DataObject) -> None:
    """A literal, a name, an operator, or AND for OR: whatever is changed is seen."""
    tokens = [one for one in rewritten._tokens(text) if one is not None]
    at = data.draw(st.integers(0, len(tokens) - 1))
    changed = [*tokens[:at], _another(tokens[at]), *tokens[at + 1 :]]
    assert canonical(" ".join(changed)) != canonical(text)


def _another(token: str) -> str:
    if token in ("(", ")", "[", "]", ",", "::", ".", ":"):
        return "+"
    words = {"AND": "OR", "OR": "AND", "=": "<>", "WHEN": "THEN"}
    if token in words:
        return words[token]
    if token[-1] in "'\"":
        return token[:-1] + "z" + token[-1]
    return token + ("z" if token[-1].isalnum() and not token[0].isdigit() else token[-1])


@given(st.lists(EXPRESSIONS, min_size=2, max_size=4), st.data())
def test_another_order_is_another_form(parts: list[str], data: st.DataObject) -> None:
    other = data.draw(st.permutations(parts))
    for way in ("(ARRAY[{}])::text[]", "ARRAY[{}]", "f({})"):
        one, two = (canonical(way.format(", ".join(each))) for each in (parts, other))
        forms = [[canonical(f"({each})") for each in order] for order in (parts, other)]
        assert (one == two) is (forms[0] == forms[1])


# --- what a chain of AND and OR means --------------------------------------------------------------

TRUTHS = st.recursive(
    st.sampled_from("abcd"),
    lambda inner: st.one_of(
        st.builds(
            lambda word, parts: f"({f' {word} '.join(parts)})",
            st.sampled_from(["AND", "OR"]),
            st.lists(inner, min_size=2, max_size=4),
        ),
        st.builds(lambda a, b, c: f"({a} AND {b} OR {c})", inner, inner, inner),
        inner.map(lambda one: f"(NOT {one})"),
    ),
    max_leaves=10,
)


@given(TRUTHS, TRUTHS)
def test_what_has_one_form_is_true_of_the_same(one: str, other: str) -> None:
    assert _table(one) == _table(canonical(one))
    if canonical(one) == canonical(other):
        assert _table(one) == _table(other)


def _table(text: str) -> list[bool]:
    code = compile(text.replace("AND", "and").replace("OR", "or").replace("NOT", "not"), "", "eval")
    return [
        eval(code, dict(zip("abcd", values, strict=True)))
        for values in product([True, False], repeat=4)
    ]
