"""WAL-G as a source, over a stand-in that says what WAL-G's documentation and source have it say: copies and
WAL are real, damaged in every way, laid down and rolled forward. No real WAL-G runs here."""

import os
import re
from pathlib import Path

import pytest
from support.pg import drain, signals_of
from support.walg import World, point, program

from drbook.core.points import RecoveryPoint
from drbook.providers.sources.walg import UNTRIED
from drbook.providers.walgsource import WalGReader

pytestmark = pytest.mark.xdist_group("wal-g")  # one worker makes the backups, once


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{program(tmp_path / 'bin')}{os.pathsep}/usr/bin{os.pathsep}/bin")


def _points(source: WalGReader) -> list[RecoveryPoint]:
    return list(drain(source.points()))


def test_backups_are_listed_with_what_they_need_and_how_far_they_lead(walg_world: World) -> None:
    source = walg_world.store.open()
    found, said = signals_of(source.points())
    assert [one.id for one in found] == [walg_world.delta, walg_world.full]
    for one in found:
        print(one)
        print(source.facts(one).bytes)
        print(drain(source.check(one)))
