"""What each difference of structure means, kind by kind, and in which words it is said."""

from itertools import product

import pytest

from drbook.core.likeness import RULES, differences
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import NOT_VALID, READING, DbObject, Structure, digested

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY

_ALIKE = (BAD, BAD, BAD, BAD)
_WRITTEN_ANEW = (BAD, BAD, BAD, UNSURE)
_THE_SERVERS = (GOOD, GOOD, GOOD, GOOD)
_LEFT_OUT = (GOOD, BAD, BAD, BAD)
MEANS = {
    # kind: missing, there beside, changed, changed where another major restored
    "schema": (BAD, GOOD, BAD, BAD),
    "table": _ALIKE,
    "column": _WRITTEN_ANEW,
    "view": _WRITTEN_ANEW,
    "materialized view": _WRITTEN_ANEW,
    "foreign table": _ALIKE,
    "index": _WRITTEN_ANEW,
    "constraint": _WRITTEN_ANEW,
    "sequence": _ALIKE,
    "function": _WRITTEN_ANEW,
    "trigger": _WRITTEN_ANEW,
    "rule": _WRITTEN_ANEW,
    "policy": _WRITTEN_ANEW,
    "type": _ALIKE,
    "collation": _WRITTEN_ANEW,
    "cast": _ALIKE,
    "operator": _ALIKE,
    "operator class": _ALIKE,
    "text search": _ALIKE,
    "statistics": _WRITTEN_ANEW,
    "extension": (BAD, GOOD, GOOD, GOOD),
    "foreign server": _ALIKE,
    "user mapping": _ALIKE,
    "user mapping options": (GOOD, GOOD, BAD, BAD),
    "comment": _ALIKE,
    "publication": (GOOD, BAD, BAD, UNSURE),
    "subscription": _LEFT_OUT,
    "event trigger": _LEFT_OUT,
    "owner": _THE_SERVERS,
    "grant": _ALIKE,
    "extension schema": (BAD, GOOD, BAD, BAD),
    "extension grant": _ALIKE,
    "server grant": _THE_SERVERS,
    "default grant": _ALIKE,
    "role": _THE_SERVERS,
    "membership": _THE_SERVERS,
    "database setting": _THE_SERVERS,
    "encoding": _ALIKE,
    "locale": (BAD, BAD, UNSURE, UNSURE),
    "server setting": _THE_SERVERS,
    "collation version": _THE_SERVERS,
}


def one(kind: str, words: str = "was", name: str = "it") -> Structure:
    return Structure(reading=READING, objects=(DbObject(kind=kind, name=name, words=words),))


NOTHING = Structure(reading=READING)


def said(held: Structure, restored: Structure, majors: tuple[int, int] = (18, 18)) -> list[Remark]:
    left_out = ("publication it", "subscription it", "event trigger it")
    return list(differences(held, restored, majors=majors, left_out=left_out))


@pytest.mark.parametrize("kind", ["publication", "subscription", "event trigger"])
@pytest.mark.parametrize(
    ("name", "left_out", "verdict"),
    [
        ("it", ("{} it",), GOOD),
        ('"odd it"', ("{} odd it",), GOOD),
        ("it", ("{} it postgres",), GOOD),  # a line of the list ends with its owner
        ("it", ("{} other",), BAD),
        ("it", ("{} item",), BAD),
        ("it", (), BAD),
        ("it", None, UNSURE),
    ],
)
def test_only_what_the_load_left_out_may_be_missing(
    kind: str, name: str, left_out: tuple[str, ...] | None, verdict: TableVerdict
) -> None:
    said_so = None if left_out is None else tuple(each.format(kind) for each in left_out)
    held = one(kind, name=name)
    (remark,) = differences(held, NOTHING, majors=(18, 18), left_out=said_so)
    assert (remark.verdict, remark.subject) == (verdict, name)


