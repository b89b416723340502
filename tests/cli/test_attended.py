"""An incident that is opened behind the screen, and somebody who does not wait for it."""

import threading
from dataclasses import dataclass, field

import pytest

from drbook.cli import attended, lead
from drbook.core.errors import ExitCode, JournalError, UsageError
from drbook.tui import app
from drbook.tui.first import First, Told


@dataclass
class Session:
    """What was done with it, in order."""

    did: list[str] = field(default_factory=list)
    driver: object = "driver"

    def __enter__(self) -> "Session":
        self.did.append("start")
        return self

    def close(self) -> None:
        self.did.append("close")


@pytest.fixture(autouse=True)
def _words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "leaving", lambda session, kept: "it stays open")
    monkeypatch.setattr(attended, "_LEAVING_SECONDS", 0.2)


def screen(monkeypatch: pytest.MonkeyPatch, run) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(app, "run_incident", lambda opening, first: run(opening))


def test_it_is_started_where_the_screen_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    session, ended = Session(), []
    screen(monkeypatch, lambda opening: ended.append(opening(Told())))
    monkeypatch.setattr(
        lead, "ended_at_the_screen", lambda one, as_json, kept, gone: (one.close(), 7)[1]
    )
    assert attended.attend(lambda told: session, first=First()) == 7  # type: ignore[arg-type,return-value]
    assert ended == [("driver", "it stays open")]
    assert session.did == ["start", "close"]


def test_who_leaves_does_not_wait_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    session, go, said = Session(), threading.Event(), []

    def slowly(told: Told) -> Session:
        assert go.wait(20)
        return session

    def run(opening) -> None:  # type: ignore[no-untyped-def]
        def open_it() -> None:
            try:
                opening(Told())
            except UsageError as error:
                said.append(error.what)

        thread.append(threading.Thread(target=open_it))
        thread[0].start()

    thread: list[threading.Thread] = []
    screen(monkeypatch, run)
    code = attended.attend(slowly, first=First())  # type: ignore[arg-type]
    assert code == ExitCode.NEEDS_HUMAN
    assert "nothing was run" in capsys.readouterr().err
    go.set()
    thread[0].join(20)
    assert session.did == ["close"]
    assert said == ["It was left while it was being opened."]


def test_what_breaks_at_the_screen_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session()

    def run(opening) -> None:  # type: ignore[no-untyped-def]
        opening(Told())
        raise ValueError("a defect")

    screen(monkeypatch, run)
    with pytest.raises(ValueError, match="a defect"):
        attended.attend(lambda told: session, first=First())  # type: ignore[arg-type,return-value]
    assert session.did == ["start", "close"]


def test_what_cannot_be_opened_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(told: Told) -> Session:
        raise JournalError("line 7")

    screen(monkeypatch, lambda opening: opening(Told()))
    with pytest.raises(JournalError, match="line 7"):
        attended.attend(broken, first=First())  # type: ignore[arg-type]
