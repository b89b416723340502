"""What each difference of structure means, kind by kind, and in which words it is said."""

import pytest

from drbook.core.likeness import RULES, differences
from drbook.core.remarks import Question, Remark, TableVerdict
from drbook.core.structure import DbObject, Structure, digested

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
    "server grant": _THE_SERVERS,
    "default grant": _ALIKE,
    "role": _THE_SERVERS,
    "membership": (GOOD, GOOD, BAD, BAD),
    "database setting": _THE_SERVERS,
    "encoding": _ALIKE,
    "locale": (BAD, BAD, UNSURE, UNSURE),
    "server setting": _THE_SERVERS,
    "collation version": _THE_SERVERS,
}


def one(kind: str, words: str = "was", name: str = "it") -> Structure:
    return Structure(objects=(DbObject(kind=kind, name=name, words=words),))


def said(held: Structure, restored: Structure, majors: tuple[int, int] = (18, 18)) -> list[Remark]:
    return list(differences(held, restored, majors=majors))


def test_every_kind_has_a_meaning() -> None:
    assert RULES.keys() == MEANS.keys()


@pytest.mark.parametrize("kind", [*MEANS, "a kind of a later version"])
def test_what_a_difference_means(kind: str) -> None:
    missing, extra, changed, of_another_major = MEANS.get(kind, _ALIKE)
    cases = [
        (one(kind), Structure(), (18, 18), missing, "missing"),
        (Structure(), one(kind), (18, 18), extra, "not in the backup"),
        (one(kind), one(kind, "is"), (18, 18), changed, "held `was`, is `is`"),
        (one(kind), one(kind, "is"), (17, 18), of_another_major, "held `was`, is `is`"),
        (one(kind), Structure(), (17, 18), missing, "missing"),
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
        assert rest == (f": {RULES[kind].why}" if kind in RULES and RULES[kind].why else "")
    assert said(one(kind), one(kind)) == []


def test_what_is_expected_to_differ_says_why() -> None:
    for kind, means in MEANS.items():
        assert bool(RULES[kind].why) is (means[0] is GOOD or means[2] is not BAD)


def test_kinds_and_names_come_in_order_and_each_once() -> None:
    held = Structure(
        objects=tuple(DbObject(kind=k, name=n, words="w") for k in ("view", "index") for n in "ba")
    )
    assert [(one.check, one.subject) for one in said(held, Structure())] == [
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


# --- rights --------------------------------------------------------------------------------------

_RIGHTS = [
    # what, kind, words held, words found, majors, whether something is said
    ("all rights, which are one more", "grant", "SELECT*, UPDATE", "MAINTAIN*, SELECT*, UPDATE", (16, 17), False),
    ("one more on the same version", "grant", "SELECT", "MAINTAIN, SELECT", (17, 17), True),
    ("another one too many", "grant", "SELECT", "INSERT, MAINTAIN, SELECT", (16, 18), True),
    ("all rights of what is made later", "default grant", "a=r*w/o", "a=r*wm*/o", (15, 18), False),
    ("other rights of what is made later", "default grant", "a=r/o", "a=rwm/o", (15, 18), True),
    ("rights are no words", "table", "=m", "=", (15, 18), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "was", "now", "majors", "differs"), [r[1:] for r in _RIGHTS], ids=[r[0] for r in _RIGHTS]
)  # fmt: skip
def test_a_right_that_came_with_a_version(
    kind: str, was: str, now: str, majors: tuple[int, int], differs: bool
) -> None:
    assert bool(said(one(kind, was), one(kind, now), majors)) is differs


def test_who_owned_it_has_the_rights_of_others_once_somebody_else_owns_it() -> None:
    held = Structure(objects=one("owner", "keeper", "app.t").objects)
    again = held.objects + one("grant", "SELECT", "app.t to keeper").objects
    (remark,) = said(held, Structure(objects=again))
    assert (remark.check, remark.verdict) == ("grant", GOOD)
    others = held.objects + one("grant", "SELECT", "app.t to clerk").objects
    assert [each.verdict for each in said(held, Structure(objects=others))] == [BAD]


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
