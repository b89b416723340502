"""A driver with fake doors, for every test of this room."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.incident import World, made_in


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    yield from made_in(tmp_path)
