"""Keys that are tried on a sample: real restic, age, gpg and S3; right keys, wrong ones, and lost ones."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.restic import PASSWORD, Repository, needs_restic, snapshot_of
from support.s3 import S3Server

from drbook.core.auditreport import Opened
from drbook.core.points import Answer, SourceConfig
from drbook.providers import opensample
from drbook.providers.kinds import SOURCES
from drbook.providers.secrets import reader

DUMP = (
    b"-- PostgreSQL database dump\n" + b"SELECT 1;\n" * 3000
    + b"-- PostgreSQL database dump complete\n"
)  # fmt: skip
DUMP_OF_MIBS = DUMP * 120
together = pytest.mark.xdist_group("opensample")
"""The repository and the keys are made once."""
needs_age = pytest.mark.skipif(shutil.which("age") is None, reason="age is not installed")


def source(kind: str, **fields: object) -> SourceConfig:
    return SOURCES()[kind].model_validate({"id": "vault", "kind": kind, **fields})


def tried(config: SourceConfig, environment: Mapping[str, str]) -> Opened:
    (found,) = opensample.open_samples([config], reader(environment))
    assert found.source == "vault"
    for name, value in environment.items():
        if name != "PATH":
            assert value.strip() not in found.model_dump_json()
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("restic") / "repository")
    made.pipe(DUMP_OF_MIBS, "shop.sql")
    return made


@needs_restic
@together
def test_restic_with_its_password_decrypts_and_writes_nothing(repository: Repository) -> None:
    before = snapshot_of(Path(repository.place))
    found = tried(
        source("restic", repository=repository.place, password="env:PW"), {"PW": PASSWORD}
    )
    assert (found.answer, found.outcome) == (Answer.PASS, "decrypted"), found.reason
    assert "restic decrypted 1.0 MiB of" in found.reason
    assert "a dump (plain)" in found.reason
    assert snapshot_of(Path(repository.place)) == before


@needs_restic
@together
@pytest.mark.parametrize(
    ("environment", "answer", "said"),
    [
        ({"PW": "another-9f3c-word"}, Answer.FAIL, "no key of the repository opens"),
        ({}, Answer.FAIL, "PW is not set"),
    ],
)
def test_a_wrong_password_and_a_lost_one(
    repository: Repository, environment: Mapping[str, str], answer: Answer, said: str
) -> None:
    found = tried(source("restic", repository=repository.place, password="env:PW"), environment)
    assert (found.answer, found.outcome) == (answer, "not-opened")
    assert said in found.reason


@needs_restic
def test_a_place_that_is_not_there_says_nothing_of_the_key(tmp_path: Path) -> None:
    config = source("restic", repository=str(tmp_path / "nowhere"), password="env:PW")
    found = tried(config, {"PW": PASSWORD})
    assert (found.answer, found.outcome) == (Answer.UNKNOWN, "not-opened")


@needs_restic
@together
def test_a_repository_without_a_dump_proves_nothing(repository: Repository) -> None:
    config = source("restic", repository=repository.place, password="env:PW", files="*.nothing")
    found = tried(config, {"PW": PASSWORD})
    assert found.answer is Answer.UNKNOWN
    assert "holds no copy" in found.reason


# --- age and S3 --------------------------------------------------------------------------------


def age_key() -> tuple[str, str]:
    """Secret and recipient."""
    text = subprocess.run(["age-keygen"], capture_output=True, check=True, text=True).stdout
    public = next(line for line in text.splitlines() if "public key" in line).split()[-1]
    return text, public


@pytest.fixture(scope="module")
def sealed() -> tuple[str, str, bytes, bytes]:
    """The right key, a wrong one, a short dump and one of several MiB, both for the right key."""
    (right, to), (wrong, _) = age_key(), age_key()

    def seal(data: bytes) -> bytes:
        return subprocess.run(["age", "-r", to], input=data, capture_output=True, check=True).stdout

    return right, wrong, seal(DUMP), seal(DUMP_OF_MIBS)


def in_bucket(server: S3Server, bucket: str, **more: object) -> SourceConfig:
    return source(
        "s3",
        bucket=bucket,
        endpoint=server.endpoint,
        region="us-east-1",
        access_key="env:K",
        secret_key="env:S",
        **more,
    )


AGE = {"decrypt": {"program": "age", "identity": "env:AGE"}}


def keys(server: S3Server, **more: str) -> dict[str, str]:
    key, secret = server.keys("reader")
    return {"K": key, "S": secret} | more


@needs_age
@together
@pytest.mark.parametrize("which", [2, 3], ids=["whole", "its beginning alone"])
def test_age_in_a_bucket(
    s3_server: S3Server, sealed: tuple[str, str, bytes, bytes], which: int
) -> None:
    bucket = s3_server.bucket("sample")
    data = sealed[which]
    assert isinstance(data, bytes)
    s3_server.client().put_object(Bucket=bucket, Key="a.dump.age", Body=data)
    config = in_bucket(s3_server, bucket, **AGE)

    found = tried_in_bucket(config, keys(s3_server, AGE=sealed[0]))
    assert (found.answer, found.outcome) == (Answer.PASS, "decrypted"), found.reason
    assert "age decrypted" in found.reason
    assert "a dump (plain)" in found.reason

    found = tried_in_bucket(config, keys(s3_server, AGE=sealed[1]))
    assert (found.answer, found.outcome) == (Answer.FAIL, "not-opened")
    assert "no identity matched" in found.reason

    found = tried_in_bucket(config, keys(s3_server))
    assert (found.answer, found.outcome) == (Answer.FAIL, "not-opened")
    assert "AGE is not set" in found.reason


def tried_in_bucket(config: SourceConfig, environment: Mapping[str, str]) -> Opened:
    """The server's own keys are words, and no marker to look for."""
    (found,) = opensample.open_samples([config], reader(environment))
    assert environment.get("AGE", "?? none").splitlines()[-1] not in found.model_dump_json()
    return found


