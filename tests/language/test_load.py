"""Runbooks that do not load, as tables: each problem with its exact place, what was found, what was
expected; and what a runbook that loads has become."""

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path as FilePath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drbook.core.errors import Problem, RunbookInvalid
from drbook.core.expressions import Const, Path
from drbook.core.runbook import Phase, Runbook
from drbook.language.check import Vocabulary
from drbook.language.load import load, load_file

Loading = Callable[[str | bytes], Runbook]
Problems = Callable[[str | bytes], tuple[Problem, ...]]

HEAD = "drbook: 1\ntitle: T\n"
"""Lines 1 and 2; what follows starts on line 3."""
GOOD = HEAD + "steps:\n  - {id: a, phase: detect, do: manual}\n"

Row = tuple[str, int, int, str, str, str]
"""Text after the head, line, column, path, found, a part of expected."""

DOCUMENT: list[Row] = [
    ("", 1, 1, "", "no `steps`", "the field `steps`"),
    ("steps: []", 3, 8, "steps", "a list", "at least 1 item"),
    ("steps: {}", 3, 8, "steps", "a mapping", "a list"),
    ("steps: no", 3, 8, "steps", "the text 'no'", "a list"),
    ("setps: 1", 3, 1, "setps", "the unknown field `setps`", "did you mean `steps`?"),
    ("zzz: 1", 3, 1, "zzz", "the unknown field `zzz`", "one of: drbook, title, "),
    ("title: 5", 3, 1, "title", "`title` a second time", "the first is on line 2"),
    ("description: 5", 3, 14, "description", "the number 5", "a text"),
    ("objectives: {rpo: 24}", 3, 19, "objectives.rpo", "the number 24", "a duration with a unit"),
    ("objectives: {rpo: 24x}", 3, 19, "objectives.rpo", "the text '24x'", "is not a duration"),
    ("objectives: {rtt: 1h}", 3, 14, "objectives.rtt", "the unknown field `rtt`", "`rto`"),
    ("inputs: {Occurred: {}}", 3, 20, "inputs.Occurred", "the text 'Occurred'", "small letters"),
    ("inputs: {a: {type: date}}", 3, 20, "inputs.a.type", "the text 'date'", "'text', 'time'"),
    ("inputs: [a]", 3, 9, "inputs", "a list", "a mapping"),
    ("hosts: a.example", 3, 8, "hosts", "the text 'a.example'", "a list"),
    ("hosts: [no, 5]", 3, 13, "hosts[1]", "the number 5", "a text"),
    ("production: {database: {}}", 3, 24, "production.database", "a mapping", "exactly one of"),
    (
        "production: {database: {dsn: postgres://u:hunter2@h/db}}",
        3,
        30,
        "production.database.dsn",
        "a text that is no reference (it may be a secret, so it is not shown)",
        "a reference to a secret",
    ),
]

