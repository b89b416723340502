"""Tables for the list of an archive: what must be there, under which name, and what is not asked."""

from collections.abc import Mapping

import pytest

from drbook.core.archivefacts import ArchiveFacts
from drbook.core.archivelist import missing
from drbook.core.remarks import TableVerdict
from drbook.core.structure import DbObject, Structure, names_of


def facts(objects: Mapping[str, tuple[tuple[str, str], ...]] | None) -> ArchiveFacts:
    return ArchiveFacts(objects=objects)


def there(*objects: tuple[str, str]) -> Structure:
    return Structure(
        objects=tuple(DbObject(kind=kind, name=name, words="") for kind, name in objects)
    )


_LISTED: list[tuple[str, str, str, tuple[str, str]]] = [
    # type, schema, tag, the object that it is of
    ("TABLE", "s", "t", ("table", "s.t")),
    ("TABLE", "odd.s", 'a "b" c', ("table", '"odd.s"."a ""b"" c"')),
    ("TABLE", "s", "two lines", ("table", 's."two\nlines"')),
    ("VIEW", "s", "v", ("view", "s.v")),
    ("MATERIALIZED VIEW", "s", "v", ("materialized view", "s.v")),
    ("SEQUENCE", "s", "q", ("sequence", "s.q")),
    ("INDEX", "s", "i", ("index", "s.i")),
    ("CONSTRAINT", "s", "t c", ("constraint", "s.t.c")),
    ("FK CONSTRAINT", "s", "the t c", ("constraint", 's."the t".c')),
    ("CHECK CONSTRAINT", "s", "t the c", ("constraint", 's.t."the c"')),
    ("TRIGGER", "s", "t g", ("trigger", "s.t.g")),
    ("RULE", "s", "t r", ("rule", "s.t.r")),
    ("POLICY", "s", "t p", ("policy", "s.t.p")),
    ("FUNCTION", "s", "f(integer, s.odd)", ("function", "s.f(a integer, b s.odd)")),
    ("PROCEDURE", "s", "f()", ("function", "s.f()")),
    ("AGGREGATE", "s", "f(integer)", ("function", "s.f(integer)")),
    ("TYPE", "s", "y", ("type", "s.y")),
    ("DOMAIN", "s", "y", ("type", "s.y")),
    ("SCHEMA", "", "s", ("schema", "s")),
    ("EXTENSION", "", "odd-name", ("extension", '"odd-name"')),
    ("STATISTICS", "s", "x", ("statistics", "s.x")),
    ("PUBLICATION", "", "p", ("publication", "p")),
    ("SERVER", "", "f", ("foreign server", "f")),
]


@pytest.mark.parametrize(("type_", "schema", "tag", "of"), _LISTED)
def test_what_is_listed_must_be_there(
    type_: str, schema: str, tag: str, of: tuple[str, str]
) -> None:
    held = facts({type_: ((schema, tag),)})
    assert list(missing(held, there(of))) == []
    (gone,) = missing(held, there())
    assert (gone.verdict, gone.check) == (TableVerdict.FAIL, f"listed {of[0]}")
    # The same name of another kind, in another schema, or a longer one is another thing.
    assert len(list(missing(held, there(("comment", of[1]))))) == 1
    assert len(list(missing(held, there((of[0], "z.z"))))) == 1
    if schema:
        assert list(missing(held, there(), ignored=[schema])) == []


def test_of_several_functions_of_one_name_each_must_be_there() -> None:
    held = facts({"FUNCTION": (("s", "f()"), ("s", "f(integer)"))})
    assert list(missing(held, there(("function", "s.f()"), ("function", "s.f(a integer)")))) == []
    (gone,) = missing(held, there(("function", "s.f()")))
    assert gone.subject == "s.f"


def test_what_is_not_asked() -> None:
    for type_, tag in (
        ("RULE", "v _RETURN"),
        ("EXTENSION", "plpgsql"),
        ("NOT NULL CONSTRAINT", "t there"),
        ("ACL", "TABLE t"),
        ("TABLE", "caf\ufffd"),
        ("A TYPE OF A LATER VERSION", "x"),
    ):
        assert list(missing(facts({type_: (("s", tag),)}), there())) == []
    assert list(missing(facts(None), there())) == []
    published = facts({"PUBLICATION": (("", "p"),)})
    assert list(missing(published, there(), left_out=["publication p"])) == []
    assert list(missing(published, there(), left_out=None)) == []
    assert len(list(missing(published, there(), left_out=["publication q"]))) == 1
    unread = there().model_copy(update={"unread": {"table": "odd"}})
    assert list(missing(facts({"TABLE": (("s", "t"),)}), unread)) == []


def test_row_security_and_defaults_are_switched_on() -> None:
    held = facts({"ROW SECURITY": (("s", "t"),), "DEFAULT": (("s", "t c"),)})

    def found(table: str, column: str) -> Structure:
        objects = (
            DbObject(kind="table", name="s.t", words=table),
            DbObject(kind="column", name="s.t.c", words=column),
        )
        return Structure(objects=objects)

    assert list(missing(held, found("ROW SECURITY COLUMNS (c)", "integer DEFAULT 7"))) == []
    assert list(missing(held, found("sha256 1 of 9 characters", "sha256 1 of 9 characters"))) == []
    gone = missing(held, found("COLUMNS (c)", "integer"))
    assert [one.check for one in gone] == ["listed row security", "listed default"]


@pytest.mark.parametrize(
    ("spelt", "names"),
    [
        ("s.t", ("s", "t")),
        ('"s.x"."t""y".c', ("s.x", 't"y', "c")),
        ("s.f(a integer, b s.t)", ("s", "f")),
        ('s."f(x)"(a integer)', ("s", "f(x)")),
        ("p", ("p",)),
        ('"odd p"', ("odd p",)),
        ("", ()),
    ],
)
def test_names(spelt: str, names: tuple[str, ...]) -> None:
    assert names_of(spelt) == names
