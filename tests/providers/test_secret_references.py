"""Secrets by reference: resolved, opaque, and named in errors without their value."""

import copy
import json
import logging
import os
import pickle
import pprint
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ConfigDict, PydanticSchemaGenerationError, TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from drbook.core.errors import UsageError
from drbook.core.values import Frozen
from drbook.providers import secrets
from drbook.providers.hiding import KNOWN, Secret
from drbook.providers.process import Completed
from drbook.providers.secrets import resolve

LIMIT = 64 * 1024


@pytest.mark.parametrize(
    ("reference", "environment", "expected"),
    [
        ("env:KEY", {"KEY": "value"}, "value"),
        ("cmd:/bin/echo a b", {}, "a b"),
        ("cmd:/bin/sh -c 'echo $HELPER'", {"HELPER": "given"}, "given"),
    ],
)
def test_resolved(reference: str, environment: dict[str, str], expected: str) -> None:
    assert resolve(reference, environment).reveal() == expected


def _written(path: Path, data: bytes, after: float = 0) -> threading.Thread:
    def write() -> None:
        time.sleep(after)
        with path.open("wb") as stream:
            for byte in data:  # as slowly as somebody may type
                stream.write(bytes([byte]))
                stream.flush()
                time.sleep(0.01)

    thread = threading.Thread(target=write)
    thread.start()
    return thread


@pytest.mark.parametrize("after", [0, 0.3])
def test_a_pipe_is_read_to_its_end(tmp_path: Path, after: float) -> None:
    """As password managers hand secrets out."""
    os.mkfifo(tmp_path / "pipe")
    thread = _written(tmp_path / "pipe", b"value-of-a-pipe\n", after)
    assert resolve(f"file:{tmp_path / 'pipe'}", {}).reveal() == "value-of-a-pipe"
    thread.join()


def test_a_pipe_into_which_nobody_writes_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "PIPE_SECONDS", 0.2)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match=r"a pipe, and nothing came within 0\.2 seconds"):
        resolve(f"file:{tmp_path / 'pipe'}", {})


def test_a_pipe_without_an_end_is_no_secret(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=_flood, args=(tmp_path / "pipe",))
    thread.start()
    with pytest.raises(UsageError, match="larger than 64 KiB"):
        resolve(f"file:{tmp_path / 'pipe'}", {})
    thread.join()


def _flood(path: Path) -> None:
    with suppress(BrokenPipeError), path.open("wb") as stream:
        while True:
            stream.write(b"x" * 4096)


def test_a_mark_of_the_byte_order_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfvalue-with-a-mark\r\n")
    assert resolve(f"file:{tmp_path / 'secret'}", {}).reveal() == "value-with-a-mark"


def test_a_reader_reads_in_its_own_environment() -> None:
    assert secrets.reader({"KEY": "value-of-it"})("env:KEY").reveal() == "value-of-it"


def test_what_a_runbook_refers_to_is_known_before_it_is_used() -> None:
    said = "password: env:FIRST_1, dsn: 'env:SECOND', notenv:THIRD, env:EMPTY, env:MISSING"
    values = {"FIRST_1": "value-1-of-it", "SECOND": "value-2-of-it", "THIRD": "value-3-of-it"}
    secrets.know(said, {**values, "EMPTY": ""})
    assert [KNOWN.holds(value) for value in values.values()] == [True, True, False]


def test_a_file_loses_only_its_last_line_break(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" two words \n")
    assert resolve(f"file:{path}", {}).reveal() == " two words "


@pytest.mark.parametrize(
    ("reference", "environment", "said"),
    [
        ("env:NOT_SET", {}, "is not set"),
        ("env:EMPTY", {"EMPTY": ""}, "it is empty"),
        ("file:/no/such/file", {}, "No such file"),
        ("cmd:/bin/sh -c 'echo marker; exit 3'", {}, "exit code 3"),
        ("cmd:/no/such/program", {}, "cannot be started"),
        ("cmd:'open", {}, "quotes do not match"),
        ("cmd:", {}, "it names no program"),
        ("cmd:/bin/sh -c 'printf \"a\\0b\"'", {}, "it holds a NUL byte"),
        ("cmd:/bin/sh -c 'printf \"\\n\"'", {}, "it is empty"),
        ("plain-text-marker", {}, "env:NAME, file:PATH"),
    ],
)
def test_errors_name_the_reference_and_never_the_value(
    reference: str, environment: dict[str, str], said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(reference, environment)
    assert said in caught.value.explain()
    assert "marker" not in caught.value.explain()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"marker\xff", "it is not UTF-8 text"),
        (b"x" * (LIMIT + 1), "it is larger than 64 KiB"),
        (b"\r\n", "it is empty"),
        (b"marker\0", "it holds a NUL byte"),
    ],
)
def test_a_file_that_holds_no_secret(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        resolve(f"file:{path}", {})
    assert said in caught.value.explain()
    assert "marker" not in caught.value.explain()
    assert caught.value.code == "secret"


def test_the_largest_secret_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x" * LIMIT)
    assert resolve(f"file:{path}", {}).reveal() == "x" * LIMIT


def test_a_file_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "token").write_text("value\n")
    assert resolve("file:~/token", {}).reveal() == "value"


