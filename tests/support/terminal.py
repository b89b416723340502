"""A pseudo-terminal with drbook in it, and a terminal emulator that shows what a person would see."""

import re
import time
from pathlib import Path

import pexpect
import pyte

ENTER = "\r"
ESCAPE = "\x1b"


class Terminal:
    """A terminal of 80×24 with `drbook` in it, and what a person would see there."""

    def __init__(self, command: list[str], environment: dict[str, str], cwd: Path) -> None:
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self.sent = b""
        """All that it wrote to the terminal."""
        self.child = pexpect.spawn(
            command[0], command[1:], env=environment, dimensions=(24, 80), cwd=str(cwd), timeout=5
        )

    def read(self, seconds: float = 0.2) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._take():
            continue

    def _take(self) -> bool:
        """What is there, or comes within a tenth of a second; False once nothing can come any more."""
        try:
            data = self.child.read_nonblocking(65536, timeout=0.1)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.sent += data
        # Textual asks terminals for modes in ways that the emulator does not know.
        self._stream.feed(re.sub(rb"\x1b\[[<>=?][\d;:$]*[a-zA-Z]|\x1b_.*?\x1b\\", b"", data))
        return True

    @property
    def title(self) -> str:
        """The window's title; the emulator takes other sequences for one."""
        found = re.findall(rb"\x1b\]2;(.*?)\x07", self.sent)
        return found[-1].decode() if found else ""

    def is_titled(self, title: str, seconds: float = 60) -> None:
        """It is set a moment after the screen that it belongs to was drawn."""
        deadline = time.monotonic() + seconds
        while self.title != title and time.monotonic() < deadline:
            self.read(0.1)
        assert self.title == title

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def sees(self, *words: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(word in self.text for word in words):
                return
            assert self._take() or self.child.isalive(), f"it has ended:\n{self.text}"
        raise AssertionError(f"{words} not seen:\n{self.text}")

    def press(self, keys: str) -> None:
        self.child.send(keys)
        self.read(0.3)

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def vanishes(self, seconds: float = 60) -> None:
        """The window is closed: the kernel sends SIGHUP, nobody reads any more, and it has to end."""
        self.child.ptyproc.fileobj.close()
        self.child.ptyproc.closed = self.child.closed = True
        deadline = time.monotonic() + seconds
        while self.child.ptyproc.isalive():
            assert time.monotonic() < deadline, "it still runs"
            time.sleep(0.05)

    def ends(self, seconds: float = 60) -> int:
        deadline = time.monotonic() + seconds
        while self.child.isalive() and time.monotonic() < deadline:
            self.read()
        self.child.close()
        assert self.child.exitstatus is not None, f"killed by {self.child.signalstatus}"
        return int(self.child.exitstatus)
