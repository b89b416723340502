"""The picture of an incident: what is shown, where it lies, that no label overlaps, and text as text."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.nasty import NASTY, unsafe
from support.pictured import (
    EVERY,
    Course,
    aborted,
    backwards,
    crowded,
    hostile,
    long,
    short,
    unended,
)
from support.telling import T0, opened

from drbook.core import events as ev
from drbook.core.events import Mode, StepEnd
from drbook.core.values import plain
from drbook.timeline.axis import scale, since, ticks
from drbook.timeline.export import export
from drbook.timeline.html import html
from drbook.timeline.layout import Box, Rows, fit, hatched, striped, wide
from drbook.timeline.model import Timeline
from drbook.timeline.picture import views
from drbook.timeline.scene import scene
from drbook.timeline.shapes import Picture, size
from drbook.timeline.sheet import RIGHT, WIDTH

SECOND = timedelta(seconds=1)


def pictures(timeline: Timeline) -> list[Picture]:
    return [picture for view in views(timeline) for picture in view.pictures]


def texts(picture: Picture) -> str:
    return "\n".join(label.text for label in picture.labels)


def kinds(picture: Picture) -> set[str]:
    return {shape.kind for shape in picture.shapes}


def overlapping(picture: Picture) -> list[tuple[str, str]]:
    return [
        (one.text, other.text)
        for one, other in combinations(picture.labels, 2)
        if one.box.meets(other.box)
    ]


def check(timeline: Timeline) -> None:
    """What holds for every picture of every incident."""
    for picture in pictures(timeline):
        assert overlapping(picture) == []
        for label in picture.labels:
            assert label.box.x >= 0, label
            assert label.box.right <= WIDTH, label
            assert label.box.bottom <= picture.height, label
            assert wide(label.text, size(label.kind)) <= label.box.width + 0.05, label
        for shape in picture.shapes:
            assert re.fullmatch(r"[MmLlHhVvAaZz0-9. -]+", shape.data), shape
        for shape in picture.shapes:
            if shape.kind.startswith("bar"):
                x = float(re.match(r"M([0-9.]+)", shape.data)[1])  # type: ignore[index]
                assert 0 <= x <= RIGHT


@pytest.mark.parametrize("name", EVERY)
def test_no_label_overlaps_another_or_leaves_the_picture(name: str) -> None:
    check(EVERY[name]())


@pytest.mark.parametrize("name", EVERY)
def test_every_step_is_drawn_in_the_whole_and_named_in_its_phase(name: str) -> None:
    told = EVERY[name]()
    whole, *phases = views(told)
    drawn = [shape for shape in whole.pictures[0].shapes if shape.kind.startswith(("bar", "waits"))]
    for attempt in told.attempts:
        assert any(attempt.title in shape.title for shape in drawn)
    named = sum(
        label.kind in ("step", "bad")
        for view in phases
        for one in view.pictures
        for label in one.labels
    )
    assert named == len(told.attempts)


_STATES = st.sampled_from([*StepEnd, None])
_STEPS = st.lists(
    st.tuples(
        st.text(max_size=80),
        st.sampled_from(["preserve", "detect", "restore", ""]),
        st.floats(0, 90_000),
        st.floats(0, 30_000),
        _STATES,
        st.sampled_from(["", "answer", "approve", "glass", "resume", "outside", "clock"]),
    ),
    max_size=12,
)


@given(_STEPS, st.booleans(), st.sampled_from(Mode), st.integers(-100_000, 100_000))
@settings(max_examples=60, deadline=None)
def test_whatever_happens_nothing_overlaps(
    steps: list[tuple[str, str, float, float, StepEnd | None, str]],
    closes: bool,
    mode: Mode,
    lost: int,
) -> None:
    told = Course(mode).tell(opened(mode=mode, occurred=T0 + lost * SECOND))
    for number, (title, phase, took, waits, state, also) in enumerate(steps):
        name = f"s{number}"
        people: list[tuple[str, ev.Event]] = []
        if also == "answer":
            people = [(title or "ops", ev.AnswerGiven(step=name, attempt=1, answer=title))]
        elif also in ("approve", "glass"):
            given_by = ev.ApprovalGiven(step=name, attempt=1, by=title, break_glass=also == "glass")
            people = [("ops", given_by)]
        elif also == "clock":
            told.clock -= took
        if state is None:
            told.plan(name, phase, title).tell(ev.StepStarted(step=name, attempt=1), after=waits)
        else:
            told.step(name, phase, took, state, title, waits, people)
        if also == "resume":
            told.tell(ev.IncidentResumed(head="ab" * 32), after=took, actor=title)
        elif also == "outside":
            told.tell(
                ev.ExternalEntryAdded(
                    happened_at=T0 + (took - waits) * SECOND, text=title, source=title,
                    file="ab" * 32, line=1, digest="cd" * 32,
                )
            )  # fmt: skip
    if closes:
        told.tell(ev.IncidentClosed(outcome="pass", exit_code=0, reason="x" * 300))
    check(told.timeline())


# --- what is shown ---------------------------------------------------------------------------------


def test_the_modes_cannot_be_mixed_up() -> None:
    for told, words, kind in (
        (short(), "REHEARSAL (drill)", "banner drill"),
        (crowded(), "DRY RUN", "banner dry-run"),
        (long(), "LIVE", "banner live"),
    ):
        for picture in pictures(told):
            assert words in texts(picture)
            assert words in picture.title
            assert kind in kinds(picture)


def test_ends_are_told_by_pattern_sign_and_word() -> None:
    ends = {
        StepEnd.SUCCEEDED: ("bar solid", "✓", "succeeded"),
        StepEnd.FAILED: ("bar crossed", "✗", "failed"),
        StepEnd.REFUSED: ("bar crossed", "⊘", "refused"),
        StepEnd.IN_DOUBT: ("bar upright", "‼", "in-doubt"),
        StepEnd.COULD_NOT_VERIFY: ("bar level", "?", "could-not-verify"),
        StepEnd.CANCELLED: ("bar struck", "✗", "cancelled"),
        StepEnd.NOT_EXERCISED: ("bar dashed", "~", "not-exercised"),
    }
    assert set(ends) == set(StepEnd)
    for end, (kind, sign, word) in ends.items():
        told = Course().tell(opened()).step("a", "detect", 5, end, "Look").timeline()
        _, phase = views(told)
        (label,) = [one for one in phase.pictures[0].labels if "Look" in one.text]
        assert label.text == f"{sign} Look · {word} · 5 s"
        used = {one.kind for one in phase.pictures[0].shapes if one.title.startswith("Look")}
        assert kind in used


def test_lanes_stand_in_the_order_of_a_recovery() -> None:
    lanes = [name for name, _ in scene(long()).lanes]
    assert lanes == [
        "preserve", "detect", "contain", "locate", "restore", "verify", "decide", "cutover", "reconcile",
    ]  # fmt: skip
    assert [view.name for view in views(long())] == ["Whole incident", *lanes]


def test_waiting_is_told_apart_from_work() -> None:
    whole = pictures(long())[0]
    assert "failed · 1 h 12 m + 6 h 00 m waiting" in texts(whole)
    (restore,) = [view.pictures[0] for view in views(long()) if view.name == "restore"]
    assert "✗ Restore to a fresh cluster · failed · 1 h 12 m + 6 h 00 m waiting" in texts(restore)
    (hatch,) = [
        one for one in whole.shapes if one.kind == "waits" and "6 h 00 m for people" in one.title
    ]
    assert float(re.findall(r"h([0-9.]+)v", hatch.data)[0]) > 300
    unstarted = [one.title for one in pictures(unended())[0].shapes if one.kind == "waits"]
    assert unstarted
    assert "15 m 00 s for people; nobody recorded its end" in unstarted[0]


def test_people_are_named_with_what_they_did() -> None:
    found = [mark.text for mark in scene(long()).people]
    assert found == [
        "ana answered token rotated",
        "bela approved",
        "ana handed over to carla",
        "carla resolved restore as failed",
        "carla accepted what could not be verified",
        "dan answered go",
        "carla confirmed",
        "BREAK-GLASS by carla: without approval by dan",
    ]
    whole = pictures(long())[0]
    assert all(words in texts(whole) for words in found)
    assert "person urgent" in kinds(whole)


def test_what_others_say_has_a_lane_of_its_own() -> None:
    whole = pictures(long())[0]
    labels = [label for label in whole.labels if label.kind == "external"]
    assert "cloudtrail: DeleteVolume vol-7f3a" in [label.text for label in labels]
    (lane,) = [label for label in whole.labels if label.text == "External"]
    assert all(label.box.y >= lane.box.y - 4 for label in labels)
    assert "others' word" in texts(whole)


def test_moments_have_both_clocks_and_unknown_ones_are_named() -> None:
    whole = texts(pictures(short())[0])
    for words in (
        "lost 19:04:00 · T-0:15:00", "declared 19:19:00 · T+0:00:00", "verified 19:19:29 · T+0:00:29",
        "cutover rehearsed 19:19:37 · T+0:00:37", "RTO objective ends 20:19:00 · T+1:00:00 →",
    ):  # fmt: skip
        assert words in whole
    assert "Not in this picture: detected: unknown" in whole
    assert (
        "Not in this picture: detected: unknown; verified: not on record; open for users"
        in texts(pictures(aborted())[0])
    )
    assert "open for users 25 Apr" in texts(pictures(long())[0])


def test_objectives_are_met_missed_or_unknown_in_words() -> None:
    assert "met: 29 s, objective 1 h 00 m" in texts(pictures(short())[0])
    assert "unknown, objective 24 h 00 m" in texts(pictures(short())[0])
    late = Course().tell(opened(rto_seconds=10)).step("v", "verify", 60).timeline()
    assert "NOT MET: 1 m 00 s, objective 10 s" in texts(pictures(late)[0])
    assert {"bar crossed", "lines crossed", "objective"} <= kinds(pictures(late)[0])


def test_a_gap_in_the_record_is_a_gap() -> None:
    (gap,) = scene(long()).gaps
    assert gap.text == "no record for 42 m 00 s, then resumed by carla"
    assert "gap" in {one.kind for one in pictures(long())[0].shapes if one.title == gap.text}
    assert gap.text in texts(pictures(long())[0])
    ((broken,),) = [
        [one for one in works if one.open_end]
        for name, works in scene(long()).lanes
        if name == "restore"
    ]
    assert broken.end == gap.begin, "nothing is drawn as work while nobody recorded anything"


def test_a_clock_that_was_set_back_is_said_and_ends_no_step_before_it_began() -> None:
    found = scene(backwards())
    said = [(one.text) for one in found.moments if one.kind == "clock"]
    assert said == [
        "the clock was set back by 10 m 00 s",
        "the clock was set forward, or the machine slept, by 10 m 00 s",
    ]
    works = {work.attempt.step: work for _, works in found.lanes for work in works}
    assert all(work.begin <= work.end for work in works.values())
    assert works["locate"].works is not None
    assert works["locate"].works[1] - works["locate"].works[0] == 40 * SECOND


def test_an_incident_that_is_open_says_so_and_what_runs_is_open_to_the_right() -> None:
    whole = pictures(unended())[0]
    assert "closed: not yet" in texts(whole)
    assert "bar frame open" in kinds(whole)
    assert "· not ended" in texts(whole)


def test_what_has_no_room_is_counted() -> None:
    whole = pictures(crowded())[0]
    lost = [int(found) for found in re.findall(r"^\+ (\d+) more$", texts(whole), re.MULTILINE)]
    named = sum(label.kind in ("step", "bad") and "Table" in label.text for label in whole.labels)
    assert sum(lost) + named == 300
    assert whole.height < 1400
    parts = [len(view.pictures) for view in views(crowded())]
    assert parts == [1, 2, 4, 2]


# --- scales and boxes ------------------------------------------------------------------------------


def test_what_lies_long_before_gets_a_strip_and_what_lies_near_does_not() -> None:
    near = scale(T0, T0 + 100 * SECOND, [T0 - 20 * SECOND], 100, 1000)
    assert (near.begin, near.before, near.x(near.begin)) == (T0 - 20 * SECOND, (), 100)
    far = scale(T0, T0 + 40 * SECOND, [T0 - 900 * SECOND, T0 - 86_400 * SECOND], 100, 1000)
    assert far.begin == T0
    places = [far.x(T0 + by * SECOND) for by in (-86_400, -900, 0, 20, 40, 50)]
    assert places == sorted(places)
    assert 100 < places[0] < places[1] < far.left == places[2]
    assert places[-1] == places[-2] == 1000


@pytest.mark.parametrize("seconds", [0, 1, 61, 507, 3_600, 50_400, 359_999, 10**7, 10**9])
@pytest.mark.parametrize("declared", [-7200, -1, 0, 13])
def test_ticks_stand_apart_and_inside(seconds: int, declared: int) -> None:
    of = scale(T0, T0 + seconds * SECOND, (), 100, 1000)
    found = list(ticks(of, T0 + declared * SECOND))
    assert 1 <= len(found) <= 10 or seconds <= 1
    assert all(100 <= x <= 1000 for x, _, _ in found)
    assert all(later[0] - earlier[0] >= 89 for earlier, later in pairwise(found))


def test_the_day_is_said_where_it_is_a_new_one() -> None:
    of = scale(T0, T0 + 50_400 * SECOND, (), 100, 1000)
    found = [(utc, elapsed) for _, utc, elapsed in ticks(of, T0)]
    assert found[0] == ("24 Apr 19:19", "T+0:00:00")
    assert ("25 Apr 01:19" in dict(found)) or ("25 Apr 03:19" in dict(found))
    assert sum("Apr" in utc for utc, _ in found) == 2


def test_time_before_the_declaration_counts_down() -> None:
    assert since(T0 - 900 * SECOND, T0) == "T-0:15:00"
    assert since(T0 - 0.4 * SECOND, T0) == "T+0:00:00"
    assert since(T0 + 360_000 * SECOND, T0) == "T+100:00:00"


def test_texts_are_cut_to_their_room() -> None:
    assert fit("short", 12, 100) == "short"
    cut = fit("a rather long title of a step", 12, 100)
    assert cut.endswith("…")
    assert wide(cut, 12) <= 100
    assert fit("anything", 12, 3) == ""
    assert wide("大大", 12) > wide("aa", 12)


def test_rows_are_filled_from_the_top_and_end() -> None:
    rows = Rows(most=2)
    assert [rows.place(*one) for one in ((0, 10), (20, 30), (5, 15), (5, 15), (17, 19))] == [
        0,
        0,
        1,
        None,
        None,
    ]


def test_hatches_stay_in_their_box() -> None:
    box = Box(10, 20, 33, 10)
    for data in (hatched(box, rising=True), hatched(box, rising=False), striped(box, upright=True),
                 striped(box, upright=False)):  # fmt: skip
        points = re.findall(r"([0-9.]+) ([0-9.]+)", data)
        assert points
        assert all(10 <= float(x) <= 43 and 20 <= float(y) <= 30 for x, y in points)


# --- the page --------------------------------------------------------------------------------------


class Seen(HTMLParser):
    """Elements, attributes and style sheets of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.styles = ""
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._style = tag == "style"

    def handle_data(self, data: str) -> None:
        if self._style:
            self.styles += data
            self._style = False