@dataclass
class Holder:
    secret: Secret


class Model(Frozen):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    secret: Secret


def test_a_secret_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("marker")
    logging.getLogger("drbook").warning("%s %r", secret, {"password": secret})
    shown = [
        str(secret),
        repr(secret),
        "{}".format(secret),  # noqa: UP032 - this way of formatting is what is tried
        f"{secret!r:>20} {secret:>20} {[secret]}",
        "%s" % (secret,),  # noqa: UP031 - this way of formatting is what is tried
        pprint.pformat(Holder(secret)),
        str(asdict(Holder(secret))),
        str(ValueError(secret)),
        repr(Model(secret=secret)),
        str(Model(secret=secret).model_dump()),
        repr(copy.copy(secret)),
        repr(copy.deepcopy({"a": [secret]})),
        caplog.text,
    ]
    assert all("marker" not in text for text in shown)
    assert "Secret(…)" in caplog.text


def test_a_secret_cannot_be_written_anywhere() -> None:
    secret = Secret("marker")
    for write in (
        lambda: pickle.dumps(secret),
        lambda: json.dumps({"a": secret}),
        lambda: vars(secret),
        lambda: secret.__getstate__(),
        lambda: to_json(secret),
        lambda: Model(secret=secret).model_dump_json(),
        lambda: TypeAdapter(Secret),
    ):
        with pytest.raises(
            (TypeError, PydanticSerializationError, PydanticSchemaGenerationError)
        ) as caught:
            write()
        assert "marker" not in str(caught.value)


def test_comparing_secrets_tells_nothing_about_their_values() -> None:
    secret = Secret("marker")
    assert secret != Secret("marker")
    assert secret != "marker"
    assert secret == secret
    assert len({secret, Secret("marker")}) == 2
    assert copy.deepcopy(secret) is secret


def test_a_secret_says_only_that_it_is_one() -> None:
    assert (repr(Secret("x")), str(Secret("x")), f"{Secret('x')}") == (
        "Secret(…)",
        "Secret(…)",
        "…",
    )


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("file:/no/such", "The secret file:/no/such cannot be read: No such file or directory."),
        ("cmd:'open", "The secret cmd:… cannot be read: its quotes do not match."),
        ("cmd:", "The secret cmd: cannot be read: it names no program."),
        ("cmd:/bin/false --token marker", "The secret cmd:/bin/false cannot be read: the program ended with exit code 1."),
        ("env:A\x1b", "The secret env:A\\x1b cannot be read: the environment variable A\\x1b is not set."),
    ],
)  # fmt: skip
def test_what_is_said_word_by_word(reference: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(reference, {})
    assert caught.value.what == said


def test_a_helper_has_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its own environment: what it needs to reach a vault."""
    given: dict[str, object] = {}

    def complete(argv: list[str], **more: object) -> Completed:
        given.update(more)
        return Completed(0, "value\n", "", 0.0)

    monkeypatch.setattr(secrets, "complete", complete)
    assert resolve("cmd:vault read", {"VAULT_ADDR": "x"}).reveal() == "value"
    assert given == {"env": {"VAULT_ADDR": "x"}, "timeout": timedelta(seconds=30)}


def test_what_is_not_set_is_named_once_and_comments_are_no_references() -> None:
    text = "a: env:ONE\n# b: env:TWO\nc: [env:ONE, env:THREE, env:FOUR]\nd: renv:FIVE\n"
    assert secrets.unset(text, {"THREE": "x", "FOUR": ""}) == ("ONE", "FOUR")
