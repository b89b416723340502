"""`mirrors:` in a runbook: read strictly, advised on, offered in the schema; and places by name."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from drbook.app.vocabulary import vocabulary
from drbook.core.errors import RunbookInvalid, UsageError
from drbook.language.advice import advice
from drbook.language.load import load
from drbook.language.schema import schema
from drbook.mirror.config import DirectoryMirror, S3Mirror, named, same_place
from drbook.providers.kinds import TARGETS

RUNBOOK = """
drbook: 1
title: T
objectives: {rpo: 1h, rto: 1h}
production:
  domain: {provider: aws, account: "1", resource: vol-1, credentials: [deploy]}
credentials:
  deploy: {stored_in: [laptop]}
  mirror: {stored_in: [recovery-host]}
  careless: {stored_in: [laptop]}
mirrors:
MIRRORS
steps:
  - {id: a, phase: close, do: note, why: w, with: {text: t}}
"""


def remarks(mirror: str) -> list[str]:
    text = RUNBOOK.replace("MIRRORS", f"  - {mirror}")
    loaded = load(text.encode(), "r.yaml", vocabulary())
    return [f"{one.path}: {one.found}; {one.expected}" for one in advice(loaded)]


def problems(mirrors: str) -> list[str]:
    with pytest.raises(RunbookInvalid) as caught:
        load(RUNBOOK.replace("MIRRORS", mirrors).encode(), "r.yaml", vocabulary())
    return [str(one) for one in caught.value.problems]


GOOD = 'domain: {provider: aws, account: "2", resource: b, credentials: [mirror]}'
ADVICE: dict[str, tuple[str, tuple[str, ...]]] = {
    "well apart": (f"{{kind: s3, bucket: record, {GOOD}}}", ()),
    "nothing stated": ("{kind: directory, path: /mnt/nas}", ("no `domain`",)),
    "production's account": (
        "{kind: s3, bucket: record, domain: {account: '1', credentials: [mirror]}}",
        ("mirrors[0].domain.account: production's own account, `1`",),
    ),
    "production's volume": (
        "{kind: directory, path: /mnt/x, domain: {resource: vol-1, credentials: []}}",
        ("production's own resource, `vol-1`",),
    ),
    "production's credential": (
        "{kind: s3, bucket: record, domain: {account: '2', credentials: [deploy]}}",
        ("a credential that leaks with production's",),
    ),
    "a credential that cannot be judged": (
        "{kind: s3, bucket: record, domain: {account: '2'}}",
        ("which credentials can delete it is not stated",),
    ),
    "locked": (
        f"{{kind: s3, bucket: record, retain: 90d, {GOOD}}}",
        ("nobody can delete for 90d",),
    ),
}


@pytest.mark.parametrize("case", ADVICE)
def test_advice(case: str) -> None:
    mirror, expected = ADVICE[case]
    found = remarks(mirror)
    assert len(found) == len(expected), found
    for remark, words in zip(found, expected, strict=True):
        assert words in remark


def test_what_a_lock_means_for_people_is_said() -> None:
    (found,) = remarks(ADVICE["locked"][0])
    assert "personal data" in found
    assert "no request and no mistake can take them back" in found


WRONG: list[tuple[str, str]] = [
    ("  - {kind: tape}", "directory, s3"),
    ("  - {path: /x}", "no `kind`"),
    ("  - {kind: directory}", "no `path`"),
    ("  - {kind: directory, path: share}", "a text that matches ^(/|~/)"),
    ("  - {kind: directory, path: /x, retain: 90d}", "unknown field `retain`"),
    ("  - {kind: s3, bucket: record, retain: 1h}", "between 1d and 3660d"),
    ("  - {kind: s3, bucket: record, retain: 90}", "a duration with a unit"),
    ("  - {kind: s3, bucket: record, access_key: AKIAX, secret_key: env:S}", "reference"),
    ("  - {kind: directory, path: /x}\n  - {kind: directory, path: /x}", "a second time"),
    ("\n".join(f"  - {{kind: directory, path: /x{n}}}" for n in range(9)), "at most 8 items"),
]


@pytest.mark.parametrize(("mirrors", "says"), WRONG)
def test_what_is_wrong_has_its_place(mirrors: str, says: str) -> None:
    found = problems(mirrors)
    assert says in " ".join(found)
    assert all("mirrors" in one for one in found)
    assert "AKIAX" not in " ".join(found)


def test_the_schema_offers_them() -> None:
    properties = schema(vocabulary())["properties"]
    assert isinstance(properties, dict)
    kinds = [one["properties"]["kind"] for one in properties["mirrors"]["items"]["oneOf"]]
    assert kinds == [{"const": "directory"}, {"const": "s3"}]
    assert TARGETS()  # other kinds are not disturbed


def test_what_the_readme_writes_is_read() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```text\n(mirrors:\n.*?)^```", readme, re.DOTALL | re.MULTILINE)
    text = RUNBOOK.replace("mirrors:\nMIRRORS\n", block)
    loaded = load(text.encode(), "r.yaml", vocabulary())
    assert [mirror.kind for mirror in loaded.mirrors] == ["s3", "directory"]
    assert loaded.mirrors[0].retention == timedelta(days=90)


INCIDENT = "20260424-211912-x-7f3a"
NAMES: list[tuple[str, str, str]] = [
    (f"s3://bucket/pre/fix/{INCIDENT}", "s3://bucket/pre/fix/", INCIDENT),
    (f"s3://bucket/{INCIDENT}/", "s3://bucket/", INCIDENT),
    ("s3://bucket/prefix/", "s3://bucket/prefix/", ""),
    ("s3://bucket", "s3://bucket/", ""),
    (f"/mnt/nas/{INCIDENT}", "/mnt/nas", INCIDENT),
    ("/mnt/nas", "/mnt/nas", ""),
]


@pytest.mark.parametrize(("text", "place", "incident"), NAMES)
def test_a_place_as_the_command_line_names_it(text: str, place: str, incident: str) -> None:
    found, inner = named(text, {})
    assert (found.place, inner) == (place, incident)


def test_a_relative_directory_is_made_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named("share", {})[0].place == str(tmp_path / "share")


@pytest.mark.parametrize("text", ["s3://", "s3://x", "s3:///prefix"])
def test_what_names_no_place_is_said(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        named(text, {})
    assert caught.value.code == "mirror-place"


def test_the_environment_says_how_a_bucket_is_reached() -> None:
    around = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_REGION": "r", "AWS_PROFILE": "p"}
    found, _ = named("s3://bucket/prefix", around)
    assert isinstance(found, S3Mirror)
    assert (found.endpoint, found.region, found.profile) == ("http://127.0.0.1:1", "r", "p")


def test_the_same_place_by_another_way(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    one, other = DirectoryMirror(path=str(tmp_path)), DirectoryMirror(path=str(link))
    assert same_place(one, other)
    bucket = S3Mirror(bucket="record", prefix="a/")
    assert same_place(bucket, S3Mirror(bucket="record", prefix="a", endpoint="https://x"))
    assert not same_place(bucket, S3Mirror(bucket="record", prefix="b"))
    assert not same_place(bucket, one)
