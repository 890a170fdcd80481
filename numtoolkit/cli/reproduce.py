"""`reproduce`: the main job."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from numtoolkit.cli.output import Command, add_json, directory, note, number, report
from numtoolkit.cli.shards import shard_of
from numtoolkit.errors import counted

if TYPE_CHECKING:
    from numtoolkit.reproduce.job import Progress

MOST_CHECKED, MOST_SEED = 10**6, 2**63 - 1


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("chosen", nargs="*", metavar="NAME", help="experiments of DIR, or FILE.toml; none is all")
    parser.add_argument("--quick", action="store_true", help="fewer samples and evaluations: the same files in seconds")
    parser.add_argument("--experiments", metavar="DIR", default="experiments", help="by default experiments")
    parser.add_argument("--out", metavar="DIR", default="figures", help="by default figures; results lie in DIR/cells")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--workers", metavar="N", help="processes that compute, by default one a core")
    who.add_argument("--cluster", metavar="ADDRESS", help="compute on a Dask cluster instead, tcp://HOST:PORT")
    parser.add_argument("--shard", metavar="I/N", default="1/1", help="compute the I-th of N parts of the results")
    parser.add_argument("--check", metavar="N", help="compute N kept results again; exit status 1 if one differs")
    parser.add_argument("--seed", metavar="S", default="0", help="of the choice that --check makes, by default 0")
    parser.add_argument(
        "--from-nothing", action="store_true", help="remove kept results first; go on with a killed job without this"
    )
    parser.add_argument("--prune", action="store_true", help="remove results that no experiment of DIR asks for")
    parser.add_argument("--pdf", action="store_true", help="draw each figure as .pdf too")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.reproduce import job
    from numtoolkit.reproduce.work import CHECKED
    from numtoolkit.reproduce.workers import MOST_WORKERS, cores

    experiments, out = directory(arguments.experiments, "--experiments"), directory(arguments.out, "--out")
    workers = cores() if arguments.workers is None else number(arguments.workers, "--workers", 1, MOST_WORKERS)
    who, shard = {"workers": workers, "cluster": arguments.cluster}, shard_of(arguments.shard)
    count = None if arguments.check is None else number(arguments.check, "--check", 1, MOST_CHECKED)
    seed = number(arguments.seed, "--seed", 0, MOST_SEED)
    asked = {"chosen": arguments.chosen, "quick": arguments.quick}
    found = job.Checked([], [])
    if count is not None:
        with _bar("checking") as progress:
            found = job.check(experiments, out, **asked, **who, count=count, seed=seed, progress=progress)
        for sentence in found.differ:
            note(sentence)
        same = len(found.cells) - len(found.differ)
        note(f"{same} of {counted(len(found.cells), 'result')} are the same to {CHECKED} digits (--seed {seed})")
    with _bar("computing") as progress:
        more = {"shard": shard, "from_nothing": arguments.from_nothing, "pdf": arguments.pdf, "progress": progress}
        written = job.reproduce(experiments, out, **asked, **who, **more)
    removed = job.strangers(experiments, out, remove=True) if arguments.prune else []
    record = {"files": written, "checked": [c.address for c in found.cells], "differ": found.differ, "removed": removed}
    report(arguments, record, lambda: "\n".join(map(str, [*written, *(f"removed {path}" for path in removed)])))
    return 1 if found.differ else 0


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    """A bar over cells with the time left on stderr, where that is a terminal; lines are written above it."""
    from tqdm import tqdm

    from numtoolkit.reproduce.job import Progress

    bar = tqdm(desc=what, unit="cell", disable=True if sys.stderr is None else None, leave=False)

    def say(line: str) -> None:
        bar.clear()
        note(line)
        bar.refresh()

    def count(done: int, wanted: int) -> None:
        if not bar.total:
            bar.initial = bar.n = done  # what was there before took no time
        bar.total = wanted
        bar.update(done - bar.n)

    with bar:
        yield Progress(say, count)


REPRODUCE = Command("reproduce", "The main job: experiments, to figures and tables.", _arguments, _run)
