"""File names that act on a terminal, or look like lines of their own."""

from pathlib import Path

import pytest
from support.program import Drbook

NAME = "a\x1b]0;pwn\x07\x1b[31mX\r\nfake.yaml: no problem"


@pytest.mark.parametrize("command", [("journal", "verify"), ("lint",), ("show",), ("timeline",)])
def test_a_name_is_shown_and_not_obeyed(tmp_path: Path, command: tuple[str, ...]) -> None:
    drbook = Drbook(tmp_path / "home")
    for given in (tmp_path / NAME, tmp_path / "missing" / NAME):
        if given.parent.exists():
            given.write_text("steps: [")
        ran = drbook(*command, str(given))
        assert ran.code != 0
        said = ran.out + ran.err
        assert "\x1b" not in said
        assert "\x07" not in said
        assert not any(line.startswith("fake.yaml") for line in said.splitlines())


def test_a_state_directory_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    home = tmp_path / NAME
    home.mkdir(mode=0o700)
    for command in (("doctor",), ("incidents",)):
        said = Drbook(tmp_path / "home")(*command, DRBOOK_HOME=str(home))
        assert "\x1b" not in said.out + said.err
        assert not any(line.startswith("fake.yaml") for line in said.out.splitlines())
