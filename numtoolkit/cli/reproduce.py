"""`reproduce`: the main job."""

from __future__ import annotations

import argparse

from numtoolkit.cli.output import Command, add_json, directory, note, report


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer samples and evaluations: the same files in seconds")
    parser.add_argument("--experiments", metavar="DIR", default="experiments", help="by default experiments")
    parser.add_argument("--out", metavar="DIR", default="figures", help="by default figures")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.reproduce.job import reproduce

    experiments = directory(arguments.experiments, "--experiments")
    written = reproduce(experiments, directory(arguments.out, "--out"), arguments.quick, note)
    report(arguments, {"files": written}, lambda: "\n".join(map(str, written)))
    return 0


REPRODUCE = Command("reproduce", "The main job: every experiment.", _arguments, _run)