TAGS = frozenset(
    [
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "span",
        "h1",
        "h2",
        "p",
        "code",
        "div",
        "small",
        "b",
        "br",
        "input",
        "label",
        "section",
        "svg",
        "desc",
        "path",
        "text",
        "table",
        "tr",
        "th",
        "td",
        "ul",
        "li",
        "strong",
        "details",
        "summary",
        "pre",
    ]
)
EVIL_TEXTS = [text[:3000] for text in NASTY.values()]


@pytest.mark.parametrize("name", [*EVERY, "hostile"])
def test_the_page_loads_nothing_and_runs_nothing(name: str) -> None:
    page = export(hostile(EVIL_TEXTS) if name == "hostile" else EVERY[name](), "html")
    seen = Seen(page)
    assert seen.tags <= TAGS
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in seen.attributes
    names = {name for name, _ in seen.attributes}
    assert not names & {
        "src",
        "href",
        "xlink:href",
        "srcset",
        "action",
        "data",
        "style",
        "background",
    }
    assert not [name for name in names if name.startswith("on")]
    assert not re.search(r"url\(|@import|@font-face|expression\(|image-set", seen.styles)
    assert "url(" not in page


@pytest.mark.parametrize("name", NASTY)
def test_hostile_text_stays_text_in_the_picture(name: str) -> None:
    text = NASTY[name][:3000]
    page = export(hostile([text]), "html")
    assert unsafe(page) == []
    calm = export(hostile(["calm"]), "html")
    for picture, quiet in zip(_svgs(page), _svgs(calm), strict=True):
        root = ElementTree.fromstring(picture)
        assert {each.tag for each in root.iter()} == {
            each.tag for each in ElementTree.fromstring(quiet).iter()
        }
        assert {key for each in root.iter() for key in each.attrib} <= {
            "viewBox", "role", "aria-labelledby", "id", "class", "d", "x", "y", "text-anchor",
        }  # fmt: skip
    whole = ElementTree.fromstring(_svgs(page)[0])
    assert any(plain(text, 200)[:20].strip() in (each.text or "") for each in whole.iter("title"))


