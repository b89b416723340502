"""Eight kinds of backup of one database, asked side by side beside a store that never answers: the newest
three are destroyed, shared and damaged, and the newest of the others is restored and verified."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.eight import SOURCES, Eight, damaged, eight
from support.pgbackrest import needs_pgbackrest
from support.s3 import S3Server
from support.tarpit import Tarpit

from drbook.core.located import Located

FAR = "provider: far, account: b, resource: r1, credentials: [writer]}}"
pytestmark = [needs_pgbackrest, pytest.mark.xdist_group("eight")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, s3_server: S3Server) -> Eight:
    return eight(tmp_path_factory.mktemp("eight"), s3_server)


@pytest.fixture
def tarpit() -> Iterator[Tarpit]:
    made = Tarpit()
    yield made
    made.close()


def looked(drbook, world: Eight, path: Path) -> Located:  # type: ignore[no-untyped-def]
    said = f"occurred={world.occurred.isoformat()}"
    ran = drbook("backups", str(path), "--json", "--set", said, **world.secrets)
    assert ran.code in (0, 5), ran.err
    return Located.model_validate(ran.json()["located"])


def test_all_are_listed_and_what_loses_least_is_chosen(  # type: ignore[no-untyped-def]
    drbook, world: Eight, s3_server: S3Server, tarpit: Tarpit
) -> None:
    found = looked(drbook, world, world.runbook(s3_server, tarpit))
    assert {each.point.source for each in found.judgements} == set(SOURCES)
    held = [found.comes_to(each.point) for each in found.judgements]
    assert held == sorted(held, reverse=True)
    verdicts = {each.point.source: each.verdict.value for each in found.judgements}
    assert verdicts == dict.fromkeys(SOURCES, "independent") | {
        "base": "destroyed", "backrest": "shared",
    }  # fmt: skip
    assert found.point is not None
    assert found.point.source == "barman"
    assert found.loss_seconds == 0
    (mute,) = found.unreachable
    assert mute.source == "mute"
    assert "did not answer within 1 s" in mute.why_unreachable
    assert tarpit.asked


def test_what_does_not_answer_stands_in_the_list(  # type: ignore[no-untyped-def]
    drbook, world: Eight, s3_server: S3Server, tarpit: Tarpit
) -> None:
    path = world.runbook(s3_server, tarpit)
    ran = drbook(
        "backups", str(path), "--quick", "--set", f"occurred={world.occurred.isoformat()}",
        **world.secrets,
    )  # fmt: skip
    assert "mute: unknown\n    it did not answer within 1 s" in ran.out


def test_the_right_one_comes_back_where_the_newest_three_are_of_no_use(  # type: ignore[no-untyped-def]
    drbook, world: Eight, s3_server: S3Server, tarpit: Tarpit, tmp_path: Path
) -> None:
    spoilt = damaged(world, tmp_path)
    path = spoilt.runbook(s3_server, tarpit)
    found = looked(drbook, spoilt, path)
    order = [(each.point.source, each.verdict.value) for each in found.judgements]
    assert sorted(order[:3]) == [
        ("backrest", "shared"), ("barman", "damaged"), ("base", "destroyed"),
    ]  # fmt: skip
    assert order[3:] == [
        (name, "independent") for name in ("cold", "offsite", "attic", "vault", "disk")
    ]
    assert found.point is not None
    assert found.point.source == "cold"
    ran = drbook(
        "rehearse", str(path), "--headless", "--json",
        "--set", f"occurred={spoilt.occurred.isoformat()}", timeout=240, **spoilt.secrets,
    )  # fmt: skip
    assert ran.code == 0, ran.out + ran.err


def test_a_physical_copy_comes_back_to_right_before_the_delete(  # type: ignore[no-untyped-def]
    drbook, world: Eight, s3_server: S3Server, tarpit: Tarpit
) -> None:
    path = world.runbook(s3_server, tarpit)
    ran = drbook(
        "rehearse", str(path), "--headless", "--json",
        "--set", f"occurred={world.occurred.isoformat()}", timeout=240, **world.secrets,
    )  # fmt: skip
    assert ran.code == 5, ran.out + ran.err  # no baseline says how many rows there were
    assert "recovery stopping before commit" in ran.err
    rows = {each["table"]: each["restored"] for each in ran.json()["tables"]}
    assert rows == world.rows
    told = drbook("timeline", ran.json()["incident"], "--format", "md").out
    assert "told to stop right before" in told
    assert r"archive\_mode = off" in told


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("backrest", 501), ("base", 501), ("attic", 500), ("offsite", 500)],
)
def test_each_tool_brings_back_what_it_kept(  # type: ignore[no-untyped-def]
    drbook, world: Eight, s3_server: S3Server, tarpit: Tarpit, tmp_path: Path, kind: str, rows: int
) -> None:
    """Those that the others do not come to, alone and independent. What rolls forward has the last customer."""
    text = world.runbook(s3_server, tarpit).read_text()
    text = text.replace(
        "provider: here, account: prod, resource: vol-1, credentials: [token]}}", FAR
    )
    text = text.replace("resource: r2, credentials: [token]", "resource: r2, credentials: [writer]")
    text = text.replace("do: backups.locate}", f"do: backups.locate, with: {{sources: [{kind}]}}}}")
    path = tmp_path / "runbook.yaml"
    path.write_text(text)
    ran = drbook(
        "rehearse", str(path), "--headless", "--json",
        "--set", f"occurred={world.occurred.isoformat()}", timeout=240, **world.secrets,
    )  # fmt: skip
    assert ran.code in (0, 5), ran.out + ran.err
    found = ran.json()
    assert found["chosen"]["point"]["source"] == kind
    assert {each["table"]: each["restored"] for each in found["tables"]} == world.rows | {
        "public.customers": rows
    }
