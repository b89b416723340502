"""Expressions as tables: what a text compiles to, and what it is worth in a scope."""

from collections.abc import Mapping

import pytest

from drbook.core.expressions import (
    Const,
    ExpressionError,
    Join,
    Path,
    evaluate,
    is_constant,
    paths,
)
from drbook.core.values import Json
from drbook.language.compile import CannotCompile, compile_text, compile_tree

SCOPE: Mapping[str, Json] = {
    "inputs": {
        "name": "Rental",
        "count": 3,
        "share": 0.5,
        "yes": True,
        "no": False,
        "nothing": None,
        "list": ["a", "b", 1, True],
        "map": {"k": "v"},
        "tricky": "${{ inputs.name }}",
        "blank": "  x  ",
    },
    "steps": {"locate": {"point": {"id": "p1", "bytes": 12}}},
}

KEEPS_ITS_TYPE: list[tuple[str, Json]] = [
    ("plain", "plain"),
    ("", ""),
    ("${{ inputs.name }}", "Rental"),
    ("${{ inputs.count }}", 3),
    ("${{ inputs.share }}", 0.5),
    ("${{ inputs.yes }}", True),
    ("${{ inputs.nothing }}", None),
    ("${{ inputs.list }}", ["a", "b", 1, True]),
    ("${{ steps.locate.point }}", {"id": "p1", "bytes": 12}),
    ("${{ steps['locate']['point'].id }}", "p1"),
    ("${{inputs.count}}", 3),
    ("${{ 5 }}", 5),
    ("${{ 'text' }}", "text"),
    ("${{ true }}", True),
    ("${{ none }}", None),
    ("${{ ['a', 2] }}", ["a", 2]),
]

JOINS: list[tuple[str, Json]] = [
    ("db-${{ inputs.name }}", "db-Rental"),
    ("${{ inputs.name }}${{ inputs.count }}", "Rental3"),
    ("${{ inputs.yes }}/${{ inputs.no }}", "true/false"),
    ("${{ inputs.share }} of it", "0.5 of it"),
    ("a\n${{ inputs.name }}\n", "a\nRental\n"),
    ("{{ inputs.name }} {% if %} {# #} ${{ inputs.count }}", "{{ inputs.name }} {% if %} {# #} 3"),
    ("$HOME ${x} }} ${{ 1 }}", "$HOME ${x} }} 1"),
    ("${{ '<b>' }}&", "<b>&"),
]

COMPARES: list[tuple[str, Json]] = [
    ("${{ inputs.count == 3 }}", True),
    ("${{ inputs.count == 3.0 }}", True),
    ("${{ inputs.count != 3 }}", False),
    ("${{ inputs.count < 4 }}", True),
    ("${{ inputs.count <= 3 }}", True),
    ("${{ inputs.count > 3 }}", False),
    ("${{ inputs.count >= 3 }}", True),
    ("${{ 1 < inputs.count < 4 }}", True),
    ("${{ 1 < inputs.count < 3 }}", False),
    ("${{ 1 < inputs.count < 4 < 2 }}", False),
    ("${{ inputs.name < 'S' }}", True),
    ("${{ inputs.name == 'rental' }}", False),
    ("${{ inputs.count == '3' }}", False),
    ("${{ inputs.yes == 1 }}", False),
    ("${{ inputs.no == 0 }}", False),
    ("${{ 1 == inputs.yes }}", False),
    ("${{ inputs.yes != 1 }}", True),
    ("${{ inputs.yes == true }}", True),
    ("${{ inputs.nothing == none }}", True),
    ("${{ inputs.nothing == false }}", False),
    ("${{ 'a' in inputs.list }}", True),
    ("${{ 'z' not in inputs.list }}", True),
    ("${{ 1 in inputs.list }}", True),
    ("${{ 1 in [true] }}", False),
    ("${{ true in [1] }}", False),
    ("${{ 'ent' in inputs.name }}", True),
    ("${{ 3 in inputs.name }}", False),
    ("${{ 'k' in inputs.map }}", True),
    ("${{ 3 in inputs.map }}", False),
    ("${{ inputs.yes and inputs.no }}", False),
    ("${{ inputs.yes or inputs.no }}", True),
    ("${{ not inputs.no }}", True),
    ("${{ inputs.no and inputs.nothing }}", False),
    ("${{ inputs.yes or inputs.nothing }}", True),
]

