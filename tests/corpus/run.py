"""Run the corpus and print the table of verdicts.

    python tests/corpus/run.py                    # everything
    python tests/corpus/run.py --only 'bit*'      # by name, with wildcards
    python tests/corpus/run.py --jobs 4
    python tests/corpus/run.py --server all       # on every PostgreSQL here, one after the other
    python tests/corpus/run.py --server /usr/lib/postgresql/15/bin

Exit code 1 where a verdict is not the expected one.
"""

import argparse
import fnmatch
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[1])

from corpus.case import BAD, GOOD, Case
from corpus.cases import CASES
from corpus.road import Travelled, run
from corpus.world import World, opened, servers
from drbook.providers.pgtools import PgTools, find_tools

SHOWN = {GOOD: "pass", BAD: "fail"}


@dataclass(frozen=True)
class Line:
    """One case in the table: what came of it, or why it was not run."""

    case: Case
    travelled: Travelled | None = None
    left_out: str = ""
    broke: str = ""

    @property
    def right(self) -> bool:
        return bool(self.left_out) or (self.travelled is not None and self.travelled.right)

    def show(self) -> str:
        case = self.case
        truth = SHOWN.get(case.expects, "unsure")
        kind = "bad " if case.wrong else "good"
        if self.left_out:
            return f"   {kind}  {truth:6}  not run  {'':6}  {case.name}: {self.left_out}"
        if self.travelled is None:
            return f"!! {kind}  {truth:6}  BROKE    {'':6}  {case.name}: {self.broke}"
        judged = self.travelled.judged
        mark = "  " if self.right else "!!"
        said = SHOWN.get(judged.verdict, "unsure")
        who = judged.stage + (": " + ", ".join(judged.by[:3]) if judged.verdict is not GOOD else "")
        text = f"{mark} {kind}  {truth:6}  {said:7}  {self.travelled.seconds:5.1f}s  {case.name}  [{who}]"
        if not self.right:
            text += f"\n       wanted {', '.join(case.by)}; {', '.join(judged.by)}: {judged.words}"
        return text


def run_all(
    world: World,
    cases: Sequence[Case],
    *,
    jobs: int = 2,
    tell: Callable[[Line], None] = lambda line: None,
) -> list[Line]:
    """Every case, several at a time; in the order of the cases."""

    def one(numbered: tuple[int, Case]) -> Line:
        number, case = numbered
        if why := case.needs(world):
            line = Line(case, left_out=why)
        else:
            try:
                line = Line(case, run(case, world, number))
            except Exception as error:  # noqa: BLE001 - one case that breaks must not hide the others
                last = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{Path(last.filename).name}:{last.lineno}"
                line = Line(case, broke=f"{type(error).__name__} at {where}: {error}")
        tell(line)
        return line

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, enumerate(cases)))


def summary(lines: Sequence[Line], seconds: float) -> str:
    done = [line for line in lines if line.travelled is not None]
    bad = [line for line in done if line.case.wrong]
    passed = [line for line in bad if line.travelled and line.travelled.judged.verdict is GOOD]
    good = [line for line in done if not line.case.wrong]
    failed = [line for line in good if line.travelled and line.travelled.judged.verdict is BAD]
    unsure = [line for line in done if line.case.expects not in SHOWN]
    wrong = [line for line in lines if not line.right]
    return (
        f"{len(bad)} bad, {len(passed)} of them passed; {len(good)} good, {len(failed)} of them failed; "
        f"{len(unsure)} that nobody can verify; {len(lines) - len(done)} not run; "
        f"{len(wrong)} not as expected; {seconds:.0f} s"
    )


def chosen(asked: str | None, tools: Sequence[PgTools]) -> list[PgTools]:
    """Which of the servers here: the extra's, that in a folder, or every one. Empty where it is not there."""
    here = servers(tools)
    if asked is None:
        return here[:1]
    if asked == "all":
        return here
    folder = Path(asked).resolve()
    return [one for one in here if one.bin.resolve() in (folder, folder / "bin")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="names, with wildcards")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument(
        "--server",
        metavar="DIR|all",
        help="the folder of a PostgreSQL's programs, or every one here; else the test extra's",
    )
    parser.add_argument(
        "--without", action="store_true", help="then take each comparison away, and say who notices"
    )
    given = parser.parse_args()
    cases = [case for case in CASES if fnmatch.fnmatch(case.name, given.only)]
    if not cases:
        parser.error(f"no case is called {given.only}")
    tools = find_tools()
    usual = chosen(given.server, tools)
    if not usual:
        parser.error(f"no server of PostgreSQL is in {given.server or 'the test extra'}")
    well = [_on(server, cases, given.jobs, without=given.without) for server in usual]
    return 0 if all(well) else 1


def _on(server: PgTools, cases: Sequence[Case], jobs: int, *, without: bool) -> bool:
    """The table of one server; whether every verdict in it is right."""
    begun = time.monotonic()
    print(f"PostgreSQL {server.show()}")
    print("   case  truth   verdict    time  name  [who found it]")
    with opened(server) as world:
        lines = run_all(world, cases, jobs=jobs, tell=lambda line: print(line.show(), flush=True))
    print(f"PostgreSQL {server.major}: {summary(lines, time.monotonic() - begun)}")
    idle = False
    if without:
        from corpus.without import NETS, noticed

        recorded = [line.travelled.facts for line in lines if line.travelled and line.right]
        for name in NETS:
            found = list(noticed(name, recorded))
            idle = idle or not found
            print(f"without {name}: {len(found)} wrong: {'; '.join(found[:4]) or 'NOBODY NOTICES'}")
    return all(line.right for line in lines) and not idle


if __name__ == "__main__":
    sys.exit(main())