STEPS: list[Row] = [
    ("phase: detect, do: manual", 4, 5, "steps[0]", "no `id`", "the field `id`"),
    ("id: a, do: manual", 4, 5, "steps[0]", "no `phase`", "the field `phase`"),
    ("id: a, phase: detect", 4, 5, "steps[0]", "no `do`", "the field `do`"),
    ("id: A-b, phase: detect, do: manual", 4, 10, "steps[0].id", "the text 'A-b'", "small letters"),
    ("id: 5, phase: detect, do: manual", 4, 10, "steps[0].id", "the number 5", "a text"),
    ("id: a, phase: now, do: manual", 4, 20, "steps[0].phase", "the text 'now'", "'preserve'"),
    (
        "id: a, phase: detect, do: manual, nead: []",
        4,
        40,
        "steps[0].nead",
        "the unknown field `nead`",
        "did you mean `needs`?",
    ),
    (
        "id: a, phase: detect, do: manul",
        4,
        32,
        "steps[0].do",
        "the unknown action `manul`",
        "one of: ask, assert, choose, code, manual, note, wait; did you mean `manual`?",
    ),
    ("id: a, phase: detect, do: [x]", 4, 32, "steps[0].do", "a list", "a text"),
    (
        "id: a, phase: detect, do: manual, timeout: 5",
        4,
        49,
        "steps[0].timeout",
        "the number 5",
        "a duration with a unit",
    ),
    (
        "id: a, phase: detect, do: manual, retry: {times: 0}",
        4,
        55,
        "steps[0].retry.times",
        "the number 0",
        "greater than or equal to 1",
    ),
    (
        "id: a, phase: detect, do: manual, retry: {times: many}",
        4,
        55,
        "steps[0].retry.times",
        "the text 'many'",
        "a whole number",
    ),
    (
        "id: a, phase: detect, do: manual, on_failure: ignore",
        4,
        52,
        "steps[0].on_failure",
        "the text 'ignore'",
        "'stop', 'continue'",
    ),
    (
        "id: a, phase: detect, do: manual, confirm: yes",
        4,
        49,
        "steps[0].confirm",
        "the text 'yes'",
        "",
    ),
    (
        "id: a, phase: detect, do: manual, needs: [b]",
        4,
        48,
        "steps[0].needs[0]",
        "`b`",
        "the id of a step",
    ),
    (
        "id: a, phase: detect, do: manual, needs: b",
        4,
        47,
        "steps[0].needs",
        "the text 'b'",
        "a list",
    ),
    (
        "id: a, phase: detect, do: manual, needs: [a]",
        4,
        5,
        "steps[0]",
        "a circle of needs: a",
        "in an order",
    ),
    ("id: a, phase: detect, do: ask", 4, 5, "steps[0]", "no `prompt`", "the field `prompt`"),
    (
        "id: a, phase: detect, do: ask, with: {promt: x}",
        4,
        44,
        "steps[0].with.promt",
        "the unknown field `promt`",
        "did you mean `prompt`?",
    ),
    (
        "id: a, phase: detect, do: ask, with: {prompt: 7}",
        4,
        52,
        "steps[0].with.prompt",
        "the number 7",
        "a text",
    ),
    (
        "id: a, phase: detect, do: wait, with: {for: 5}",
        4,
        50,
        "steps[0].with.for",
        "the number 5",
        "a duration with a unit",
    ),
    (
        "id: a, phase: detect, do: ask, with: x",
        4,
        43,
        "steps[0].with",
        "the text 'x'",
        "a mapping",
    ),
    (
        'id: a, phase: detect, do: code, with: {sql: "x ${{ inputs.b }}"}',
        4,
        50,
        "steps[0].with.sql",
        "an expression inside code",
        "`params` or `args` for values",
    ),
]

EXPRESSIONS: list[tuple[str, str, str]] = [
    ("inputs.x", "the undefined name `inputs.x`", "`inputs` with one of: day"),
    ("inputs.dya", "the undefined name `inputs.dya`", "did you mean `day`?"),
    ("inputs", "the undefined name `inputs`", "`inputs` with one of: day"),
    ("steps.nope.y", "the undefined step `steps.nope.y`", "the id of a step"),
    ("steps.frist.value", "the undefined step `steps.frist.value`", "did you mean `first`?"),
    ("steps", "the undefined name `steps`", "one of: inputs, steps, incident, runbook"),
    ("input.day", "the undefined name `input.day`", "did you mean `inputs`?"),
    ("env.PASSWORD", "the undefined name `env.PASSWORD`", "one of: inputs, steps"),
    ("steps.first.vaule", "the undefined name `steps.first.vaule`", "did you mean `value`?"),
    ("steps.second.value", "`steps.second.value`, the step itself", "another step"),
    ("incident.when", "the undefined name `incident.when`", "id, mode, occurred"),
    ("runbook.tilte", "the undefined name `runbook.tilte`", "did you mean `title`?"),
    ("inputs.day | default(inputs.x)", "the undefined name `inputs.x`", "day"),
    ("inputs.day() ", "a call", "names, constants, comparisons"),
    ("inputs.day + 1", "arithmetic", "names, constants"),
    ("inputs.day | tojson", "the filter `tojson`", "one of: length, lower"),
    ("inputs.", "expected name or number", "`${{ … }}`"),
]


@pytest.mark.parametrize("row", DOCUMENT, ids=range(len(DOCUMENT)))
def test_document(problems: Problems, row: Row) -> None:
    text, rest = row[0], row[1:]
    _one(problems(HEAD + text + "\n"), *rest)


@pytest.mark.parametrize("row", STEPS, ids=range(len(STEPS)))
def test_step(problems: Problems, row: Row) -> None:
    text, rest = row[0], row[1:]
    _one(problems(HEAD + "steps:\n  - {" + text + "}\n"), *rest)


