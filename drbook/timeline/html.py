"""The timeline as one self-contained page: no scripts, no outside requests, everything escaped."""

from functools import cache

from jinja2 import Template

from drbook.core.values import plain_lines, show_size, show_time
from drbook.timeline import comparing, words
from drbook.timeline.build import when
from drbook.timeline.model import Timeline
from drbook.timeline.pages import template
from drbook.timeline.people import people
from drbook.timeline.picture import views


@cache
def _template() -> Template:
    return template(
        "page.html.j2",
        when=when,
        duration=words.duration,
        signed=words.signed,
        number=words.number,
        size=show_size,
        time=show_time,
        met=words.met,
        declared=words.declared,
        detected=words.detected,
        people=people,
        measured=words.measured,
        as_of=comparing.as_of,
        content_said=comparing.content_said,
        beside_rows=comparing.beside_rows,
        places=comparing.places,
        compared_tables=comparing.compared_tables,
        compared_rows=comparing.compared_rows,
        sought_rows=words.sought_rows,
        sought_notes=words.sought_notes,
        took=words.took,
        stale=words.stale,
        warned=words.warned,
        rolled=words.rolled,
        isolated=words.isolated,
        removed=words.removed,
        beside_line=words.beside_line,
        telling=words.telling,
        moment=words.moment,
        by_hand=words.by_hand,
        lines=_lines,
        whole=_Whole,
        rows_left=words.rows_left,
    )


class _Whole(str):
    """Text of our own, however long; it is still to be escaped."""


class _Lines(str):
    """Text whose control characters are gone but for its line breaks; it is still to be escaped."""


def _lines(text: str) -> _Lines:
    return _Lines(plain_lines(text, 4000))


def html(timeline: Timeline) -> str:
    return _template().render(
        timeline=timeline,
        mode=words.MODES[timeline.mode],
        headline=words.headline(timeline),
        chosen=words.chosen(timeline),
        choice=words.choice(timeline),
        against=words.against(timeline),
        rejected=words.rejected(timeline),
        pauses=words.pauses(timeline),
        difference=words.difference(timeline),
        check=words.check_command(timeline),
        views=views(timeline),
        bad=words.BAD,
    )
