"""What is proposed and what a merge came to, as tables: streams of rows, orders, figures, the guard."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.identities import ELSEWHERE, FAR, who

from drbook.core.errors import CouldNotVerify, DrbookError, Refused
from drbook.core.events import Mode
from drbook.core.freshness import Answer
from drbook.core.merged import Outcome, TableOutcome, departures
from drbook.core.mergeguard import allowed, prove_reviewed
from drbook.core.merging import KeyKind, fields, merge, rows_of, text_of
from drbook.core.reviewed import (
    ColumnFacts,
    Policy,
    Proposal,
    Proposed,
    Rows,
    TableFacts,
    TableProposal,
    parents_first,
    steps_past,
    undecided,
)
from drbook.core.targets import DatabaseRef, Target

AT = datetime(2026, 4, 24, 19, 4, tzinfo=UTC)


def pairs(left: list[bytes], right: list[bytes], kinds: tuple[KeyKind, ...]) -> list[str]:
    found = merge(rows_of(left, kinds, "left"), rows_of(right, kinds, "right"))
    return [
        f"{'=' if one.equal else '-' if one.right is None else '+' if one.left is None else '~'}"
        f"{(one.left or one.right).key[0]!r}"  # type: ignore[union-attr]
        for one in found
    ]


@pytest.mark.parametrize(
    ("left", "right", "kinds", "said"),
    [
        ([], [], ("integer",), []),
        ([b"1\t1\tx\n"], [], ("integer",), ["-1"]),
        ([], [b"1\t1\tx\n"], ("integer",), ["+1"]),
        ([b"9\t9\n", b"10\t10\n"], [b"10\t10\n"], ("integer",), ["-9", "=10"]),
        ([b"-2\tx\n", b"-1\tx\n"], [b"-2\ty\n", b"-1\tx\n"], ("integer",), ["~-2", "=-1"]),
        ([b"B\tx\n", b"a\tx\n"], [b"a\tx\n"], ("bytes",), ["-b'B'", "=b'a'"]),
        # A tab is escaped: its text sorts before a letter, its escape would not.
        ([b"a\\t\t1\n", b"aA\t1\n"], [b"aA\t1\n"], ("bytes",), ["-b'a\\t'", "=b'aA'"]),
        ([b"1\t\\N\n"], [b"1\t\n"], ("integer",), ["~1"]),
    ],
)  # fmt: skip
def test_every_key_is_told_once(
    left: list[bytes], right: list[bytes], kinds: tuple[KeyKind, ...], said: list[str]
) -> None:
    assert pairs(left, right, kinds) == said


@pytest.mark.parametrize("lines", [[b"1\ta\n", b"1\tb\n"], [b"2\ta\n", b"1\ta\n"]])
def test_an_order_that_is_none_is_unknown(lines: list[bytes]) -> None:
    for sides in ((lines, []), ([], lines)):
        with pytest.raises(CouldNotVerify):
            pairs(*sides, ("integer",))


TABLE = st.dictionaries(st.integers(0, 30), st.sampled_from("ab"), max_size=20)


@given(TABLE, TABLE)
def test_streams_are_merged_as_sets_are(left: dict[int, str], right: dict[int, str]) -> None:
    lines = [[f"{key}\t{side[key]}\n".encode() for key in sorted(side)] for side in (left, right)]
    said = set(pairs(*lines, ("integer",)))
    assert {one for one in said if one[0] == "-"} == {f"-{key}" for key in left.keys() - right}
    assert {one for one in said if one[0] == "+"} == {f"+{key}" for key in right.keys() - left}
    assert {one for one in said if one[0] == "="} == {
        f"={key}" for key in left.keys() & right if left[key] == right[key]
    }
    assert len(said) == len(left.keys() | right)


ESCAPED = {
    "\\": "\\\\",
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
    "\b": "\\b",
    "\f": "\\f",
    "\v": "\\v",
}


@given(st.text("\\\t\n\r\b\f\vabN.ä", max_size=30))
def test_escapes_are_read_as_postgresql_writes_them(text: str) -> None:
    written = "".join(ESCAPED.get(one, one) for one in text)
    (field,) = fields(f"{written}\n".encode("utf-8", "surrogatepass"))
    assert text_of(field) == text.encode("utf-8", "surrogatepass")


def test_null_is_no_text() -> None:
    assert text_of(b"\\N") is None
    assert text_of(b"\\\\N") == b"\\N"


@pytest.mark.parametrize(
    ("tables", "references", "order", "circle"),
    [
        ("cba", [("c", "b"), ("b", "a")], "abc", ""),
        ("ab", [], "ab", ""),
        ("ab", [("a", "a"), ("a", "elsewhere")], "ab", ""),
        ("xab", [("a", "b"), ("b", "a")], "xab", "ab"),
    ],
)
def test_parents_come_first(
    tables: str, references: list[tuple[str, str]], order: str, circle: str
) -> None:
    assert parents_first(tuple(tables), references) == (tuple(order), tuple(circle))


@pytest.mark.parametrize(
    ("last", "start", "increment", "reached", "steps"),
    [
        (None, 1, 1, 60, 60),
        (60, 1, 1, 60, 0),
        (61, 1, 1, 60, 0),
        (50, 1, 1, 60, 10),
        (50, 1, 7, 60, 2),
        (-5, -1, -1, -8, 3),
        (-9, -1, -1, -8, 0),
        (None, 1, 1, -3, 0),
    ],
)
def test_a_sequence_is_moved_past_and_no_further(
    last: int | None, start: int, increment: int, reached: int, steps: int
) -> None:
    assert steps_past(last, start, increment, reached) == steps


def outcome(**more: Any) -> TableOutcome:
    return TableOutcome.model_validate(
        {"table": "public.t", "proposed": 5, "inserted": 5, "overwriting": 2, "updated": 2} | more
    )


@pytest.mark.parametrize(
    ("more", "blocked", "as_reviewed"),
    [
        ({}, False, True),
        ({"present": 1}, True, False),
        ({"drifted": 1}, True, False),
        ({"taken": 1}, True, False),
        ({"orphans": 1}, True, False),
        ({"failure": "no"}, True, False),
        ({"suppressed": 1, "inserted": 4}, False, False),
        ({"changed": 1}, False, False),
        ({"identities": 1}, False, False),
        ({"inserted": 4}, False, False),
        ({"updated": 1}, False, False),
    ],
)
def test_only_what_came_out_as_reviewed_is_that(
    more: Mapping[str, Any], blocked: bool, as_reviewed: bool
) -> None:
    one = outcome(**more)
    assert (bool(one.blocked), one.as_reviewed) == (blocked, as_reviewed)
    whole = Outcome(proposal="p", tables=(outcome(), one))
    assert (bool(whole.blocked), whole.as_reviewed) == (blocked, as_reviewed)


def test_every_departure_from_the_rehearsal_is_one() -> None:
    rehearsed = Outcome(proposal="p", tables=(outcome(),))
    assert departures(rehearsed, rehearsed) == ""
    for field in TableOutcome.model_fields.keys() - {"table", "failure"}:
        value = {"rows": "d", "acting": {"rules": "d"}}.get(field, getattr(outcome(), field))
        other = outcome(**{field: value + 1 if isinstance(value, int) else value})
        assert departures(rehearsed, Outcome(proposal="p", tables=(other,)))
    assert departures(rehearsed, Outcome(proposal="p", tables=()))
    assert departures(Outcome(proposal="p", tables=()), rehearsed)


def test_a_departure_says_what_acts_otherwise() -> None:
    before = outcome(acting={"rules": "a", "triggers": "b"}, rows="d")
    after = outcome(acting={"triggers": "c"}, rows="e")
    told = departures(
        Outcome(proposal="p", tables=(before,)), Outcome(proposal="p", tables=(after,))
    )
    assert "its rules, triggers are not those of the rehearsal" in told
    assert "came out with other values" in told


def facts(**more: Any) -> TableFacts:
    columns = tuple(ColumnFacts(name=name, type="text") for name in ("a", "id", "g", "n"))
    columns = (
        columns[0],
        columns[1],
        columns[2].model_copy(update={"generated": True}),
        columns[3].model_copy(update={"always": True}),
    )
    return TableFacts(schema="public", name="t", columns=columns, key=("id",), kinds=("integer",))


def test_what_the_server_computes_is_neither_written_nor_updated() -> None:
    assert facts().written == ("id", "a", "n")
    assert facts().updated == ("a",)


def proposed(policy: Policy = "keep", conflicts: int = 1, stand_in: bool = False) -> Proposal:
    table = TableProposal(table=facts(), conflicts=Rows(count=conflicts), on_conflict=policy)
    target = Target(
        kind="cluster", name="r-1", nonce="n", location="/x", connect=DatabaseRef(host="/x"),
        identity=who(), proof="made here", whole_server=True,
    )  # fmt: skip
    what = Proposed(
        made_at=AT, source=who("7"), production=who(), tables=(table,),
        stand_in=target if stand_in else None,
    )  # fmt: skip

    digest = hashlib.sha256(what.bytes()).hexdigest()
    return Proposal(artifact=f"artifacts/{digest}.proposal.json", what=what)


@pytest.mark.parametrize(
    ("policy", "conflicts", "decided", "open_"),
    [
        ("keep", 1, {}, False),
        ("ask", 1, {}, True),
        ("ask", 0, {}, False),
        ("ask", 1, {"t": "keep"}, False),
        ("ask", 1, {"public.t": "restore"}, False),
        ("keep", 1, {"t": "ask"}, True),
    ],
)
def test_conflicts_wait_for_whoever_decides(
    policy: Policy, conflicts: int, decided: dict[str, Policy], open_: bool
) -> None:
    assert bool(undecided(proposed(policy, conflicts).what, decided)) is open_


def test_a_proposal_is_what_its_digest_names() -> None:
    one = proposed()
    read = Proposal.model_validate(one.model_dump(mode="json", by_alias=True))
    assert read == one
    assert read.true_to_itself
    other = one.what.model_copy(update={"tables": ()})
    assert not one.model_copy(update={"what": other}).true_to_itself


GUARD = [
    (Answer(who(), pooled=False), ""),
    (Answer(who(place=None), pooled=False), ""),
    (Answer(who(place=FAR), pooled=False), ""),
    (Answer(who(started=None), pooled=False), ""),
    (Answer(who(), pooled=True), "merge-behind-pooler"),
    (Answer(who(recovering=True), pooled=False), "merge-standby"),
    (Answer(who(recovering=None), pooled=False), "merge-standby"),
    (Answer(who("7000000000000000002"), pooled=False), "merge-elsewhere"),
    (Answer(who(oid=16385), pooled=False), "merge-elsewhere"),
    (Answer(who(database="other"), pooled=False), "merge-elsewhere"),
    (Answer(who(place=ELSEWHERE), pooled=False), "merge-elsewhere"),
]


@pytest.mark.parametrize(("answer", "code"), GUARD)
def test_a_merge_writes_to_nothing_but_what_was_reviewed(answer: Answer, code: str) -> None:
    if not code:
        prove_reviewed(proposed(), answer, whose="production")
        return
    with pytest.raises(Refused) as caught:
        prove_reviewed(proposed(), answer, whose="production")
    assert caught.value.code == code
    assert caught.value.next


def test_a_physical_copy_of_production_is_another_run_of_it() -> None:
    """Where nobody can see the data directories, both have the same numbers."""
    copy = Answer(who(place=None, started=AT), pooled=False)
    prove_reviewed(proposed(), copy, whose="production", now=who(started=AT))
    with pytest.raises(Refused) as caught:
        prove_reviewed(proposed(), copy, whose="production", now=who())
    assert caught.value.code == "merge-elsewhere"


MODES = [
    (Mode.LIVE, False, ""),
    (Mode.LIVE, True, "merge-stand-in"),
    (Mode.DRILL, False, "not-exercised"),
    (Mode.DRILL, True, ""),
    (Mode.DRY_RUN, False, "not-exercised"),
    (Mode.DRY_RUN, True, "not-exercised"),
]


@pytest.mark.parametrize(("mode", "stand_in", "code"), MODES)
def test_a_mode_says_what_may_be_merged_into(mode: Mode, stand_in: bool, code: str) -> None:
    if not code:
        allowed(mode, proposed(stand_in=stand_in))
        return
    with pytest.raises(DrbookError) as caught:
        allowed(mode, proposed(stand_in=stand_in))
    assert caught.value.code == code
