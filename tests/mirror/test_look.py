"""Asking the mirrors before an incident is gone on with: what is an answer, and what is none."""

import threading
from collections.abc import Callable

import pytest
from support.mirrors import INCIDENT, Memory, Recorded, bucket_mirror, secret

from drbook.core.errors import TakenOver, UsageError
from drbook.mirror.fence import Fence, lay
from drbook.mirror.look import may_go_on
from drbook.mirror.place import MirrorDown, Place


def asked(
    recorded: Recorded,
    *openers: Callable[[], Place],
    without: bool = False,
    seconds: float = 0.5,
) -> tuple[str, ...]:
    named = [(f"mirror {number}", one) for number, one in enumerate(openers, 1)]
    return may_go_on(
        named, digests=recorded.digests, epoch=0, token="", without=without, seconds=seconds
    )


def test_a_mirror_that_answers_is_not_named(recorded: Recorded) -> None:
    place = Memory()
    recorded.mirror_to(place)
    assert asked(recorded, lambda: place) == ()
    assert place.calls[-1] == "close"


def test_each_that_does_not_answer_is_named_with_its_reason(recorded: Recorded) -> None:
    down, hangs, released = Memory(), Memory(), threading.Event()
    down.down = "no route to host"

    def hanging() -> Place:
        released.wait(20)
        return hangs

    def broken() -> Place:
        raise OSError("a defect in a library")

    found = asked(recorded, lambda: down, hanging, broken, Memory)
    released.set()
    assert found == (
        "mirror 1: no route to host",
        "mirror 2: no answer within 0.5 s",
        "mirror 3: drbook itself failed: OSError: a defect in a library",
    )


def unset() -> Place:
    raise UsageError("The secret env:KEY cannot be read.", next="Set it.", code="secret")


def test_a_mirror_without_its_credentials_refuses_unless_somebody_says_so(
    recorded: Recorded,
) -> None:
    with pytest.raises(UsageError) as caught:
        asked(recorded, unset, Memory)
    assert caught.value.code == "mirror-unset"
    assert asked(recorded, unset, without=True) == ("mirror 1: The secret env:KEY cannot be read.",)


def test_who_took_over_is_said_before_what_could_not_be_asked(recorded: Recorded) -> None:
    place = Memory()
    laid = {
        "epoch": 1, "incident": INCIDENT, "token": "t", "host": "spare", "actor": "bob",
        "at": "2026-04-24T21:30:00Z", "head": "0" * 64, "records": 5, "reason": "gone",
    }  # fmt: skip
    lay(place, Fence.model_validate(laid))
    with pytest.raises(TakenOver):
        asked(recorded, unset, lambda: place, without=True)


def test_a_bucket_without_any_credentials_is_no_outage(
    recorded: Recorded, s3_server, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    bare = bucket_mirror(s3_server, "any", access_key=None, secret_key=None)
    with pytest.raises(UsageError, match="no credentials"):
        asked(recorded, lambda: bare.open(INCIDENT, secret), seconds=20)


def test_a_place_that_fails_while_it_is_asked_is_an_outage(recorded: Recorded) -> None:
    place = Memory()
    recorded.mirror_to(place)

    def fails(stored: object, limit: int = 0) -> bytes:
        raise MirrorDown("connection reset")

    place.read = fails  # type: ignore[assignment, method-assign]
    assert asked(recorded, lambda: place) == ("mirror 1: connection reset",)
