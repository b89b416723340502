"""Where a timeline is written: never over another file, and never half."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from drbook.app.exports import write_new
from drbook.core.errors import UsageError


@pytest.fixture
def full() -> Iterator[None]:
    """A file size limit stands in for a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full")
def test_half_a_file_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "told.md"
    with pytest.raises(UsageError, match="cannot be written") as caught:
        write_new(path, "x" * 5000)
    assert caught.value.means == "Nothing was written."
    assert not path.exists()


@pytest.mark.usefixtures("full")
def test_what_cannot_be_taken_away_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(self: Path, missing_ok: bool = False) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", kept)
    with pytest.raises(UsageError) as caught:
        write_new(tmp_path / "told.md", "x" * 5000)
    assert "Read-only file system" in caught.value.means


def test_another_file_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "told.md"
    path.write_text("evidence")
    with pytest.raises(UsageError, match="exists already"):
        write_new(path, "new")
    assert path.read_text() == "evidence"