FILTERS: list[tuple[str, Json]] = [
    ("${{ inputs.name | lower }}", "rental"),
    ("${{ inputs.name | upper }}", "RENTAL"),
    ("${{ inputs.blank | trim }}", "x"),
    ("${{ inputs.name | length }}", 6),
    ("${{ inputs.list | length }}", 4),
    ("${{ inputs.map | length == 1 }}", True),
    ("${{ inputs.name | trim | lower | length }}", 6),
    ("${{ inputs.nothing | default('d') }}", "d"),
    ("${{ inputs.missing | default('d') }}", "d"),
    ("${{ steps.other.point.id | default(inputs.name) }}", "Rental"),
    ("${{ inputs.no | default(true) }}", False),
    ("${{ inputs.count | default(9) }}", 3),
]


@pytest.mark.parametrize(("text", "value"), KEEPS_ITS_TYPE + JOINS + COMPARES + FILTERS)
def test_value(text: str, value: Json) -> None:
    found = evaluate(compile_text(text), SCOPE)
    assert found == value
    assert type(found) is type(value)


CANNOT: list[tuple[str, str]] = [
    ("${{ inputs.missing }}", "inputs has no `missing`"),
    ("${{ nowhere }}", "has no `nowhere`"),
    ("${{ inputs.name.first }}", "inputs.name has no `first`"),
    ("${{ inputs.list.first }}", "inputs.list has no `first`"),
    ("${{ steps.verify.ok }}", "steps has no `verify`"),
    ("${{ inputs.count and true }}", "`and` needs true or false, and met a number"),
    ("${{ true and inputs.name }}", "`and` needs true or false, and met a text"),
    ("${{ not inputs.nothing }}", "`not` needs true or false, and met nothing"),
    ("${{ inputs.list or true }}", "`or` needs true or false, and met a list"),
    ("${{ inputs.name < 3 }}", "`<` cannot compare a text with a number"),
    ("${{ inputs.yes < 3 }}", "`<` cannot compare true or false with a number"),
    ("${{ inputs.yes >= false }}", "cannot compare true or false"),
    ("${{ inputs.list < inputs.list }}", "cannot compare a list with a list"),
    ("${{ 1 in inputs.count }}", "`in` needs a list, a mapping or a text, and met a number"),
    ("${{ 1 in inputs.nothing }}", "met nothing"),
    ("${{ inputs.count | lower }}", "`lower` needs a text, and met a number"),
    ("${{ inputs.count | length }}", "`length` needs a list, a mapping or a text"),
    ("x ${{ inputs.nothing }}", "nothing (null) cannot stand inside a text"),
    ("x ${{ inputs.map }}", "a mapping cannot stand inside a text"),
    ("x ${{ inputs.list }}", "a list cannot stand inside a text"),
]


