"""`drbook show`: what is to be told stands beside the objectives."""

import json
from pathlib import Path

from click.testing import CliRunner

from drbook.cli.main import cli

BOOK = """
drbook: 1
title: Shop lost
updates: {every: 30m}
contacts: [{name: Ada Night, role: approves, reach: bell at Dock 4}]
pack: {path: /media/stick/bag.zip, max_age: 7d}
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
    assert "contact  Ada Night: approves, bell at Dock 4" in text
    assert "go-bag   /media/stick/bag.zip, at most 7d old" in text
    told = json.loads(CliRunner().invoke(cli, ["show", str(path), "--json"]).stdout)
    assert told["updates"] == {"every": "30m", "audience": "customers"}
    assert told["deadlines"] == [{"name": "GDPR notification", "after": "3d", "from": "occurred"}]
    assert told["contacts"][0]["name"] == "Ada Night"
    assert told["pack"]["max_age"] == "7d"


def test_a_contact_that_nobody_can_reach(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(BOOK.replace(", reach: bell at Dock 4", ""))
    ran = CliRunner().invoke(cli, ["lint", str(path)])
    assert "contacts[0]" in ran.stdout
    assert "give a phone, or how to reach this contact" in ran.stdout