def _one(found: tuple[Problem, ...], *wanted: str | int) -> None:
    """Exactly one of the problems is the wanted one; the schema's other complaints may stand beside."""
    line, column, path, what, expected = wanted
    here = [p for p in found if (p.line, p.column, p.path, p.found) == (line, column, path, what)]
    assert len(here) == 1, [str(problem) for problem in found]
    assert str(expected) in here[0].expected


TWO = """\
drbook: 1
title: T
inputs: {day: {}}
steps:
  - {id: first, phase: detect, do: ask, with: {prompt: P}}
  - {id: second, phase: detect, do: ask, with: {prompt: "x ${{ HERE }}"}}
"""


@pytest.mark.parametrize(("text", "found", "expected"), EXPRESSIONS)
def test_expression(problems: Problems, text: str, found: str, expected: str) -> None:
    (problem,) = problems(TWO.replace("HERE", text))
    assert found in problem.found
    assert expected in problem.expected
    assert problem.line == 6
    assert problem.path.startswith("steps[1].with")


WHEN: list[tuple[str, str]] = [
    ("yes", "the text 'yes'"),
    ("5", "the number 5"),
    ("[true]", "a list"),
    ('"x ${{ true }}"', "a text with an expression in it"),
    ("\"${{ 'yes' }}\"", "the text 'yes'"),
    ('"${{ inputs.day | length }}"', "a value that is never true or false"),
]


@pytest.mark.parametrize(("text", "found"), WHEN)
def test_when_must_be_a_condition(problems: Problems, text: str, found: str) -> None:
    (problem,) = problems(
        HEAD + "inputs: {day: {}}\n"
        "steps:\n"
        "  - id: a\n"
        "    phase: detect\n"
        f"    when: {text}\n"
        "    do: manual\n"
    )
    assert (problem.line, problem.column, problem.path) == (7, 11, "steps[0].when")
    assert problem.found == found
    assert "true" in problem.expected


def test_a_circle_names_its_steps(problems: Problems) -> None:
    (problem,) = problems(
        HEAD + "steps:\n"
        "  - {id: a, phase: detect, do: manual, needs: [c]}\n"
        "  - {id: b, phase: detect, do: note, with: {text: '${{ steps.a.done }}'}, needs: []}\n"
        "  - {id: c, phase: detect, do: manual, needs: [b]}\n"
        "  - {id: d, phase: detect, do: manual, needs: []}\n"
    )
    assert problem.found == "a circle of needs: a, b, c"
    assert (problem.line, problem.path) == (4, "steps[0]")


def test_a_step_behind_a_circle_is_not_blamed_first(problems: Problems) -> None:
    (problem,) = problems(
        HEAD + "steps:\n"
        "  - {id: after, phase: detect, do: manual, needs: [x]}\n"
        "  - {id: x, phase: detect, do: manual, needs: [y]}\n"
        "  - {id: y, phase: detect, do: manual, needs: [x]}\n"
    )
    assert problem.found == "a circle of needs: x, y"
    assert problem.path == "steps[1]"


def test_a_second_id_names_the_line_of_the_first(problems: Problems) -> None:
    (problem,) = problems(GOOD + "  - {id: a, phase: detect, do: manual}\n")
    assert problem.found == "`a` a second time"
    assert problem.expected == "a name of its own; the first is on line 4"
    assert (problem.line, problem.column) == (5, 10)


KINDS: list[Row] = [
    ("backups: [{id: x}]", 3, 11, "backups[0]", "no `kind`", "one of: shelf"),
    ("backups: [{kind: shelve}]", 3, 18, "backups[0].kind", "the text 'shelve'", "mean `shelf`"),
    ("backups: [{kind: 5}]", 3, 18, "backups[0].kind", "the number 5", "one of: shelf"),
    ("backups: [5]", 3, 11, "backups[0]", "the number 5", "a mapping"),
    ("backups: [{kind: shelf, id: x}]", 3, 11, "backups[0]", "no `path`", "the field `path`"),
    (
        "backups: [{kind: shelf, id: x, path: p, deep: 1}]",
        3,
        41,
        "backups[0].deep",
        "the unknown field `deep`",
        "did you mean `depth`?",
    ),
    (
        "backups: [{kind: shelf, id: x, path: p, timeout: 60}]",
        3,
        50,
        "backups[0].timeout",
        "the number 60",
        "a duration with a unit",
    ),
    (
        "backups: [{kind: shelf, id: x, path: p, timeout: 1ms}]",
        3,
        50,
        "backups[0].timeout",
        "the text '1ms'",
        "at least 1s",
    ),
    (
        "backups: [{kind: shelf, id: x, path: p, depth: 10}]",
        3,
        48,
        "backups[0].depth",
        "the number 10",
        "less than or equal to 9",
    ),
    (
        "backups: [{kind: shelf, id: x, path: p}, {kind: shelf, id: x, path: p}]",
        3,
        60,
        "backups[1].id",
        "`x` a second time",
        "a name of its own",
    ),
    ("baselines: {kind: drawers}", 3, 19, "baselines.kind", "the text 'drawers'", "`drawer`"),
    ("baselines: {kind: drawer}", 3, 12, "baselines", "no `path`", "the field `path`"),
]