def test_every_kind_has_a_meaning() -> None:
    assert RULES.keys() == MEANS.keys()


@pytest.mark.parametrize("kind", [*MEANS, "a kind of a later version"])
def test_what_a_difference_means(kind: str) -> None:
    missing, extra, changed, of_another_major = MEANS.get(kind, _ALIKE)
    cases = [
        (one(kind), NOTHING, (18, 18), missing, "missing"),
        (NOTHING, one(kind), (18, 18), extra, "not in the backup"),
        (one(kind), one(kind, "is"), (18, 18), changed, "held `was`, is `is`"),
        (one(kind), one(kind, "is"), (17, 18), of_another_major, "held `was`, is `is`"),
        (one(kind), NOTHING, (17, 18), missing, "missing"),
    ]
    for held, restored, majors, verdict, words in cases:
        (remark,) = said(held, restored, majors)
        assert (remark.question, remark.check) == (Question.FIDELITY, kind)
        assert (remark.subject, remark.verdict) == ("it", verdict)
        assert remark.words.startswith(words)
        newer = "; PostgreSQL 18 may only write it otherwise than 17"
        doubted = (changed, verdict, majors) == (BAD, UNSURE, (17, 18))
        assert remark.words.endswith(newer) is doubted
        rest = remark.words.removeprefix(words).removesuffix(newer)
        if words == "missing" and kind in RULES and (todo := RULES[kind].lacks):
            assert rest.endswith(f"; {todo}")
            rest = rest.removesuffix(f"; {todo}")
        assert rest == (f": {RULES[kind].why}" if kind in RULES and RULES[kind].why else "")
    assert said(one(kind), one(kind)) == []


def test_what_is_expected_to_differ_says_why() -> None:
    for kind, means in MEANS.items():
        expected = means[0] is GOOD or means[2] is not BAD or kind == "extension grant"
        assert bool(RULES[kind].why) is expected


def test_what_an_older_drbook_read_is_in_doubt_where_it_differs() -> None:
    older = one("view").model_copy(update={"reading": 1})
    newer = one("view", "is").model_copy(update={"reading": 2})
    for held, restored in ((older, newer), (newer, older)):
        (remark,) = said(held, restored)
        assert remark.verdict is UNSURE
        assert remark.words.endswith(
            "; another version of drbook read it, which may only write it otherwise"
        )
    assert said(older, one("view").model_copy(update={"reading": 2})) == []
    (owned,) = said(
        one("owner").model_copy(update={"reading": 1}),
        one("owner", "is").model_copy(update={"reading": 2}),
    )
    assert owned.verdict is GOOD


def test_kinds_and_names_come_in_order_and_each_once() -> None:
    held = Structure(
        objects=tuple(DbObject(kind=k, name=n, words="w") for k in ("view", "index") for n in "ba")
    )
    assert [(one.check, one.subject) for one in said(held, NOTHING)] == [
        ("index", "a"),
        ("index", "b"),
        ("view", "a"),
        ("view", "b"),
    ]


def test_a_definition_that_is_kept_by_its_digest_is_compared_by_it() -> None:
    assert said(one("view", "SELECT 1"), one("view", digested("SELECT 1"))) == []
    assert said(one("view", digested("SELECT 1")), one("view", "SELECT 1")) == []
    assert len(said(one("view", digested("SELECT 1")), one("view", "SELECT 2"))) == 1


@pytest.mark.parametrize("side", ["held", "restored", "both"])
def test_a_kind_that_was_not_read_on_one_side_is_in_doubt(side: str) -> None:
    """And nothing else is said of it, for half a list would make everything else look missing."""
    unread = Structure(unread={"view": "denied\x1b"})
    other = Structure(objects=(*one("view").objects, *one("index").objects))
    held, restored = {
        "held": (unread, other),
        "restored": (other, unread),
        "both": (unread, unread),
    }[side]
    found = said(held, restored)
    assert (found[0].check, found[0].subject, found[0].verdict) == ("view", "", UNSURE)
    assert found[0].words == r"could not be compared: denied\x1b"
    assert [one.check for one in found[1:]] == ([] if side == "both" else ["index"])