@pytest.mark.parametrize(("text", "what"), CANNOT)
def test_a_value_that_does_not_fit_is_an_error(text: str, what: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(compile_text(text), SCOPE)
    assert what in caught.value.what
    assert caught.value.code == "expression"


REFUSED: list[tuple[str, str]] = [
    ("${{ inputs.name() }}", "a call"),
    ("${{ range(9) }}", "a call"),
    ("${{ inputs.count + 1 }}", "arithmetic"),
    ("${{ inputs.count - 1 }}", "arithmetic"),
    ("${{ inputs.count * 2 }}", "arithmetic"),
    ("${{ inputs.count / 2 }}", "arithmetic"),
    ("${{ inputs.count // 2 }}", "arithmetic"),
    ("${{ inputs.count % 2 }}", "arithmetic"),
    ("${{ 9 ** 9 ** 9 }}", "arithmetic"),
    ("${{ inputs.name ~ 'x' }}", "the operator ~"),
    ("${{ 1 if inputs.yes else 2 }}", "an if inside an expression"),
    ("${{ inputs.name is string }}", "a test with `is`"),
    ("${{ inputs.name | replace('a', 'b') }}", "the filter `replace`"),
    ("${{ inputs.name | attr('x') }}", "the filter `attr`"),
    ("${{ inputs.name | default }}", "0 arguments of `default`"),
    ("${{ inputs.name | default('a', true) }}", "2 arguments of `default`"),
    ("${{ inputs.name | default(value='a') }}", "named arguments of `default`"),
    ("${{ inputs.name | lower('a') }}", "1 arguments of `lower`"),
    ("${{ inputs.list[0] }}", "a position in brackets"),
    ("${{ inputs.list[0:2] }}", "`getitem`"),
    ("${{ {'a': 1} }}", "`dict`"),
    ("${{ [inputs.name] }}", "`list`"),
    ("${{ 'x'.upper }}", "a field of something that is not a name"),
    ("${{ -1 }}", "`neg`"),
    ("${{ }}", "Expected an expression"),
    ("${{ inputs. }}", "expected name or number"),
    ("${{ inputs.name", "unexpected end of template"),
    ("a ${{ b } c", "unexpected '}'"),
    ("${{ 'open }}", "unexpected char"),
]


@pytest.mark.parametrize(("text", "found"), REFUSED)
def test_what_is_not_on_the_list_does_not_compile(text: str, found: str) -> None:
    with pytest.raises(CannotCompile) as caught:
        compile_text(text)
    assert found in caught.value.found
    assert caught.value.expected


HUGE: list[tuple[str, str]] = [
    ("${{ inputs.name" + " | trim" * 2500 + " }}", "nested too deep"),
    ("${{ " + "not " * 4000 + "true }}", "nested too deep"),
    ("${{ " + "(" * 9000 + "true" + ")" * 9000 + " }}", "nested too deep"),
    ("${{ " + "[" * 9000 + "]" * 9000 + " }}", "nested too deep"),
    ("${{ inputs" + ".a" * 9000 + " }}", "nested too deep"),
    ("${{ true" + " and true" * 2000 + " }}", "nested too deep"),
    ("${{ true" + " and true" * 150 + " }}", "nested too deep"),
    ("${{ 1" + " < 1" * 4000 + " }}", "nested too deep"),
    ("${{ " + "9" * 9000 + " }}", "a number that is too long"),
    ("x" * 20_001 + "${{ 1 }}", "a text of 20009 characters with expressions"),
]


@pytest.mark.parametrize(("text", "found"), HUGE, ids=range(len(HUGE)))
def test_a_huge_expression_is_refused(text: str, found: str) -> None:
    with pytest.raises(CannotCompile) as caught:
        compile_text(text)
    assert found in caught.value.found


def test_long_texts_within_the_limits_are_worth_something() -> None:
    assert evaluate(compile_text("${{ 1 }}" * 2500), SCOPE) == "1" * 2500
    assert evaluate(compile_text("${{ true" + " and true" * 90 + " }}"), SCOPE) is True
    assert evaluate(compile_text("${{ inputs.name" + " | trim" * 90 + " }}"), SCOPE) == "Rental"


def test_a_value_is_never_evaluated_a_second_time() -> None:
    assert evaluate(compile_text("${{ inputs.tricky }}"), SCOPE) == "${{ inputs.name }}"
    joined = evaluate(compile_text("<${{ inputs.tricky }}>"), SCOPE)
    assert joined == "<${{ inputs.name }}>"
    tree = compile_tree({"a": ["${{ inputs.tricky | trim }}"]})
    assert evaluate(tree, SCOPE) == {"a": ["${{ inputs.name }}"]}


def test_trees_keep_their_shape_and_types() -> None:
    tree = compile_tree({"a": [1, True, None, "${{ inputs.count }}"], "b": {"c": "x"}})
    assert evaluate(tree, SCOPE) == {"a": [1, True, None, 3], "b": {"c": "x"}}
    assert evaluate(compile_tree({"k ${{ inputs.count }}": 1}), SCOPE) == {
        "k ${{ inputs.count }}": 1
    }


def test_paths_and_constants_are_told() -> None:
    tree = compile_tree(
        {"a": "${{ steps.x.y == inputs.z }}", "b": ["t ${{ not steps.w | default(runbook.v) }}"]}
    )
    assert {str(path) for path in paths(tree)} == {"steps.x.y", "inputs.z", "steps.w", "runbook.v"}
    needed = {str(path) for path in paths(tree, needed=True)}
    assert needed == {"steps.x.y", "inputs.z", "runbook.v"}, "something stands in for the other"
    assert not is_constant(tree)
    assert is_constant(compile_tree({"a": [1, {"b": "text"}]}))
    assert compile_text("x") == Const("x")
    assert compile_text("${{ a.b }}") == Path(("a", "b"))
    assert compile_text("x${{ a }}") == Join((Const("x"), Path(("a",))))
