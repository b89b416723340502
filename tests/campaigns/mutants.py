"""Change the guard, the target proof and the independence rules in small ways, and see whether a test
notices.

    python tests/campaigns/mutants.py                                # every mutant; some hours
    python tests/campaigns/mutants.py --near                         # only by the tests that run its line
    python tests/campaigns/mutants.py --module drbook.core.reach
    python tests/campaigns/mutants.py --sample 200 --seed 1          # as many of all, chosen by the seed

Each mutant is a copy of the package with one change (`mutations.py`), and the module's own tests run
against it until the first fails: those that run the changed line first, then all (`trials.py`). A mutant
is killed where a test fails or does not end in time. `--near` leaves the others out: a survivor may then
be one that they would kill, and what the table explains is believed and not tried: the lower bound of
what is killed, in a tenth of the time. What survives must be explained in `survivors.toml`, and what is
explained there must still survive. Exit code 1 where a module has fewer than 85 % killed, or a survivor
is not explained, or an explanation does not apply; 2 where the tests fail without a change, or do not
look at the module at all.

A changed rule may end processes that are not its own: where that would do harm, give it a table of
processes for itself (as root: `unshare --pid --fork --mount-proc`, and then this command).
"""

import argparse
import random
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.mutations import Mutant, mutants_of
from campaigns.trials import Place, Tried, Unfit, campaign, file_of

PROJECT = Path(__file__).parents[2]
TABLE = Path(__file__).with_name("survivors.toml")
FLOOR = 85.0
"""Per cent of a module's mutants that tests must kill."""

