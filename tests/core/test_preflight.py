"""Tables for what is looked at before a load: what is well, what differs, what stops, what is unknown."""

from typing import Any

import pytest

from drbook.core.archivefacts import ArchiveFacts, DatabaseSettings
from drbook.core.errors import StepFailed
from drbook.core.preflight import (
    DIFFERS,
    OK,
    STOPS,
    UNKNOWN,
    CopyFacts,
    Item,
    PlaceFacts,
    Preflight,
    PreflightVerdict,
    stop,
)
from drbook.core.preflightrules import (
    EMPTY_CLUSTER,
    MIB,
    RECORD,
    WAL_KEPT,
    judge,
    judge_digest,
    judge_disk,
    judge_extensions,
    judge_owners,
    judge_record,
    judge_roles,
    judge_server,
    judge_tablespaces,
    judge_text,
    judge_tools,
    needed,
    settled,
)
from drbook.core.textsettings import acceptable, settings_for, usual

UTF8 = DatabaseSettings(encoding="UTF8", collate="en_US.UTF-8", ctype="en_US.UTF-8")
GIB = 1024 * MIB


def archive(**more: Any) -> ArchiveFacts:
    return ArchiveFacts.model_validate(
        {"source_version": "16.4", "dump_version": "16.4", "rows": {}, "text_bytes": 0} | more
    )


def copy(held: ArchiveFacts | None = None, **more: Any) -> CopyFacts:
    return CopyFacts.model_validate(
        {"size": MIB, "proven": "digest", "reason": "as stated", "held": held or archive()} | more
    )


_SERVER: list[tuple[str, str, int, int, PreflightVerdict]] = [
    # what, the archive's server, the target's, production's, verdict
    ("the same", "16.4", 160009, 160002, OK),
    ("production was upgraded since", "15.2", 160009, 160002, OK),
    ("newer than production", "16.4", 180001, 160002, DIFFERS),
    ("older than production, not than the archive", "15.2", 150001, 160002, DIFFERS),
    ("older than the archive", "16.4", 150001, 160002, STOPS),
    ("older than the archive, production unknown", "16.4", 150001, 0, STOPS),
    ("as the archive, production unknown", "16.4", 160001, 0, OK),
    ("newer than the archive, production unknown", "16.4", 170001, 0, DIFFERS),
    ("the target is unknown", "16.4", 0, 160002, UNKNOWN),
    ("nothing but the target is known", "", 160001, 0, UNKNOWN),
    ("the archive does not say", "", 160001, 160002, OK),
]


@pytest.mark.parametrize(
    ("source", "found", "production", "verdict"),
    [row[1:] for row in _SERVER],
    ids=[row[0] for row in _SERVER],
)
def test_server(source: str, found: int, production: int, verdict: PreflightVerdict) -> None:
    item = judge_server(
        archive(source_version=source), PlaceFacts(server_version=found), production
    )
    assert item.verdict is verdict
    assert bool(item.words) is (verdict in (DIFFERS, STOPS))


_TOOLS: list[tuple[str, str, dict[str, Any], PreflightVerdict]] = [
    ("new enough", "16.4", {"restore_version": 180001}, OK),
    ("too old", "18.1", {"restore_version": 160001}, STOPS),
    ("none is known", "16.4", {}, UNKNOWN),
    ("the archive does not say", "", {"restore_version": 180001}, UNKNOWN),
    ("none can read it", "", {"restore_version": 180001, "unreadable": "unsupported"}, STOPS),
]


@pytest.mark.parametrize(
    ("dumped", "place", "verdict"), [row[1:] for row in _TOOLS], ids=[row[0] for row in _TOOLS]
)
def test_tools(dumped: str, place: dict[str, Any], verdict: PreflightVerdict) -> None:
    held = archive(dump_version=dumped, source_version="")
    assert judge_tools(held, PlaceFacts(**place)).verdict is verdict


_ROLES: list[tuple[str, tuple[str, ...], dict[str, Any], PreflightVerdict]] = [
    ("none are named", (), {}, OK),
    ("all are there", ("app",), {"roles": ("app", "x")}, OK),
    ("one stands in", ("app",), {"roles": (), "whole_server": True}, DIFFERS),
    ("one is missing on a given server", ("app", "b"), {"roles": ("app",)}, STOPS),
    ("nobody knows", ("app",), {}, UNKNOWN),
]


