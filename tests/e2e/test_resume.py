"""Which incident is gone on with when nobody says which."""

from pathlib import Path

NEEDS_A_PERSON = """
drbook: 1
title: Needs a person
steps:
  - {id: revoke, phase: contain, do: manual, with: {instructions: "Revoke the token."}}
"""
ENDS_BY_ITSELF = """
drbook: 1
title: Ends by itself
steps:
  - {id: noted, phase: close, do: note, with: {text: "nothing to do"}}
"""


def test_the_newest_open_one_is_gone_on_with(drbook, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    nothing = drbook("resume", "--headless")
    assert nothing.code == 2
    assert "is open" in nothing.err
    for name, text in (("open", NEEDS_A_PERSON), ("ended", ENDS_BY_ITSELF)):
        (tmp_path / f"{name}.yaml").write_text(text)
    opened = drbook("run", str(tmp_path / "open.yaml"), "--headless", "--json")
    assert opened.code == 7, opened.err
    ended = drbook("run", str(tmp_path / "ended.yaml"), "--headless", "--json")
    assert ended.code == 0, ended.err
    rehearsed = drbook("rehearse", str(tmp_path / "open.yaml"), "--headless", "--json")
    assert rehearsed.code == 7, rehearsed.err  # newer, open, and not the real thing
    resumed = drbook("resume", "--headless", "--json")
    assert resumed.code == 7, resumed.err
    assert resumed.json()["incident"] == opened.json()["incident"]
    said = drbook("resume", ended.json()["incident"], "--headless")
    assert said.code == 2, said.err
    assert "ended" in said.err or "closed" in said.err
