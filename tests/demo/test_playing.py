"""A scenario led without a screen: nobody goes on with what it made, unless that is kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from drbook.core.errors import StepFailed
from drbook.demo import playing
from drbook.demo.worlds import DEFAULT, story


class _Session:
    def __init__(self) -> None:
        self.passing = False
        self.driver = self

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize("keep", [True, False])
def test_what_it_made_goes_with_it_though_it_is_never_closed(
    monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    session = _Session()

    @contextmanager
    def told(*_: object, **__: object) -> Iterator[tuple[Any, Any]]:
        yield cast("Any", None), session

    def led(*_: object) -> None:
        raise StepFailed("it must fail")

    monkeypatch.setattr(playing, "told", told)
    monkeypatch.setattr(playing, "answering", lambda *_: None)
    monkeypatch.setattr(playing, "run_unattended", led)
    played = playing.play(story(DEFAULT), 10, keep=keep, tell=lambda _: None)
    assert played.unmet == ("it must fail",)
    assert session.passing is not keep