@needs_age
@together
def test_a_bucket_whose_copies_are_not_encrypted(
    s3_server: S3Server, sealed: tuple[str, str, bytes, bytes]
) -> None:
    bucket = s3_server.bucket("sample")
    s3_server.client().put_object(Bucket=bucket, Key="a.sql", Body=DUMP)
    found = tried_in_bucket(in_bucket(s3_server, bucket), keys(s3_server))
    assert (found.answer, found.outcome) == (Answer.PASS, "nothing-to-decrypt"), found.reason
    found = tried_in_bucket(in_bucket(s3_server, bucket, **AGE), keys(s3_server, AGE=sealed[0]))
    assert found.answer is Answer.UNKNOWN, "its key was not tried on anything"
    assert "was not tried" in found.reason


@needs_age
@together
def test_an_encrypted_copy_that_nothing_opens(
    s3_server: S3Server, sealed: tuple[str, str, bytes, bytes]
) -> None:
    bucket = s3_server.bucket("sample")
    s3_server.client().put_object(Bucket=bucket, Key="a.dump.age", Body=sealed[2])
    found = tried_in_bucket(in_bucket(s3_server, bucket), keys(s3_server))
    assert (found.answer, found.outcome) == (Answer.FAIL, "not-opened")


@pytest.mark.parametrize("identity", ["reader", "stranger"])
def test_a_key_that_the_store_does_not_take(s3_server: S3Server, identity: str) -> None:
    bucket = s3_server.bucket("sample")
    s3_server.client().put_object(Bucket=bucket, Key="a.sql", Body=DUMP)
    secret = "another-secret-of-nobody" if identity == "reader" else s3_server.keys(identity)[1]
    environment = {"K": s3_server.keys(identity)[0], "S": secret}
    found = tried_in_bucket(in_bucket(s3_server, bucket), environment)
    assert (found.answer, found.outcome) == (Answer.FAIL, "not-opened"), found.reason


def test_a_store_that_does_not_answer_says_nothing_of_its_key() -> None:
    config = source(
        "s3", bucket="nobody", endpoint="http://127.0.0.1:9", access_key="env:K", secret_key="env:S"
    )
    found = tried_in_bucket(config, {"K": "key", "S": "a-secret-of-nobody"})
    assert found.answer is Answer.UNKNOWN


# --- gpg ---------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")
def test_gpg_by_a_passphrase(tmp_path: Path) -> None:
    right = "pass-phrase-77-of-nobody"
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    argv = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback"]
    argv += ["--passphrase", right, "--symmetric", "--output", "-"]
    data = subprocess.run(argv, input=DUMP, capture_output=True, check=True).stdout
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "a.dump.gpg").write_bytes(data)
    how = {"program": "gpg", "passphrase": "env:PW"}
    config = source("directory", path=str(tmp_path / "copies"), decrypt=how)
    found = tried(config, {"PW": right})
    assert (found.answer, found.outcome) == (Answer.PASS, "decrypted"), found.reason
    found = tried(config, {"PW": "another-phrase-99"})
    assert found.answer is not Answer.PASS
    assert found.outcome == "not-opened"


# --- what never answers ------------------------------------------------------------------------


def test_a_source_that_is_silent_is_unknown_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threading import Event

    never = Event()
    monkeypatch.setattr(opensample, "_look", lambda *_: never.wait())
    config = source("directory", path=str(tmp_path), timeout="1s")
    (found,) = opensample.open_samples([config], reader({}))
    never.set()
    assert found.answer is Answer.UNKNOWN
    assert found.reason == "it did not answer within 1 s"