def test_why_the_backup_s_side_was_not_read_is_what_is_said() -> None:
    (remark,) = said(Structure(unread={"view": "theirs"}), Structure(unread={"view": "mine"}))
    assert remark.words == "could not be compared: theirs"


def test_who_owned_it_has_the_rights_of_others_once_somebody_else_owns_it() -> None:
    held = Structure(reading=READING, objects=one("owner", "keeper", "app.t").objects)
    again = held.objects + one("grant", "SELECT", "app.t to keeper").objects
    (remark,) = said(held, Structure(reading=READING, objects=again))
    assert (remark.check, remark.verdict) == ("grant", GOOD)
    others = held.objects + one("grant", "SELECT", "app.t to clerk").objects
    assert [each.verdict for each in said(held, Structure(reading=READING, objects=others))] == [
        BAD
    ]


def test_an_older_reading_does_not_say_what_an_owner_might_and_knows_no_later_kinds() -> None:
    held = Structure(reading=2, objects=one("owner", "keeper", "app.t").objects)
    again = held.objects + one("grant", "SELECT", "app.t to keeper").objects
    (remark,) = said(held, Structure(reading=READING, objects=again))
    assert remark.verdict is UNSURE
    for kind in ("extension schema", "extension grant"):
        assert said(Structure(reading=2), one(kind)) == said(one(kind), Structure(reading=2)) == []


def test_an_owner_whose_rights_were_narrowed_before_17_may_have_maintain_as_well() -> None:
    def granted(rights: str, owner: str = "keeper") -> Structure:
        objects = one("owner", owner, "t").objects + one("grant", rights, "t to keeper").objects
        return Structure(reading=READING, objects=objects)

    was, now = granted("INSERT, SELECT"), granted("INSERT, MAINTAIN, SELECT")
    assert said(was, now, (15, 18)) == []
    assert [each.verdict for each in said(was, now, (17, 18))] == [BAD]
    more = granted("INSERT, MAINTAIN, SELECT, UPDATE")
    assert [each.verdict for each in said(was, more, (15, 18))] == [BAD]
    of_another = (granted("INSERT, SELECT", "zoe"), granted("INSERT, MAINTAIN, SELECT", "zoe"))
    assert [each.verdict for each in said(*of_another, (15, 18))] == [BAD]


def test_what_was_changed_while_it_was_dumped_may_be_either() -> None:
    held = one("function", "RETURN 1").changed_to(one("function", "RETURN 2"))
    assert [each.words for each in held.also] == ["RETURN 2"]
    assert said(held, one("function", "RETURN 1")) == said(held, one("function", "RETURN 2")) == []
    (remark,) = said(held, one("function", "RETURN 3"))
    assert remark.verdict is UNSURE
    assert remark.words.endswith("; it was changed while it was dumped")
    assert one("function").changed_to(one("function")).also == ()
    assert one("function").changed_to(one("view", "other")).also == ()
    assert held.without(["it"]).also == held.also


def test_what_everybody_may_in_a_schema_public_that_only_the_server_made() -> None:
    subject = "schema public to PUBLIC"
    for words, major, verdict in (
        ("USAGE", 18, GOOD),
        ("CREATE, USAGE", 18, BAD),
        ("CREATE, USAGE", 14, GOOD),
        ("USAGE", 14, BAD),
    ):
        (remark,) = said(NOTHING, one("grant", words, subject), (major, major))
        assert (remark.subject, remark.verdict) == (subject, verdict)
    # Where production has the schema, it had taken the right away.
    found = said(one("schema", name="public"), one("grant", "USAGE", subject))
    assert [each.verdict for each in found if each.check == "grant"] == [BAD]


