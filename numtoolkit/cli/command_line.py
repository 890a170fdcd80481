"""The command line: results on stdout, progress and errors on stderr.

Exit codes are 0, 1 (a claim failed, or a kept result is not reproduced), 2 (usage or input), 70 (a fault of numtoolkit,
with its traceback), 74 (stdout is closed or full), 130 (interrupted) and 141 (nobody reads stdout any more). What goes
to files is written before anything is printed, so that no stream can lose it. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NoReturn

from numtoolkit.cli.conditions import CONDITIONS
from numtoolkit.cli.curve import CURVE
from numtoolkit.cli.defects import DEFECTS
from numtoolkit.cli.derive import DERIVE
from numtoolkit.cli.distance import DISTANCE
from numtoolkit.cli.fit import FIT
from numtoolkit.cli.list import LIST
from numtoolkit.cli.output import Command, Unheard, add_import, drop, emit, note
from numtoolkit.cli.recommend import RECOMMEND
from numtoolkit.cli.reproduce import REPRODUCE
from numtoolkit.cli.sample import SAMPLE
from numtoolkit.cli.show import SHOW
from numtoolkit.cli.spectrum import SPECTRUM
from numtoolkit.cli.stability import STABILITY
from numtoolkit.cli.train import TRAIN
from numtoolkit.cli.transfer import TRANSFER
from numtoolkit.cli.verify import VERIFY
from numtoolkit.errors import InputError, NumtoolkitError, unknown
from numtoolkit.files.versions import versions
from numtoolkit.references import allow_imports, blamed, origins

COMMANDS: dict[str, Command] = {
    c.name: c
    for c in (
        LIST,
        SHOW,
        VERIFY,
        CONDITIONS,
        DERIVE,
        STABILITY,
        CURVE,
        TRANSFER,
        SPECTRUM,
        RECOMMEND,
        DEFECTS,
        SAMPLE,
        DISTANCE,
        FIT,
        TRAIN,
        REPRODUCE,
    )
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see `{self.prog} --help`.")

    def _print_message(self, message: str, file: Any = None) -> None:
        emit(message)  # argparse itself lets a full or closed stream pass


def parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    top = _Parser(
        prog="numtoolkit",
        description="Integrators of diffusion models: declared once, proved, measured exactly, and run.",
        epilog="A scheme, process, law or grid is a name with optional parameters: 'res-2s(c2=1/3)', 'rho(7)'. "
        "A law is also the path of an .npz file, a scheme that of a .json file that show or fit wrote; with --import "
        "either, and a process, is FILE.py:NAME or MODULE:NAME, what that Python has under the name. "
        "Names are read in either case. Results go to stdout. Exit code: 0, 1 where a claim or a kept result failed, "
        "2 for what cannot be used as given, 74 where stdout is closed or full.",
        allow_abbrev=False,
    )
    top.add_argument("--version", action="store_true", help="versions of numtoolkit and of the packages it uses")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    for command in COMMANDS.values():
        reader = commands.add_parser(command.name, help=command.help, description=command.help, allow_abbrev=False)
        command.arguments(reader)
        add_import(reader)
        reader.set_defaults(run=command.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line, by default this process's, and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of overflow: results are checked to be finite
            warnings.formatwarning = lambda message, *where: f"numtoolkit: {message}\n"
            return _run(words)
    except SystemExit as stop:  # argparse, after --help
        return int(stop.code or 0)
    except NumtoolkitError as error:
        note(f"numtoolkit: {error}")
        return 2
    except MemoryError as error:
        note(f"numtoolkit: out of memory ({error}); ask for less at once.")
        return 2
    except KeyboardInterrupt:
        note("numtoolkit: interrupted; what was written before is complete.")
        return 130
    except BrokenPipeError:
        drop(sys.stdout)
        return 141
    except Unheard as error:
        drop(sys.stdout)
        note(f"numtoolkit: {error}; what goes to files is written.")
        return 74
    except Exception:
        note(f"{traceback.format_exc()}numtoolkit: this is a fault of numtoolkit; please report it.")
        return 70


def _run(words: list[str]) -> int:
    first = next((word for word in words if not word.startswith("-")), None)
    if first is not None and first not in COMMANDS:
        raise unknown("command", first, COMMANDS)
    empty = next((word for word in words if word.startswith("--") and word.endswith("=--")), None)
    if empty is not None:  # of which argparse makes an empty list
        raise InputError(f"{empty.removesuffix('=--')} is given '--', which is no value; give one.")
    top = parser()
    arguments = top.parse_args(words)
    if arguments.version:
        emit("\n".join(f"{name} {version}" for name, version in versions().items()))
        return 0
    if first is None:
        top.error("name a command")
    arguments.command = shlex.join(["numtoolkit", *words])
    with allow_imports() if arguments.imports else nullcontext():
        return _run_command(arguments)


def _run_command(arguments: argparse.Namespace) -> int:
    """The command's exit code; what a file that it was told to run raises later on is told in a sentence too."""
    try:
        code: int = arguments.run(arguments)
    except (Exception, SystemExit) as error:
        told = None if isinstance(error, NumtoolkitError) else blamed(error)
        if told is None:
            raise
        raise told from error
    for own in origins():
        note(f"{own.record['name']} is {own.text}, sha256 {own.sha256[:12]}")
    return code
