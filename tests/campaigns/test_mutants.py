"""The mutation campaign in short, and that it can fail: weak tests, no tests, false explanations."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from campaigns.mutants import MODULES, OURS, PROJECT, TABLE, explained, stale_rows, verdict
from campaigns.mutations import Mutant, mutants_of
from campaigns.rooms import files_of, measured_modules
from campaigns.seen import Limit, Seen
from campaigns.trials import Place, Tried, Unfit

_CHANGES = [
    ("x = a == b", {"a == b → a != b"}),
    ("x = a < b", {"a < b → a >= b", "a < b → a <= b"}),
    ("x = a in b", {"a in b → a not in b"}),
    ("x = a and b", {"a and b → a or b", "a and b → a", "a and b → b"}),
    ("x = not a", {"not a → a"}),
    ("if a:\n    b()", {"a → not a", "no b()"}),
    ("x = a if b else c", {"b → not b"}),
    ("x = [a for a in b if a]", {"a → not a"}),
    ("x = 1", {"1 → 2"}),
    ("x = True", {"True → False"}),
    ("x = 'word'", {"'word' → 'wordX'"}),
    ("x = 'a sentence'", set()),
    ("x = Answer.UNKNOWN", {"Answer.UNKNOWN → Answer.PASS"}),
    ("def f(): return a", {"return None, not a"}),
    ("def f(): return a, b", set()),
    ("def f(): return None", set()),
    ("def f(x=1): pass", {"1 → 2"}),
    ("raise A('it broke')", {"no raise A('it broke')", "raise Exception, not A"}),
    ("try: a\nexcept B: c", {"no except B"}),
    ("try: a\nexcept (B, C): c", {"no except (B, C)", "without B", "without C"}),
    ("x = {a, b}", {"without a", "without b"}),
    ("x = {a: b}", {"without a"}),
    ("x = (a, b)", {"without a", "without b"}),
    ("for x in (a, b): pass", {"without a", "without b"}),
    ("x = a.b(c, d=e)", {"a.b without d=e"}),
    ("x = a.b(c, d=True)", {"True → False"}),
    ("x = a[:b]", {"a[:b] → a"}),
    ("x.y = z", {"no x.y = z"}),
    ("x += y", {"no x += y"}),
    ("x = plain(y, 100)", {"plain(y, 100) → y"}),
    ("x = y.strip()", {"y.strip() → y"}),
    ("x = max(a, b)", {"max(a, b) → min(a, b)"}),
    ("x = a + b", {"a + b → a - b"}),
    ("x: 'Word' = a", set()),
    ("assert a == b", set()),
    ("'''A docstring'''", set()),
    ("import a", set()),
    ("__all__ = ['a']", set()),
]


@pytest.mark.parametrize(("source", "changes"), _CHANGES)
def test_each_kind_of_change(source: str, changes: set[str]) -> None:
    found = mutants_of(source)
    assert {each.change for each in found} == changes
    for each in found:
        assert each.source != source
        compile(each.source, "mutant", "exec")


def test_a_mutant_is_named_by_its_function_and_not_by_its_line() -> None:
    source = "class A:\n    def f(self, x):\n        return g(x == 1) and g(x == 1)\n"
    names = [(each.function, each.change) for each in mutants_of(source)]
    assert names == [(each.function, each.change) for each in mutants_of("\n\n" + source)]
    assert {function for function, _ in names} == {"A.f"}
    assert ("A.f", "x == 1 → x != 1 [2]") in names
    assert len(set(names)) == len(names)


def test_texts_beside_a_change_stay_as_they_are() -> None:
    (found,) = [each for each in mutants_of("x = f'…{a}'; y = b == 'ä'") if "==" in each.change]
    assert found.source == "x = f'…{a}'; y = (b != 'ä')"


def test_every_module_of_the_guard_is_tried() -> None:
    assert set(measured_modules()["guard"]) <= set(MODULES)
    for module in MODULES:
        assert files_of(module)
        assert OURS.tests(module)


def test_every_explanation_is_of_a_mutant_that_exists() -> None:
    assert stale_rows(OURS) == []
    assert {module for module, _, _ in explained(TABLE)} <= set(MODULES)


# --- it can fail -------------------------------------------------------------------------------


def tried(*ends: str) -> list[Tried]:
    return [Tried("m", Mutant("f", f"{number}", 3, ""), end) for number, end in enumerate(ends)]


def test_too_few_killed_is_a_failure() -> None:
    def held(killed: int) -> tuple[list[str], bool]:
        ends = ["killed"] * killed + ["survived"] * (20 - killed)
        return verdict(tried(*ends), {("m", "f", str(n)): "equal" for n in range(killed, 20)}, [])

    assert held(17)[1]
    lines, good = held(16)
    assert not good
    assert "below 85 %" in lines[0]


@pytest.mark.parametrize(
    ("end", "why", "stale", "good", "said"),
    [
        ("survived", {}, [], False, "survived, not explained: m.py:3 f: 19"),
        ("survived", {("m", "f", "19"): "equal"}, [], True, "survived: m.py:3 f: 19\n    equal"),
        ("killed", {("m", "f", "19"): "equal"}, [], False, "explained as a survivor, but killed"),
        ("timeout", {}, [], True, "1 out of time"),
        ("killed", {}, [("m", "f", "gone")], False, "no such mutant any more: m · f · gone"),
    ],
)
def test_a_survivor_is_explained_and_an_explanation_survives(
    end: str, why: Any, stale: Any, good: bool, said: str
) -> None:
    lines, found = verdict(tried(*["killed"] * 19, end), why, stale)
    assert found is good
    assert said in "\n".join(lines)


def toy(folder: Path, test: str | None) -> Place:
    """A package of one module, `toy/door.py`, with these tests."""
    (folder / "toy").mkdir()
    (folder / "toy" / "__init__.py").write_text("")
    (folder / "toy" / "door.py").write_text("def may_pass(age):\n    return age >= 18\n")
    if test is not None:
        (folder / "test_door.py").write_text(
            f"from toy.door import may_pass\n\ndef test():\n    {test}\n"
        )
    (folder / "table.toml").write_text("")
    return Place(folder, "toy", {"toy.door": ("test_door.py",)}, folder / "table.toml")


@pytest.mark.parametrize(
    ("test", "code"),
    [
        ("assert [may_pass(age) for age in (17, 18)] == [False, True]", 0),
        ("may_pass(20)", 1),
        ("assert not may_pass(20)", 2),
    ],
)
def test_the_campaign_tells_strong_tests_from_weak_ones(
    test: str, code: int, tmp_path: Path
) -> None:
    """In a process of its own, since it forks: 0 all killed, 1 survivors, 2 broken without a change."""
    toy(tmp_path, test)
    script = (
        "import sys; from pathlib import Path; from campaigns.mutants import run; from campaigns.trials import Place;"
        "p = Path(sys.argv[1]);"
        "place = Place(p, 'toy', {'toy.door': ('test_door.py',)}, p / 'table.toml');"
        "sys.exit(run(place, ['toy.door'], None, 1, 2))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert ("survived, not explained" in done.stdout) is (code == 1)


def test_the_lower_bound_believes_the_table_and_tries_the_rest(tmp_path: Path) -> None:
    place = toy(tmp_path, "assert [may_pass(age) for age in (17, 19)] == [False, True]")
    (tmp_path / "table.toml").write_text(
        '[[survivor]]\nmodule = "toy.door"\nfunction = "may_pass"\n'
        'change = "age >= 18 → age > 18"\nwhy = "for this test"\n'
    )
    script = (
        "import sys; from pathlib import Path; from campaigns.mutants import run; from campaigns.trials import Place;"
        "p = Path(sys.argv[1]);"
        "place = Place(p, 'toy', {'toy.door': ('test_door.py',)}, p / 'table.toml');"
        "sys.exit(run(place, ['toy.door'], None, 1, 2, near=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(place.project)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    total = len(mutants_of(place.source("toy.door")))
    assert f"{total} of {total} mutants (seed 1), {total - 2} killed" in done.stdout, done.stderr
    assert (
        "survived: toy/door.py:2 may_pass: age >= 18 → age > 18\n    for this test" in done.stdout
    )
    assert "survived, not explained: toy/door.py:2 may_pass: 18 → 19" in done.stdout


def test_a_module_that_nobody_tests_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match=r"toy\.door: nobody tests it"):
        toy(tmp_path, None).tests("toy.door")


def test_a_sample_of_the_rules_of_independence() -> None:
    """The short form: the command itself, on mutants that a seed chose."""
    command = [sys.executable, "tests/campaigns/mutants.py", "--sample", "5", "--seed", "3"]
    command += ["--module", "drbook.core.criteria"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "5 of " in done.stdout, done.stderr
    assert done.returncode == 0, done.stdout


# --- which tests come first ----------------------------------------------------------------------

_SOURCE = """\
LIMIT = 18
def may(age):
    if age is None:
        return False
    return (
        age
        >= LIMIT
    )