def test_who_may_create_in_public_changed_with_version_15() -> None:
    may = one("grant", "CREATE, USAGE", "schema public to PUBLIC")
    may_not = one("grant", "USAGE", "schema public to PUBLIC")
    for majors, verdict in (((14, 18), UNSURE), ((14, 14), BAD), ((15, 18), BAD)):
        assert [each.verdict for each in said(may, may_not, majors)] == [verdict]


LONG = "".join(f"{number:04}" for number in range(60))  # 240 characters


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        ("", "x", "held `nothing`, is `x`"),
        ("x", "", "held `x`, is `nothing`"),
        ("abc", "abcd", "held `abc`, is `abcd`"),
        ("abc", "axc", "held `abc`, is `axc`"),
        (LONG[:60], LONG[:60] + "+", f"held `{LONG[:60]}`, is `{LONG[:60]}+`"),
        (LONG[:61], LONG[:61] + "+", f"held `…{LONG[41:61]}`, is `…{LONG[41:61]}+`"),
        (LONG[:100] + "-", LONG[:100] + "+x", f"held `…{LONG[80:100]}-`, is `…{LONG[80:100]}+x`"),
        (LONG[:100] + "-tail", LONG[:100], f"held `…{LONG[80:100]}-tail`, is `…{LONG[80:100]}`"),
    ],
)  # fmt: skip
def test_the_part_that_differs_is_shown(was: str, now: str, words: str) -> None:
    (remark,) = said(one("table", was), one("table", now))
    assert remark.words == words


# --- what PostgreSQL writes otherwise, and means the same -------------------------------------------

NESTED, FLAT = "(((a > 1) AND (a < 5)) AND b)", "((a > 1) AND (a < 5) AND b)"
WRITTEN_ANEW = [
    "view", "materialized view", "index", "constraint", "column", "function", "trigger", "rule",
    "policy", "statistics", "type", "table", "publication",
]  # fmt: skip


@pytest.mark.parametrize("kind", MEANS)
def test_an_expression_may_be_written_otherwise_where_the_server_writes_it(kind: str) -> None:
    expected = [] if kind in WRITTEN_ANEW else [MEANS[kind][2]]
    assert [remark.verdict for remark in said(one(kind, NESTED), one(kind, FLAT))] == expected
    changed = FLAT.replace("AND b", "OR b")
    assert [remark.verdict for remark in said(one(kind, NESTED), one(kind, changed))] == [
        MEANS[kind][2]
    ]


def test_a_digest_tells_whether_only_the_writing_differs() -> None:
    for was, now in product((NESTED, digested(NESTED)), (FLAT, digested(FLAT))):
        assert said(one("view", was), one("view", now)) == []
        assert [remark.verdict for remark in said(one("schema", was), one("schema", now))] == [BAD]
    other = digested(FLAT.replace("5", "6"))
    assert [
        remark.verdict for remark in said(one("view", digested(NESTED)), one("view", other))
    ] == [BAD]


def test_a_digest_of_an_older_version_leaves_that_in_doubt() -> None:
    old = digested(NESTED).partition(",")[0]
    assert old.endswith(f" of {len(NESTED)} characters")
    assert said(one("view", old), one("view", digested(NESTED))) == []
    assert said(one("view", old), one("view", NESTED)) == []
    for now in (FLAT, digested(FLAT)):
        (remark,) = said(one("view", old), one("view", now))
        assert remark.verdict is UNSURE
        assert remark.words.endswith(
            "; PostgreSQL may only write it otherwise, which this digest hides"
        )
        (remark,) = said(one("schema", old), one("schema", now))
        assert remark.verdict is BAD


# --- rights --------------------------------------------------------------------------------------------

