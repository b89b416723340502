"""Rows that are not what the backup held, or not what it should have held."""

from corpus.case import BAD, GOOD, SHOP, UNSURE, Case, Production, no_manifest

OLDER = Production(baseline="older")

CASES = (
    Case("as it was", GOOD),
    Case("half the rows", BAD, ("rows",), harm="DELETE FROM papers WHERE id % 2 = 0"),
    Case("a row restored twice", BAD, ("rows",),
         harm="INSERT INTO papers SELECT id + 1000, body, weight, grade FROM papers"),
    Case("one row changed", BAD, ("content",), harm="UPDATE papers SET weight = 0 WHERE id = 7"),
    Case("an empty table that was full", BAD, ("rows",), harm="TRUNCATE papers"),
)  # fmt: skip
