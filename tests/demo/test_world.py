"""A world's end: what breaks while it is closed loses nothing that was to stay, and leaves nothing that was to go."""

import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest

from drbook.core.errors import StepFailed
from drbook.demo.world import World, world
from drbook.demo.worlds.table_dropped import archiving
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


@pytest.mark.parametrize("name", ["wal", "a b", "100%f", "it's %p", "$(touch x)"])
def test_wal_is_archived_into_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    folder, segment = tmp_path / name, tmp_path / "pg_wal"
    folder.mkdir()
    segment.write_text("wal")
    command = _as_the_server(archiving(folder), str(segment), "000000010000000000000001")
    subprocess.run(["/bin/sh", "-c", command], check=True, cwd=tmp_path)
    assert [one.name for one in folder.iterdir()] == ["000000010000000000000001"]
    assert not (tmp_path / "x").exists()


def _as_the_server(command: str, path: str, name: str) -> str:
    """Its escapes replaced, from the left."""
    with_what = {"%%": "%", "%p": path, "%f": name}
    parts = re.split("(%.)", command)
    return "".join(with_what.get(one, one) for one in parts)