@pytest.mark.parametrize("row", KINDS, ids=range(len(KINDS)))
def test_kinds(problems: Problems, row: Row) -> None:
    text, rest = row[0], row[1:]
    steps = GOOD.removeprefix(HEAD)
    _one(problems(HEAD + text + "\n" + steps), *rest)


def test_all_problems_come_at_once_and_sorted(problems: Problems) -> None:
    found = problems(
        HEAD + "inputs: {day: &d {}}\n"
        "backups: [{kind: shelff}]\n"
        "steps:\n"
        "  - {id: a, phase: detect, do: manul}\n"
        "  - {id: a, phase: detect, do: manual, needs: [zz]}\n"
        "  - {id: b, phase: detect, do: ask, with: {prompt: '${{ inputs.dya }}', x: 1}}\n"
        "  - {id: c, phase: detect, do: manual, when: maybe}\n"
    )
    assert [(p.line, p.found) for p in found] == [
        (3, "the anchor &d"),
        (4, "the text 'shelff'"),
        (6, "the unknown action `manul`"),
        (7, "`a` a second time"),
        (7, "`zz`"),
        (8, "the undefined name `inputs.dya`"),
        (8, "the unknown field `x`"),
        (9, "the text 'maybe'"),
    ]
    assert [(p.line, p.column) for p in found] == sorted((p.line, p.column) for p in found)


def test_what_does_not_validate_hides_nothing_else(problems: Problems) -> None:
    found = problems(
        HEAD + "objectives: {rpo: soon, rtt: 1h}\n"
        "inputs: {n: {type: date}}\n"
        "baselines: {kind: drawr}\n"
        "backups:\n"
        "  - {id: a, kind: shelf, path: /a, depth: 99}\n"
        "  - {id: a, kind: shelff}\n"
        "steps:\n"
        "  - {id: one, phase: detektion, do: manul}\n"
        "  - {id: two, phase: detect, do: ask, wen: x, with: {prompt: P, x: 1}}\n"
        "  - {id: three, phase: detect, needs: [zz], with: {whatever: 1}}\n"
        "  - {id: four, phase: detect, do: ask, with: {prompt: '${{ steps.twoo.value }}'}}\n"
        "  - {id: five, phase: detect, do: manual, timeout: soon, when: maybe}\n"
    )
    assert [(p.line, p.path) for p in found] == [
        (3, "objectives.rpo"),
        (3, "objectives.rtt"),
        (4, "inputs.n.type"),
        (5, "baselines.kind"),
        (7, "backups[0].depth"),
        (8, "backups[1].kind"),
        (10, "steps[0].phase"),
        (10, "steps[0].do"),
        (11, "steps[1].wen"),
        (11, "steps[1].with.x"),
        (12, "steps[2]"),
        (12, "steps[2].needs[0]"),
        (13, "steps[3].with"),
        (14, "steps[4].timeout"),
        (14, "steps[4].when"),
    ]


def test_unknown_actions_are_named_beside_schema_errors(problems: Problems) -> None:
    found = problems(
        HEAD + "objectives: {rpo: soon}\nsteps:\n  - {id: a, phase: detect, do: manul}\n"
    )
    assert [(p.line, p.path) for p in found] == [(3, "objectives.rpo"), (5, "steps[0].do")]


