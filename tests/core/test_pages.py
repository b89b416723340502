"""What reading every page counts for."""

import pytest

from drbook.core.pages import PageFlaw, Pages, PagesUnread, not_read, page_remarks
from drbook.core.remarks import Question, TableVerdict, worst

GOOD, BAD, UNSURE = TableVerdict.PASS, TableVerdict.FAIL, TableVerdict.COULD_NOT_VERIFY
SOUND = Pages(tables=3, indexes=2, bytes=40960, checksums=True)
FLAW = PageFlaw(relation="a", check="rows", words="block 0, line 3: broken")
UNREAD = PagesUnread(relation="b", why="rows: permission denied")


@pytest.mark.parametrize(
    ("change", "verdict", "words"),
    [
        ({}, GOOD, "every page of 3 tables and 2 indexes was read"),
        ({"checksums": False}, GOOD, "they carry no checksums"),
        ({"checksums": None}, GOOD, "every page of 3 tables"),
        ({"flaws": (FLAW,)}, BAD, "rows: block 0, line 3: broken"),
        ({"flaws": (FLAW,), "unread": (UNREAD,)}, BAD, "rows: permission denied"),
        ({"unread": (UNREAD,)}, UNSURE, "rows: permission denied"),
        ({"checksum_failures": 1}, BAD, "1 page did not match"),
        ({"tables": 0, "indexes": 0}, UNSURE, "no table was found"),
        ({"tables": 0, "unread": (UNREAD,)}, UNSURE, "permission denied"),
    ],
)
def test_what_was_found_decides(
    change: dict[str, object], verdict: TableVerdict, words: str
) -> None:
    remarks = tuple(page_remarks(SOUND.model_copy(update=change)))
    assert worst(one.verdict for one in remarks) is verdict
    assert any(words in one.words for one in remarks)
    assert {one.question for one in remarks} == {Question.SOUNDNESS}
    assert {one.check for one in remarks} == {"pages"}


def test_indexes_that_nobody_can_look_at_are_never_called_read() -> None:
    pages = SOUND.model_copy(update={"unknown_methods": {"gist": 2, "brin": 1}})
    assert [one.split(":")[0] for one in not_read(pages)] == [
        "the pages of 1 brin index",
        "the pages of 2 gist indexes",
    ]
    assert not any("gist" in one.words for one in page_remarks(pages))
    assert not_read(SOUND) == ()


def test_checksums_are_only_spoken_of_where_there_are_none() -> None:
    assert not any("checksum" in one.words for one in page_remarks(SOUND))


def test_what_a_server_says_cannot_lead_the_terminal() -> None:
    flaw = FLAW.model_copy(update={"words": "\x1b[2Jgone", "relation": "\x1b[2Ja"})
    unread = UNREAD.model_copy(update={"why": "\x1b[2Jgone"})
    pages = SOUND.model_copy(update={"flaws": (flaw,), "unread": (unread,)})
    assert not any("\x1b" in one.subject + one.words for one in page_remarks(pages))