"""


@pytest.mark.parametrize(
    ("line", "first"),
    [
        (1, ["quick"]),  # runs once for all of them: where it is read
        (2, ["quick", "slow"]),
        (3, ["quick", "slow"]),
        (4, ["slow"]),
        (5, ["quick"]),
        (7, ["quick"]),  # inside of a statement that begins above
    ],
)
def test_the_tests_that_ran_a_statement_come_first(line: int, first: list[str]) -> None:
    seen = Seen(
        {"slow": 2.0, "quick": 0.5, "other": 0.1},
        {1: [], 3: ["slow", "quick"], 4: ["slow"], 5: ["quick"], 6: ["quick"]},
    )
    assert seen.first(_SOURCE, line) == first


def test_the_tests_that_noticed_others_come_before_the_rest() -> None:
    seen = Seen({"slow": 2.0, "quick": 0.5}, {3: ["slow", "quick"]})
    assert seen.first(_SOURCE, 3, ["slow", "gone"]) == ["slow", "quick"]


def test_readers_are_followed_through_what_the_module_makes_of_a_name() -> None:
    source = (
        "A = 1\nB = A + 1\nclass C:\n    d = B\ndef f(c):\n    return c.d\ndef g():\n    return 0\n"
    )
    seen = Seen({"f": 1.0, "g": 1.0}, {6: ["f"], 8: ["g"]})
    assert seen.first(source, 1) == ["f"]
    assert seen.first(source, 8) == ["g"]


def test_no_more_than_some_come_first_and_a_hanging_one_has_an_end() -> None:
    names = [f"t{number:03}" for number in range(100)]
    seen = Seen(dict.fromkeys(names, 1.0), {1: names})
    assert seen.first("x = 1\n", 1) == names[:30]
    assert seen.limit(names[:30]) == Limit(100, 19)


def test_what_runs_in_another_process_meets_all_tests(tmp_path: Path) -> None:
    """No test is seen to run the line, and it is not taken for a survivor."""
    place = toy(
        tmp_path,
        "import subprocess, sys; code = 'from toy.door import may_pass as m; print(m(17), m(18))'\n"
        "    out = subprocess.check_output([sys.executable, '-c', code], text=True)\n"
        "    assert out == 'False True\\n'",
    )
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys; from pathlib import Path; from campaigns.trials import Place, campaign;"
         "from campaigns.mutations import mutants_of; p = Path(sys.argv[1]);"
         "place = Place(p, 'toy', {'toy.door': ('test_door.py',)}, p / 'table.toml');"
         "chosen = [('toy.door', each) for each in mutants_of(place.source('toy.door'))];"
         "print(sorted({each.end for each in campaign(place, chosen, 2, lambda _: None)[0]}))",
         str(place.project)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "['killed']\n", done.stderr


def test_a_mutant_that_hangs_is_not_waited_for_as_long_as_all_tests_take(tmp_path: Path) -> None:
    """Its tests may take ten minutes; one that is silent for two seconds hangs."""
    place = toy(tmp_path, "may_pass(20)")
    done = subprocess.run(
        [sys.executable, "-c",
         "import sys; from pathlib import Path; from campaigns.seen import Limit;"
         "from campaigns.trials import Copy, Place; p = Path(sys.argv[1]);"
         "place = Place(p, 'toy', {'toy.door': ('test_door.py',)}, p / 'table.toml');"
         "copy = Copy(place, p / 'copy'); (p / 'copy').chmod(0o755);\n"
         "with copy.changed('toy.door', 'def may_pass(age):\\n    while True: pass\\n'):\n"
         "    print(copy.test(place.tests('toy.door'), Limit(600, 2))[0])",
         str(place.project)],
        env={**os.environ, "PYTHONPATH": str(PROJECT / "tests")},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "timeout\n", done.stderr
