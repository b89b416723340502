"""Which recorded content hashes may be compared: a table of pairs, both ways."""

import pytest

from drbook.core.hashes import Hashed, comparable, read, written

RECORD, TEXT = "hash_record_extended/2", "hashtextextended/2"

PAIRS = {
    "the same server": (f"{RECORD}:1", 180003, f"{RECORD}:2", 180003, ""),
    "another minor version": (f"{RECORD}:1", 180003, f"{RECORD}:2", 180006, ""),
    "the next version": (f"{RECORD}:1", 170010, f"{RECORD}:2", 180006, ""),
    "the version before": (f"{TEXT}:1", 180006, f"{TEXT}:2", 170010, ""),
    "far apart": (f"{RECORD}:1", 140001, f"{RECORD}:2", 180006, "known only of neighbouring"),
    "another method": (f"{RECORD}:1", 180006, f"{TEXT}:1", 180006, "another method"),
    "a method of tomorrow": ("blake9:1", 180006, "blake9:2", 180006, "not known here"),
    "an old baseline": (f"{TEXT}:1", 0, f"{TEXT}:2", 180006, "was not recorded"),
    "two old baselines": (f"{TEXT}:1", 0, f"{TEXT}:2", 0, ""),
    "char across 15": (f"{TEXT}+char:1", 140001, f"{TEXT}+char:2", 150001, 'type "char"'),
    "char after 15": (f"{TEXT}+char:1", 150001, f"{TEXT}+char:2", 160001, ""),
    "char on one side only": (f"{TEXT}+char:1", 140001, f"{TEXT}:2", 150001, 'type "char"'),
    "no char across 15": (f"{TEXT}:1", 140001, f"{TEXT}:2", 150001, ""),
    "floats across 12": (f"{TEXT}:1", 110001, f"{TEXT}:2", 120001, "floating-point"),
    "one encoding": (f"{RECORD}+LATIN1:1", 180006, f"{RECORD}+LATIN1:2", 180006, ""),
    "two encodings": (f"{RECORD}+LATIN1:1", 180006, f"{RECORD}:2", 180006, "LATIN1 and UTF8"),
    "an encoding that went without saying": (f"{RECORD}+UTF8:1", 180006, f"{RECORD}:2", 180006, ""),
    "two versions apart": (
        f"{RECORD}:1",
        160004,
        f"{RECORD}:2",
        180006,
        "known only of neighbouring",
    ),
    "two others": (f"{TEXT}+WIN1252:1", 180006, f"{TEXT}+LATIN1:2", 180006, "other encodings"),
}


@pytest.mark.parametrize("case", PAIRS)
def test_what_may_be_compared(case: str) -> None:
    a, a_version, b, b_version, why = PAIRS[case]
    one, other = read(a, a_version), read(b, b_version)
    for first, second in ((one, other), (other, one)):
        found = comparable(first, second)
        assert (why.split(" and ")[0] in found) if why else found == ""
        assert not found or (found.endswith(".") and found[0].isupper())


def test_what_is_written_is_read() -> None:
    for method, traits in ((RECORD, frozenset[str]()), (TEXT, frozenset({"char", "LATIN1"}))):
        text = written(method, traits, "-12")
        assert read(text, 180003) == Hashed(method, traits, "-12", 18)
    assert written(TEXT, frozenset({"char", "LATIN1"}), "5") == "hashtextextended/2+LATIN1+char:5"


SENTENCES = {
    "another method": (
        (f"{RECORD}:1", 180006, f"{TEXT}:1", 180006),
        "Content was hashed by another method: hash_record_extended/2 and hashtextextended/2.",
    ),
    "a method of tomorrow": (
        ("blake9:1", 180006, "blake9:2", 180006),
        "Content was hashed by blake9, which is not known here.",
    ),
    "two encodings": (
        (f"{RECORD}+LATIN1:1", 180006, f"{RECORD}:2", 180006),
        "The databases have other encodings: LATIN1 and UTF8.",
    ),
    "an old baseline": (
        (f"{TEXT}:1", 0, f"{TEXT}:2", 180006),
        "Which server's version hashed the content was not recorded.",
    ),
    "floats across 12": (
        (f"{TEXT}:1", 130001, f"{TEXT}:2", 110001),
        "Content hashed by PostgreSQL 11 and 13 cannot be compared: floating-point values are written "
        "in the shortest exact form since 12.",
    ),
    "two versions apart": (
        (f"{RECORD}:1", 180006, f"{RECORD}:2", 160004),
        "Content was hashed by PostgreSQL 16 and 18; that their hashes agree is known only of "
        "neighbouring versions.",
    ),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_why_they_may_not_in_a_sentence(case: str) -> None:
    (a, a_version, b, b_version), sentence = SENTENCES[case]
    assert comparable(read(a, a_version), read(b, b_version)) == sentence