_CORE = (
    "tests/core/test_findings.py",
    "tests/core/test_independence.py",
    "tests/core/test_custody.py",
)
_TARGETS = ("tests/providers/test_fresh_targets.py", "tests/providers/test_disguises.py")
_ARCHIVES = ("tests/providers/test_hostile_archives.py", "tests/providers/test_honest_archives.py")
_VERIFIED = "tests/actions/test_verify.py"
_MASKS = (
    "tests/providers/test_known.py",
    "tests/providers/test_quoting.py",
    "tests/providers/test_hiding.py",
    "tests/providers/test_scrub.py",
    "tests/providers/test_dumps.py",
)
MODULES: dict[str, tuple[str, ...]] = {
    "drbook.core.independence": _CORE,
    "drbook.core.criteria": _CORE,
    "drbook.core.reach": _CORE,
    "drbook.core.freshness": ("tests/targets/*.py",),
    "drbook.core.freshfolder": ("tests/targets/*.py",),
    "drbook.providers.targets.above": (
        "tests/providers/test_folder_above.py",
        "tests/providers/test_folder_facts.py",
    ),
    "drbook.providers.targets.folder": (
        "tests/providers/test_folder_facts.py",
        "tests/providers/test_fresh_folders.py",
    ),
    "drbook.providers.targets.lease": ("tests/providers/test_lease.py", *_TARGETS),
    "drbook.providers.secrets": ("tests/providers/test_secret_references.py",),
    "drbook.core.hosts": ("tests/core/test_hosts.py", "tests/guard/test_http.py"),
    "drbook.core.secretnames": (
        "tests/core/test_secretnames.py",
        "tests/app/test_secrets_said.py",
    ),
    "drbook.app.aftermath": ("tests/app/test_aftermath.py",),
    "drbook.app.wiring": ("tests/app/test_wiring.py", "tests/guard/test_modes.py"),
    "drbook.providers.dumps": ("tests/providers/test_dumps.py",),
    "drbook.providers.forms": _MASKS,
    "drbook.providers.hiding": ("tests/providers/test_secret_references.py", *_MASKS),
    "drbook.providers.readings": (
        "tests/providers/test_quoting.py",
        "tests/providers/test_dumps.py",
    ),
    "drbook.providers.life": ("tests/app/test_aftermath.py",),
    "drbook.providers.postgres": (
        "tests/providers/test_probe.py",
        "tests/providers/test_reading.py",
        "tests/providers/test_postgres_reader.py",
        "tests/guard/test_sql.py",
    ),
    "drbook.providers.pgcontrol": (
        "tests/providers/test_pgidentity.py",
        "tests/providers/test_postgres_reader.py",
        "tests/actions/test_restore_identity.py",
    ),
    "drbook.providers.pgidentity": (
        "tests/providers/test_pgidentity.py",
        "tests/providers/test_postgres_reader.py",
        "tests/actions/test_restore_identity.py",
    ),
    "drbook.providers.targets.ground": ("tests/providers/test_ground.py", *_ARCHIVES),
    "drbook.providers.targets.psqltext": ("tests/providers/test_psqltext.py", *_ARCHIVES),
    "drbook.providers.targets.roles": (
        "tests/providers/test_cluster_roles.py",
        "tests/providers/test_ground.py",
        "tests/providers/test_given_logins.py",
    ),
    "drbook.providers.archive": (
        "tests/providers/test_archive_forms.py",
        "tests/providers/test_archives.py",
    ),
    "drbook.providers.archive_read": (
        "tests/providers/test_archive_read.py",
        "tests/providers/test_archives.py",
    ),
    "drbook.providers.archive_tally": ("tests/providers/test_archive_read.py",),
    "drbook.providers.archive_toc": (
        "tests/providers/test_archive_toc.py",
        "tests/providers/test_frames.py",
    ),
    "drbook.providers.copies": ("tests/providers/test_backups_fetch.py",),
    "drbook.providers.frames": ("tests/providers/test_frames.py",),
    "drbook.core.archiverows": ("tests/core/test_archiverows.py", _VERIFIED),
    "drbook.core.assertions": ("tests/core/test_assertions.py", _VERIFIED),
    "drbook.core.comparison": ("tests/core/test_comparison.py", _VERIFIED),
    "drbook.core.fidelity": (
        "tests/core/test_fidelity.py",
        "tests/core/test_comparison.py",
        _VERIFIED,
    ),
    "drbook.core.hashes": ("tests/core/test_hashes.py",),
    "drbook.core.likeness": (
        "tests/core/test_likeness.py",
        "tests/core/test_comparison.py",
        _VERIFIED,
    ),
    "drbook.core.production": ("tests/core/test_production.py", "tests/core/test_suspect.py"),
    "drbook.core.ranges": ("tests/core/test_ranges.py", "tests/core/test_explaining.py"),
    "drbook.core.rewritten": ("tests/core/test_rewritten.py",),
    "drbook.core.soundness": ("tests/core/test_soundness.py", _VERIFIED),
    "drbook.providers.graphqlguard": ("tests/guard/test_http.py",),
    "drbook.providers.shell": ("tests/providers/test_shell_door.py",),
    "drbook.providers.child": (
        "tests/providers/test_stream_readers.py",
        "tests/providers/test_process.py",
        "tests/providers/test_orphans.py",
    ),
    "drbook.providers.process": (
        "tests/providers/test_stream_readers.py",
        "tests/providers/test_process.py",
        "tests/providers/test_orphans.py",
    ),
    "drbook.providers.pids": ("tests/providers/test_pids.py", "tests/providers/test_orphans.py"),
    "drbook.providers.launcher": (
        "tests/providers/test_launcher.py",
        "tests/providers/test_stream_readers.py",
        "tests/providers/test_process.py",
        "tests/providers/test_orphans.py",
    ),
    "drbook.providers.http": ("tests/providers/test_http_door.py", "tests/guard/test_http.py"),
    "drbook.providers.httpline": (
        "tests/providers/test_http_door.py",
        "tests/providers/test_notify.py",
    ),
    "drbook.providers.merge.door": ("tests/providers/test_merging.py", "tests/guard/test_modes.py"),
    "drbook.providers.merge.lease": (
        "tests/providers/test_merging.py",
        "tests/guard/test_modes.py",
    ),
    "drbook.providers.merge.statements": ("tests/providers/test_merging.py",),
    "drbook.providers.notify": ("tests/providers/test_notify.py",),
    "drbook.providers.s3guard": (
        "tests/providers/test_s3_allowed.py",
        "tests/guard/test_s3.py",
    ),
    "drbook.providers.s3own": ("tests/guard/test_lock_proofs.py",),
    "drbook.providers.s3prove": (
        "tests/guard/test_lock_proofs.py",
        "tests/providers/test_lock_proofs.py",
    ),
    "drbook.providers.pgsession": (
        "tests/providers/test_pgsession.py",
        "tests/guard/test_session.py",
        "tests/guard/test_sql.py",
        "tests/providers/test_postgres_reader.py",
    ),
}
"""Module → the tests that hold it, the quick ones first; patterns that match nothing are passed over.
Every module of the guard is here (`test_mutants.py`)."""


OURS = Place(PROJECT, "drbook", MODULES, TABLE, frozenset({"drbook.providers.launcher"}))


# --- the table of survivors --------------------------------------------------------------------

Key = tuple[str, str, str]