ALL = "DELETE, INSERT, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE"
MORE = ALL.replace("INSERT,", "INSERT, MAINTAIN,")
STARRED = (ALL.replace(",", "*,") + "*", MORE.replace(",", "*,") + "*")
RIGHTS = [
    # kind, held, restored, alike where 17 or newer restored what was older
    ("grant", ALL, MORE, True),
    ("grant", *STARRED, True),
    ("grant", ALL, ALL, True),
    ("grant", "SELECT", "MAINTAIN, SELECT", False),
    ("grant", ALL, STARRED[1], False),
    ("grant", ALL, MORE.replace("DELETE, ", ""), False),
    ("grant", STARRED[0].replace("DELETE*", "DELETE"), STARRED[1].replace("DELETE*", "DELETE"), False),
    ("default grant", "zoe=arwdDxt/adam", "zoe=arwdDxtm/adam", True),
    ("default grant", "zoe=a*r*w*d*D*x*t*/adam", "zoe=a*r*w*d*D*x*t*m*/adam", True),
    ("default grant", "adam=arwDxt/adam, zoe=r/adam", "adam=arwDxtm/adam, zoe=r/adam", True),
    ("default grant", "zoe=r/adam, adam=r/adam", "zoe=r/adam, adam=rm/adam", True),
    ("default grant", "zoe=r/adam", "zoe=rm/adam", False),
    ("default grant", "zoe=r/oe", "zoe=rm/oe", False),
    ("default grant", "zoe=arwdDxt/adam", "zoe=arwDxtm/adam", False),
    ("default grant", "zoe=arwdDxt/adam", "zoe=a*r*w*d*D*x*t*m*/adam", False),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "was", "now", "alike"), RIGHTS)
def test_who_had_every_right_has_the_one_that_17_brought(
    kind: str, was: str, now: str, alike: bool
) -> None:
    assert (said(one(kind, was), one(kind, now), (16, 17)) == []) is alike
    assert (said(one(kind, was), one(kind, now), (15, 18)) == []) is alike
    for majors in ((17, 17), (17, 18), (16, 16), (0, 18)):
        assert (said(one(kind, was), one(kind, now), majors) == []) is (was == now)
    assert len(said(one("role", was), one("role", now), (15, 18))) == (was != now)


def test_what_an_owner_s_rights_were_narrowed_to_is_no_new_right() -> None:
    held = Structure(
        reading=READING, objects=(DbObject(kind="owner", name="app.t", words='"a b"'),)
    )
    granted = [f"app.{name} to {whom}" for name in "tu" for whom in ('"a b"', "zoe")]
    restored = Structure(
        reading=READING,
        objects=(
            *held.objects,
            *(DbObject(kind="grant", name=name, words="SELECT") for name in granted),
        ),
    )
    found = {remark.subject: remark for remark in said(held, restored)}
    assert {name: remark.verdict for name, remark in found.items()} == {
        granted[0]: GOOD, granted[1]: BAD, granted[2]: BAD, granted[3]: BAD
    }  # fmt: skip
    assert found[granted[0]].words == "no more than it had as the owner in the backup"
    names = Structure(
        reading=READING, objects=tuple(DbObject(kind="view", name=n, words="w") for n in granted)
    )
    assert {remark.verdict for remark in said(held, names) if remark.check == "view"} == {BAD}


def test_an_index_that_was_not_valid_is_left_out_by_a_dump() -> None:
    def flawed(kind: str, flaw: str) -> Structure:
        return Structure(
            reading=READING, objects=(DbObject(kind=kind, name="it", words="w", flaw=flaw),)
        )

    (remark,) = said(flawed("index", NOT_VALID), NOTHING)
    assert (remark.verdict, remark.words) == (
        GOOD,
        "not valid in production; a dump leaves it out",
    )
    for other in (flawed("index", ""), flawed("index", "otherwise"), flawed("view", NOT_VALID)):
        (remark,) = said(other, NOTHING)
        assert (remark.verdict, remark.words) == (BAD, "missing")
    assert [each.verdict for each in said(NOTHING, flawed("index", NOT_VALID))] == [BAD]