@pytest.mark.parametrize(
    ("named", "place", "verdict"), [row[1:] for row in _ROLES], ids=[row[0] for row in _ROLES]
)
def test_roles(named: tuple[str, ...], place: dict[str, Any], verdict: PreflightVerdict) -> None:
    item = judge_roles(archive(roles=named), PlaceFacts(**place))
    assert item.verdict is verdict
    if verdict is STOPS:
        assert "b" in item.words
        assert "app" not in item.words


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"app", "b"}, ["made from the globals file, without login or any attribute: app, b"]),
        ({"app"}, ["made from the globals file", "stand in without login or any attribute: b",
                   "the globals file does not name them"]),
        (set(), ["stand in without login or any attribute: app, b", "`globals:` takes a file"]),
    ],
)  # fmt: skip
def test_roles_of_a_globals_file(known: set[str], words: list[str]) -> None:
    place = PlaceFacts(roles=(), whole_server=True)
    item = judge_roles(archive(roles=("app", "b")), place, frozenset(known))
    assert item.verdict is DIFFERS
    assert all(part in item.words for part in words)
    assert ("globals file" in item.words) is bool(known)


_EXTENSIONS: list[tuple[str, tuple[str, ...], dict[str, str] | None, PreflightVerdict]] = [
    ("none are needed", (), None, OK),
    ("there", ("hstore",), {"hstore": "1.8"}, OK),
    ("missing", ("hstore", "postgis"), {"hstore": "1.8"}, STOPS),
    ("nobody knows", ("hstore",), None, UNKNOWN),
]


@pytest.mark.parametrize(
    ("wanted", "there", "verdict"),
    [row[1:] for row in _EXTENSIONS],
    ids=[row[0] for row in _EXTENSIONS],
)
def test_extensions(
    wanted: tuple[str, ...], there: dict[str, str] | None, verdict: PreflightVerdict
) -> None:
    item = judge_extensions(archive(extensions=wanted), PlaceFacts(extensions=there))
    assert item.verdict is verdict
    if verdict is STOPS:
        assert "postgis" in item.words
        assert "hstore" not in item.words


def test_owners_and_tablespaces_are_said() -> None:
    assert judge_owners(archive()).verdict is UNKNOWN
    assert judge_owners(archive(owners=("boss",))).verdict is DIFFERS
    assert judge_tablespaces(archive()).verdict is OK
    item = judge_tablespaces(archive(tablespaces=("fast\x1b[2J",)))
    assert item.verdict is DIFFERS
    assert "\x1b" not in item.wanted