def explained(table: Path) -> dict[Key, str]:
    """(module, function, change) → why it may survive. Raises ValueError for a row that says nothing."""
    rows = tomllib.loads(table.read_text(encoding="utf-8")).get("survivor", [])
    found: dict[Key, str] = {}
    for row in rows:
        key = (row["module"], row["function"], row["change"])
        if key in found:
            raise ValueError(f"{key} is explained twice")
        if not row["why"].strip():
            raise ValueError(f"{key} is not explained")
        found[key] = row["why"]
    return found


def all_mutants(place: Place, modules: Sequence[str]) -> list[tuple[str, Mutant]]:
    return [(module, each) for module in modules for each in mutants_of(place.source(module))]


def stale_rows(place: Place) -> list[Key]:
    """Rows of the table that name no mutant of the present source."""
    there = {_key(module, each) for module, each in all_mutants(place, list(place.modules))}
    return [key for key in explained(place.table) if key not in there]


def _key(module: str, mutant: Mutant) -> Key:
    return module, mutant.function, mutant.change


def verdict(
    tried: Sequence[Tried], why: Mapping[Key, str], stale: Sequence[Key]
) -> tuple[list[str], bool]:
    """What is printed at the end, and whether all holds."""
    lines, good = [], not stale
    for module in dict.fromkeys(each.module for each in tried):
        ends = [each.end for each in tried if each.module == module]
        lived = ends.count("survived")
        share = 100 * (len(ends) - lived) / len(ends)
        good &= share >= FLOOR
        lines.append(
            f"{module:34} {len(ends):4} mutants  {ends.count('killed'):4} killed"
            f"  {ends.count('timeout'):3} out of time  {lived:3} survived  {share:5.1f} %"
            + ("" if share >= FLOOR else f"  below {FLOOR:.0f} %")
        )
    for each in tried:
        key = _key(each.module, each.mutant)
        where = f"{file_of(each.module)}:{each.mutant.line} {each.mutant.function}: {each.mutant.change}"
        if each.end == "survived" and key not in why:
            lines.append(f"survived, not explained: {where}")
            good = False
        elif each.end != "survived" and key in why:
            lines.append(f"explained as a survivor, but {each.end}: {where}")
            good = False
        elif each.end == "survived":
            lines.append(f"survived: {where}\n    {why[key]}")
    lines += [
        f"explained, but there is no such mutant any more: {' · '.join(key)}" for key in stale
    ]
    return lines, good


def run(
    place: Place,
    modules: Sequence[str],
    sample: int | None,
    seed: int,
    jobs: int,
    *,
    near: bool = False,
) -> int:
    """Try, print, and return the exit code."""
    chosen = all_mutants(place, modules)
    if sample is not None and sample < len(chosen):
        kept = set(random.Random(seed).sample(range(len(chosen)), sample))
        chosen = [each for index, each in enumerate(chosen) if index in kept]
    order = {id(mutant): index for index, (_, mutant) in enumerate(chosen)}
    why = explained(place.table)
    believed = [Tried(*each, "survived") for each in chosen if near and _key(*each) in why]
    chosen = [each for each in chosen if not (near and _key(*each) in why)]
    begun = time.monotonic()
    done = 0

    def told(one: Tried) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty() or one.end == "survived" or done % 50 == 0:
            print(
                f"{done}/{len(chosen)} {one.end} {one.module}:{one.mutant.line} {one.mutant.change}",
                file=sys.stderr,
            )

    try:
        tried, unfit = campaign(place, chosen, jobs, told, near=near)
    except Unfit as error:
        print(error, file=sys.stderr)
        return 2
    tried += believed
    tried.sort(key=lambda each: order[id(each.mutant)])
    lines, good = verdict(tried, why, stale_rows(place))
    print("\n".join(lines))
    lived = sum(each.end == "survived" for each in tried)
    print(
        f"{len(tried)} of {len(all_mutants(place, modules))} mutants (seed {seed}), "
        f"{len(tried) - lived} killed: {100 * (len(tried) - lived) / max(1, len(tried)):.1f} %, "
        f"in {time.monotonic() - begun:.0f} s"
    )
    for module, problem in unfit.items():
        print(f"{module}: {problem}", file=sys.stderr)
    return 2 if unfit else 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--module", action="append", choices=list(MODULES), help="again for more")
    parser.add_argument("--sample", type=int, help="as many mutants, chosen by the seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--near", action="store_true", help="only by the tests that run its line")
    given = parser.parse_args()
    modules = given.module or list(MODULES)
    return run(OURS, modules, given.sample, given.seed, given.jobs, near=given.near)


if __name__ == "__main__":
    sys.exit(main())