def test_text_from_the_file_is_shown_without_control_characters(problems: Problems) -> None:
    found = problems(HEAD + 'steps: [{id: a, phase: detect, do: "m\\e[31m\\u202e"}]\n')
    assert all(ord(character) >= 32 for problem in found for character in str(problem))
    assert "\u202e" not in str(found[0])


@pytest.mark.parametrize(
    ("place", "path", "found", "expected"),
    [
        ("{kind: clustre}", "place.kind", "the text 'clustre'", "one of: cluster, database"),
        ("{kind: clustre}", "place.kind", "the text 'clustre'", "did you mean `cluster`?"),
        ("{dbname: x}", "place", "no `kind`", "the field `kind`"),
        ("{kind: database}", "place", "no `server`", "the field `server`"),
        ("{kind: database, servr: {host: a}}", "place.servr", "the unknown field `servr`", "one of: kind, server"),
        ("{kind: cluster, servr: {host: a}}", "place.servr", "the unknown field `servr`", "one of: kind, dbname"),
        ("cluster", "place", "the text 'cluster'", "a mapping"),
    ],
)  # fmt: skip
def test_one_of_several_kinds_is_judged_as_the_kind_that_it_names(
    problems: Problems, place: str, path: str, found: str, expected: str
) -> None:
    step = "{id: a, phase: detect, do: code, with: {sql: S, place: PLACE}}"
    told = problems(HEAD + f"steps:\n  - {step.replace('PLACE', place)}\n")
    assert [(one.line, one.path, one.found) for one in told if one.found == found] == [
        (4, f"steps[0].with.{path}", found)
    ]
    assert any(expected in one.expected for one in told)


# --- what must not be complained about -----------------------------------------------------------


@pytest.mark.parametrize(
    "with_",
    [
        "{sql: S, limit: '${{ inputs.n }}'}",
        "{sql: S, target: '${{ steps.first.value }}'}",
        "{sql: S, target: {kind: '${{ steps.first.value }}'}}",
        "{sql: S, place: '${{ steps.first.value }}'}",
        "{sql: S, place: {kind: '${{ steps.first.value }}'}}",
        "{sql: S, place: {kind: cluster, dbname: '${{ steps.first.value }}'}}",
        "{sql: S, params: {a: '${{ inputs.n }}', b: [1, '${{ steps.first.value }}']}}",
        "{sql: S, params: '${{ steps.first.value }}'}",
        "{sql: 'SELECT 1 -- $1 {{ x }}'}",
    ],
)
def test_an_expression_may_stand_where_a_type_is_asked_for(loading: Loading, with_: str) -> None:
    runbook = loading(
        HEAD + "inputs: {n: {type: number}}\n"
        "steps:\n"
        "  - {id: first, phase: detect, do: ask, with: {prompt: P}}\n"
        f"  - {{id: second, phase: detect, do: code, with: {with_}}}\n"
    )
    assert runbook.steps[1].id == "second"


def test_a_wrong_neighbour_of_an_expression_is_still_found(problems: Problems) -> None:
    (problem,) = problems(
        HEAD + "inputs: {n: {type: number}}\n"
        "steps:\n"
        "  - {id: a, phase: detect, do: code, with: {sql: 5, limit: '${{ inputs.n }}'}}\n"
    )
    assert (problem.path, problem.found) == ("steps[0].with.sql", "the number 5")


# --- what a runbook becomes ----------------------------------------------------------------------


def test_inputs_that_a_step_refers_to(loading: Loading) -> None:
    runbook = loading(
        HEAD + "inputs: {n: {}, m: {}, k: {}, occurred: {type: time}}\n"
        "steps:\n"
        "  - {id: a, phase: detect, do: ask, with: {prompt: 'to ${{ inputs.n | upper }}'}}\n"
        "  - id: b\n"
        "    phase: close\n"
        "    do: note\n"
        '    with: {text: "${{ incident.occurred }}"}\n'
        "    when: ${{ inputs.m == 'x' or not (inputs.m == 'y') }}\n"
        '    confirm: {type: "${{ inputs.k }}"}\n'
        "  - {id: c, phase: detect, do: note, with: {text: '${{ incident.mode }}'}}\n"
    )
    assert [(step.id, set(step.inputs)) for step in runbook.steps] == [
        ("a", {"n"}),
        ("b", {"occurred", "m", "k"}),
        ("c", set()),
    ]


