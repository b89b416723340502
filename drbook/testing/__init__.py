"""For authors of plug-ins: checks that every kind of backup source has to pass, the built-in ones too.

    from drbook.testing import SOURCE_CHECKS, SourceBed

    @pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
    def test_my_source(check, bed):  # `bed` is a SourceBed over a place of your kind
        check(bed)

A check that does not hold raises AssertionError, with what was expected in words.
"""

from drbook.testing.sources import SOURCE_CHECKS, SourceBed, cancelled_opening, opening

__all__ = ["SOURCE_CHECKS", "SourceBed", "cancelled_opening", "opening"]
