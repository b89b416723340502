"""`drbook show`: what is to be told stands beside the objectives."""

import json
from pathlib import Path

from click.testing import CliRunner

from drbook.cli.main import cli

BOOK = """
drbook: 1
title: Shop lost
updates: {every: 30m}
deadlines: [{name: GDPR notification, after: 72h, from: occurred}]
steps:
  - {id: revoke, phase: contain, do: manual, with: {instructions: Revoke it.}}
"""


def test_updates_and_deadlines(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(BOOK)
    text = CliRunner().invoke(cli, ["show", str(path)]).stdout
    assert "updates  for customers, every 30m" in text
    assert "deadline GDPR notification: within 3d of occurred" in text
    told = json.loads(CliRunner().invoke(cli, ["show", str(path), "--json"]).stdout)
    assert told["updates"] == {"every": "30m", "audience": "customers"}
    assert told["deadlines"] == [{"name": "GDPR notification", "after": "3d", "from": "occurred"}]