def test_a_runbook_that_loads(loading: Loading) -> None:
    text = (
        HEAD
        + "objectives: {rpo: 24h, rto: 90m}\n"
        "backups: [{kind: shelf, id: x, path: p}]\n"
        "baselines: {kind: drawer, path: q}\n"
        "steps:\n"
        "  - {id: a, phase: detect, do: manual}\n"
        "  - {id: b, phase: contain, do: manual}\n"
        "  - {id: c, phase: locate, needs: [], do: ask, with: {prompt: no}}\n"
        "  - id: d\n"
        "    phase: close\n"
        "    needs: [b]\n"
        "    do: {do}\n".replace("{do}", "note")
        + '    with: {text: "${{ steps.c.value }}"}\n'
        "    when: ${{ steps.a.done }}\n"
        '    confirm: {type: "${{ steps.c.value }}"}\n'
    )
    runbook = loading(text)
    assert runbook.sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert runbook.source == text.encode()
    assert [(s.id, set(s.needs), set(s.uses)) for s in runbook.steps] == [
        ("a", set(), set()),
        ("b", {"a"}, set()),
        ("c", set(), set()),
        ("d", {"a", "b", "c"}, {"a", "c"}),
    ]
    assert runbook.step("d").when == Path(("steps", "a", "done"))
    assert runbook.step("d").confirm_type == Path(("steps", "c", "value"))
    assert runbook.step("a").when is None
    assert runbook.step("c").step.phase is Phase.LOCATE
    assert runbook.document.objectives.rto == timedelta(minutes=90)
    assert [source.id for source in runbook.sources] == ["x"]
    assert runbook.baseline_store is not None


def test_an_output_with_a_default_everywhere_may_be_missing(loading: Loading) -> None:
    runbook = loading(
        HEAD + "steps:\n"
        "  - {id: a, phase: detect, do: manual}\n"
        "  - {id: c, phase: locate, needs: [], do: ask, with: {prompt: no}}\n"
        "  - id: d\n"
        "    phase: close\n"
        "    do: note\n"
        "    with: {text: \"${{ steps.c.value | default('-') }}\"}\n"
        "    when: ${{ steps.a.done | default(true) }}\n"
        '    confirm: {type: "${{ steps.c.value }}"}\n'
    )
    step = runbook.step("d")
    assert step.uses == {"a", "c"} <= step.needs, "both are waited for"
    assert step.may_lack == {"a"}
    assert step.cannot_lack == {"c"}


def test_when_may_be_a_plain_boolean(loading: Loading) -> None:
    runbook = loading(HEAD + "steps: [{id: a, phase: detect, do: manual, when: false}]\n")
    assert runbook.step("a").when == Const(False)


def test_a_byte_order_mark_is_read_over_and_kept_in_the_digest(loading: Loading) -> None:
    data = b"\xef\xbb\xbf" + GOOD.encode()
    assert loading(data).sha256 == hashlib.sha256(data).hexdigest()


def test_a_file_is_named_in_its_problems(tmp_path: FilePath, vocabulary: Vocabulary) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("drbook: 2\n")
    with pytest.raises(RunbookInvalid) as caught:
        load_file(path, vocabulary)
    assert f"{path}:1:9: drbook: found the number 2" in str(caught.value)
    path.write_text(GOOD)
    assert load_file(path, vocabulary).file == str(path)


@pytest.mark.parametrize("version", ["2", "0", "'1'", "true", "1.5", "[1]", "~"])
def test_only_version_one_is_read(problems: Problems, version: str) -> None:
    found = problems(GOOD.replace("drbook: 1", f"drbook: {version}"))
    assert [(p.path, p.line, p.column) for p in found] == [("drbook", 1, 9)]
    assert "1" in found[0].expected


def test_one_wrong_step_does_not_make_the_list_too_short(problems: Problems) -> None:
    (problem,) = problems(HEAD + "steps: [{id: a, phase: detect, do: manual, timeout: x}]\n")
    assert problem.path == "steps[0].timeout"


def test_a_value_of_several_possible_types_is_one_problem(problems: Problems) -> None:
    (problem,) = problems(HEAD + "steps: [{id: a, phase: detect, do: manual, when: 5}]\n")
    assert (problem.found, problem.expected) == ("the number 5", "true or false or a text")


# --- properties ----------------------------------------------------------------------------------