_TEXT: list[
    tuple[str, DatabaseSettings | None, DatabaseSettings | None, PreflightVerdict, PreflightVerdict]
] = [
    # what, the backup's, the target's, encoding, sorting
    ("the same", UTF8, UTF8, OK, OK),
    ("another encoding", UTF8, UTF8.model_copy(update={"encoding": "LATIN1"}), DIFFERS, OK),
    ("no encoding at all", UTF8.model_copy(update={"encoding": "SQL_ASCII"}), UTF8, DIFFERS, OK),
    ("another locale", UTF8, usual(18), OK, DIFFERS),
    ("another ctype", UTF8, UTF8.model_copy(update={"ctype": "C"}), OK, DIFFERS),
    ("ICU's own rules", DatabaseSettings(encoding="UTF8", provider="icu", locale="en", rules="&a<b"),
     DatabaseSettings(encoding="UTF8", provider="icu", locale="en"), OK, DIFFERS),
    ("only the encoding is known", DatabaseSettings(encoding="UTF8"), UTF8, OK, UNKNOWN),
    ("nothing is known", None, UTF8, UNKNOWN, UNKNOWN),
    ("the target is unknown", UTF8, None, UNKNOWN, UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(
    ("was", "now", "encoding", "sorting"),
    [row[1:] for row in _TEXT],
    ids=[row[0] for row in _TEXT],
)
def test_text(
    was: DatabaseSettings | None,
    now: DatabaseSettings | None,
    encoding: PreflightVerdict,
    sorting: PreflightVerdict,
) -> None:
    first, second = judge_text(was, now)
    assert (first.verdict, second.verdict) == (encoding, sorting)
    for item in (first, second):
        assert bool(item.words) is (item.verdict is DIFFERS)


_DISK: list[tuple[str, dict[str, Any], int | None, PreflightVerdict]] = [
    # what, the archive, free bytes, verdict
    ("plenty", {"text_bytes": GIB, "rows": {"a.b": 1000}}, 20 * GIB, OK),
    ("may not fit", {"text_bytes": GIB, "rows": {"a.b": 1000}}, 2 * GIB, DIFFERS),
    ("cannot fit", {"text_bytes": GIB, "rows": {"a.b": 1000}}, GIB // 5, STOPS),
    ("cannot fit, for its many rows", {"text_bytes": 40 * MIB, "rows": {"a.b": 20_000_000}},
     500 * MIB, STOPS),
    ("not even an empty cluster", {}, MIB, STOPS),
    ("nobody knows what is free", {"text_bytes": GIB}, None, UNKNOWN),
    ("nobody knows what is needed", {"text_bytes": None, "rows": None}, 20 * GIB, UNKNOWN),
    ("nor does it fit packed", {"text_bytes": None, "rows": None}, 10 * MIB, STOPS),
]  # fmt: skip


@pytest.mark.parametrize(
    ("held", "free", "verdict"), [row[1:] for row in _DISK], ids=[row[0] for row in _DISK]
)
def test_disk(held: dict[str, Any], free: int | None, verdict: PreflightVerdict) -> None:
    item = judge_disk(copy(archive(**held)), PlaceFacts(free=free))
    assert item.verdict is verdict
    if verdict is not UNKNOWN:
        assert item.words


@pytest.mark.parametrize(
    ("took", "free", "verdict", "words"),
    [
        (GIB, 3 * GIB, OK, "as estimated from what production took, by the manifest"),
        (GIB, GIB, DIFFERS, "it may not fit"),
        (GIB, 10 * MIB, STOPS, "are needed"),
        (
            40 * GIB,
            42 * GIB,
            OK,
            "by the manifest",
        ),  # WAL is recycled: it does not grow with the data
        (None, 42 * GIB, UNKNOWN, "it was not read"),
    ],
)
def test_the_disk_where_nothing_was_read_but_the_manifest(
    took: int | None, free: int, verdict: PreflightVerdict, words: str
) -> None:
    facts = copy(archive(text_bytes=None, rows=None), database_bytes=took)
    item = judge_disk(facts, PlaceFacts(free=free))
    assert item.verdict is verdict
    assert words in item.words


def test_what_was_read_goes_before_what_production_took() -> None:
    """Its dead rows and bloat are not in the archive."""
    facts = copy(archive(text_bytes=MIB, rows={"a.b": 10}), database_bytes=100 * GIB)
    assert judge_disk(facts, PlaceFacts(free=GIB)).verdict is OK


def test_what_a_restore_takes() -> None:
    """As measured with PostgreSQL 18: a table of a million rows, three indexes, and one of numbers."""
    for text, rows, measured in (
        (131_000_000, 1_000_000, 261_644_288),
        (11_900_000, 1_000_000, 58_769_408),
    ):
        likely, least = needed(copy(archive(text_bytes=text, rows={"a.b": rows})))
        assert likely is not None
        data = (likely - EMPTY_CLUSTER) // 2  # the WAL of as small a load is as large again
        assert 0.9 < data / measured < 1.35
        assert least - EMPTY_CLUSTER < measured
    likely, _ = needed(copy(archive(text_bytes=100 * GIB, rows={"a.b": 1})))
    assert likely is not None
    assert likely < 166 * GIB + WAL_KEPT


@pytest.mark.parametrize(
    ("free", "verdict"), [(RECORD, OK), (RECORD - 1, STOPS), (0, STOPS), (None, UNKNOWN)]
)
def test_the_record_needs_room(free: int | None, verdict: PreflightVerdict) -> None:
    assert judge_record(PlaceFacts(record_free=free)).verdict is verdict


def test_the_digest() -> None:
    assert judge_digest(copy()).verdict is OK
    for proven in ("structure", "nothing"):
        item = judge_digest(copy(proven=proven))
        assert item.verdict is UNKNOWN
        assert "content unproven" in item.words


# --- the page --------------------------------------------------------------------------------

GOOD = PlaceFacts(
    server_version=160004,
    whole_server=True,
    roles=(),
    extensions={},
    settings=UTF8,
    free=20 * GIB,
    record_free=20 * GIB,
    restore_version=160004,
)


def test_a_page_without_anything_odd() -> None:
    page = judge(copy(archive(settings=UTF8)), GOOD, 160002)
    assert [item.what for item in page.items if item.verdict is not OK] == ["owners"]
    assert page.summary() == "before loading: 10 ok, 1 unknown (owners)"
    stop(page)


def test_what_was_not_read_to_its_end_may_need_more() -> None:
    page = judge(copy(archive(complete=False, owners=("boss",))), GOOD, 160002)
    unknown = {item.what for item in page.items if item.verdict is UNKNOWN}
    assert {"roles", "extensions", "tablespaces"} <= unknown
    page = judge(copy(archive(complete=False, extensions=("postgis",))), GOOD, 160002)
    assert [item.what for item in page.stopping] == ["extensions"]


def test_nothing_known_is_nothing_good() -> None:
    held = ArchiveFacts(roles=("app",), extensions=("x",))
    page = judge(CopyFacts(size=1, proven="nothing", held=held), PlaceFacts())
    assert page.count(OK) == 1  # the archive names no tablespace
    assert page.count(UNKNOWN) == len(page.items) - 1
    stop(page)


STOPPING = [
    ("pg-tools", archive(dump_version="18.1"), GOOD),
    ("server-older", archive(source_version="17.1"), GOOD),
    ("roles-missing", archive(roles=("app",)), GOOD.model_copy(update={"whole_server": False})),
    ("extensions-missing", archive(extensions=("postgis",)), GOOD),
    ("disk-too-small", archive(), GOOD.model_copy(update={"free": MIB})),
    ("disk-too-small", archive(), GOOD.model_copy(update={"record_free": 0})),
]


@pytest.mark.parametrize(("code", "held", "place"), STOPPING)
def test_what_stops_has_a_stable_code(code: str, held: ArchiveFacts, place: PlaceFacts) -> None:
    with pytest.raises(StepFailed) as caught:
        stop(judge(copy(held), place, 160004))
    assert caught.value.code == code
    assert "Nothing was created" in caught.value.means
    assert caught.value.next


def test_what_the_database_says_replaces_what_was_foreseen() -> None:
    held = archive(settings=UTF8)
    page = judge(copy(held), GOOD, 160004)
    later = settled(page, held, usual(16))
    assert later.count(DIFFERS) == 1
    assert [item.what for item in later.items] == [item.what for item in page.items]
    assert settled(page, held, None).count(UNKNOWN) == page.count(UNKNOWN) + 2
    assert settled(page, None, usual(16)) == page


def test_a_page_of_nothing_says_so() -> None:
    assert "nothing was looked at" in Preflight(items=()).summary()
    item = Item(what="target", verdict=UNKNOWN, found="", wanted="")
    assert Preflight(items=(item,)).summary() == "before loading: 1 unknown (target)"


# --- with which settings a cluster is made ----------------------------------------------------

ICU = DatabaseSettings(encoding="UTF8", provider="icu", collate="xx", ctype="xx", locale="en-US")
BUILTIN = DatabaseSettings(
    encoding="UTF8", provider="builtin", collate="C", ctype="C", locale="C.UTF-8"
)
LATIN = DatabaseSettings(encoding="LATIN1", collate="de_DE", ctype="de_DE")
PLAIN_C = DatabaseSettings(encoding="LATIN1", collate="C", ctype="C")
HERE = {"C", "en_US.UTF-8", "de_DE"}

_MADE: list[tuple[str, DatabaseSettings | None, int, bool | None, DatabaseSettings]] = [
    ("as it was", UTF8, 18, None, UTF8),
    ("an old one, as it was", UTF8, 13, None, UTF8),
    ("another encoding", LATIN, 18, None, LATIN),
    ("nothing is known", None, 18, None, usual(18)),
    ("only the encoding is known", DatabaseSettings(encoding="UTF8"), 16, None, usual(16)),
    ("a locale that is not here", UTF8.model_copy(update={"collate": "fr_FR"}), 18, None, usual(18)),
    ("a locale that is not here, other encoding", LATIN.model_copy(update={"ctype": "fr"}), 18, None,
     PLAIN_C),
    ("an encoding of clients only", LATIN.model_copy(update={"encoding": "SJIS"}), 18, None,
     usual(18)),
    ("ICU", ICU, 16, True, ICU.model_copy(update={"collate": "C", "ctype": "C"})),
    ("ICU without ICU", ICU, 18, False, usual(18)),
    ("ICU, nobody knows", ICU, 18, None, usual(18)),
    ("ICU before it was", ICU, 14, True, usual(14)),
    ("builtin", BUILTIN, 17, None, BUILTIN),
    ("builtin before it was", BUILTIN, 16, None, usual(16)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "major", "icu", "made"), [row[1:] for row in _MADE], ids=[row[0] for row in _MADE]
)
def test_made_as_near_as_it_gets(
    wanted: DatabaseSettings | None, major: int, icu: bool | None, made: DatabaseSettings
) -> None:
    assert settings_for(wanted, major, icu=icu, present=HERE.__contains__) == made


@pytest.mark.parametrize(
    "hostile",
    [
        {"encoding": "UTF8'; DROP"},
        {"encoding": ""},
        {"collate": "../../tmp/evil"},
        {"collate": "-D/tmp"},
        {"ctype": "a b"},
        {"ctype": "/tmp/x"},
        {"provider": "icu", "locale": "x'y"},
        {"provider": "icu", "locale": "en", "rules": "&a < b\n"},
        {"provider": "builtin", "locale": "other"},
        {"collate": ""},
    ],
)
def test_an_archive_cannot_ask_for_what_it_likes(hostile: dict[str, str]) -> None:
    wanted = UTF8.model_copy(update=hostile)
    assert not acceptable(wanted)
    made = settings_for(wanted, 18, icu=True, present=lambda name: True)
    assert made == usual(18)