@pytest.mark.parametrize("name", NASTY)
def test_hostile_text_overlaps_nothing(name: str) -> None:
    check(hostile([NASTY[name][:3000]] * 3))


def _svgs(page: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", page, re.DOTALL)


def test_each_picture_says_what_it_shows_and_can_be_reached_by_keyboard() -> None:
    page = export(long(), "html")
    for picture in _svgs(page):
        root = ElementTree.fromstring(picture)
        name, told = root.attrib["aria-labelledby"].split()
        found = {each.attrib["id"]: each for each in root if "id" in each.attrib}
        assert root.attrib["role"] == "img"
        assert found[name].text
        assert found[told].text
    assert "RPO unknown; RTO unknown" in page
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert re.findall(r'for="(zoom-\d+)"', page) == re.findall(r'id="(zoom-\d+)"', page)


def test_every_view_has_its_button_and_all_are_printed() -> None:
    page = export(long(), "html")
    styles = Seen(page).styles
    count = len(views(long()))
    assert page.count('type="radio"') == page.count('<section class="view"') == count
    assert all(f"#zoom-{at}:checked ~ .view:nth-of-type({at + 1})" in styles for at in range(count))
    hidden = re.findall(r"\.view \{ display: none", styles)
    assert len(hidden) == 1
    assert (
        styles.index("@media screen")
        < styles.index(".view { display: none")
        < styles.index("@media print")
    )


def test_the_first_printed_page_holds_the_heading_and_the_picture() -> None:
    """Looked at in Chromium; a named page of its own would leave the heading alone on the one before."""
    for made in (short(), long()):
        page = html(made)
        opening = page[page.index('<div class="opening whole">') :]
        head, _, _ = opening.partition('<div class="scroll picture first"')
        assert "The incident as a picture" in head
        assert page.count('picture first"') == 1
    styles = html(short()).partition("@media print")[2]
    assert ".whole .picture.first { page: auto; }" in styles


def test_a_picture_is_whole_in_a_window_of_800_pixels() -> None:
    least = re.search(r"svg \{[^}]*min-width: (\d+)rem", html(short()))
    assert least is not None
    assert int(least[1]) * 16 <= 800 - 2 * 0.4 * 16 - 2