QUICK = settings(
    max_examples=150,
    deadline=2000,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

PIECES = st.sampled_from(
    [
        "drbook: 1\n", "title: T\n", "steps:\n", "  - id: a\n", "    phase: detect\n",
        "    do: manual\n", "    do: ask\n", "    with: {prompt: x}\n", "${{ ", " }}",
        "steps.a.value", "inputs.x", "|", "default", "(", ")", "[", "]", "{", "}", ":", ",", "- ",
        "? ", "&a ", "*a", "!t ", "'", '"', "\n", "  ", "\t", "#", ">-\n", "...\n", "---\n", "%",
        "\0", "\x1b", "\u2028", "\ufeff", "\U0001f600", "<<: ", "1e999", "0o8", "~", "when: ",
    ]
)  # fmt: skip


def _outcome(data: bytes, vocabulary: Vocabulary) -> tuple[Problem, ...]:
    """No problems and a runbook with steps, or problems; any other exception is a defect."""
    try:
        runbook = load(data, "r.yaml", vocabulary)
    except RunbookInvalid as error:
        return error.problems
    return () if runbook.steps else (Problem("", 0, 0, "", "", ""),)


def _loads_or_is_invalid(data: bytes, vocabulary: Vocabulary) -> None:
    begun = time.monotonic()
    found = _outcome(data, vocabulary)
    assert time.monotonic() - begun < 2
    assert all(problem.found and problem.line >= 0 for problem in found)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes(vocabulary: Vocabulary, data: bytes) -> None:
    _loads_or_is_invalid(data, vocabulary)


@QUICK
@given(st.text(max_size=300))
def test_any_text(vocabulary: Vocabulary, text: str) -> None:
    _loads_or_is_invalid(text.encode("utf-8", "surrogatepass"), vocabulary)


@QUICK
@given(st.lists(PIECES, max_size=60))
def test_any_pieces_of_yaml(vocabulary: Vocabulary, pieces: list[str]) -> None:
    _loads_or_is_invalid("".join(pieces).encode(), vocabulary)


@QUICK
@given(st.integers(0, len(TWO) - 1), PIECES)
def test_a_good_runbook_with_something_put_in(
    vocabulary: Vocabulary, position: int, piece: str
) -> None:
    good = TWO.replace("HERE", "inputs.day")
    _loads_or_is_invalid((good[:position] + piece + good[position:]).encode(), vocabulary)


@QUICK
@given(st.text(alphabet="abc.stepinu()[]|+-*/'\"<>=! ,09_{}$%~", max_size=60))
def test_any_expression(vocabulary: Vocabulary, text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    _loads_or_is_invalid(TWO.replace("HERE", quoted).encode(), vocabulary)


TIMERS = [
    ("updates: {audience: all}", (3, 10, "updates"), "no `every`", "the field `every`"),
    ("updates: {every: 30}", (3, 18, "updates.every"), "the number 30", "a duration with a unit"),
    ("updates: {every: 10s}", (3, 18, "updates.every"), "the text '10s'", "at least 1m"),
    ("updates: {every: 30m, to: all}", (3, 23, "updates.to"), "the unknown field `to`", "every, audience"),
    (
        "deadlines: [{name: N, after: 72h, from: noticed}]",
        (3, 41, "deadlines[0].from"),
        "the text 'noticed'",
        "one of: 'occurred', 'detected', 'declared'",
    ),
    ("deadlines: [{name: N}]", (3, 13, "deadlines[0]"), "no `after`", "the field `after`"),
    ("deadlines: [{after: 1h}]", (3, 13, "deadlines[0]"), "no `name`", "the field `name`"),
    ("deadlines: [{name: N, after: 0s}]", (3, 30, "deadlines[0].after"), "the text '0s'", "at least 1m"),
    (
        "deadlines: [{name: N, after: 1h}, {name: n, after: 2h}]",
        (3, 42, "deadlines[1].name"),
        "`n` a second time",
        "a name of its own; the first is on line 3",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "place", "found", "expected"), TIMERS)
def test_updates_and_deadlines(
    problems: Problems, line: str, place: tuple[int, int, str], found: str, expected: str
) -> None:
    (problem,) = problems(
        f"drbook: 1\ntitle: T\n{line}\nsteps:\n  - {{id: a, phase: detect, do: manual, with: {{instructions: I}}}}\n"
    )
    assert (problem.line, problem.column, problem.path) == place
    assert problem.found == found
    assert expected in problem.expected
