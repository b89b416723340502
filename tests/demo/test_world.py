"""A world's end: what breaks while it is closed loses nothing that was to stay, and leaves nothing that was to go."""

from pathlib import Path
from typing import Any, cast

import pytest

from drbook.core.errors import StepFailed
from drbook.demo.world import World, world
from drbook.demo.worlds.wrong_host import WrongHost


class _Breaks:
    def __init__(self, folder: Path, rows: int, tell: object) -> None:
        self.folder = folder

    def build(self) -> None:
        (self.folder / "here").touch()

    def close(self) -> None:
        raise StepFailed("its server does not stop")


@pytest.mark.parametrize("keep", [True, False])
def test_a_world_that_cannot_be_closed_is_kept_or_removed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("drbook.demo.world.SHORT", 500)
    heard: list[str] = []
    with (
        pytest.raises(StepFailed, match="does not stop"),
        world(1, keep=keep, tell=heard.append, kind=cast("type[World]", _Breaks)) as made,
    ):
        folder = made.folder
    assert (folder / "here").exists() is keep
    assert heard == ([f"Kept: {folder}"] if keep else [])


def test_the_other_servers_stop_where_the_standby_does_not() -> None:
    stopped = []

    class Server:
        def __init__(self, name: str) -> None:
            self.name = name

        def stop(self) -> None:
            stopped.append(self.name)
            if self.name == "standby":
                raise StepFailed("the standby does not stop")

    there = cast("Any", WrongHost.__new__(WrongHost))
    there.standby, there.store, there.production = map(Server, ("standby", "store", "production"))
    with pytest.raises(StepFailed, match="the standby"):
        there.close()
    assert stopped == ["standby", "store", "production"]
