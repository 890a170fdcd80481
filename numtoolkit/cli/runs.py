"""`sample` and `reproduce`: runs that fill folders."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

from numtoolkit.cli.output import Command, add_json, grid, note, numbers, report, versions
from numtoolkit.cli.shards import Shards
from numtoolkit.errors import InputError
from numtoolkit.processes import process as process_of
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.storage import folder, write_figure

BATCH = 64  # samples of one tile: a run is the same for every selection of seeds only if the tile is
SHARD = 4 * BATCH  # samples of one file
SHOWN = 64  # samples of a picture


# --- sample


def _sample_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--law", required=True, metavar="L", help="a named law or the path of an .npz file")
    parser.add_argument("--scheme", required=True, metavar="S")
    parser.add_argument("--nfe", required=True, type=int, metavar="N", help="evaluations of a sample")
    parser.add_argument("--seeds", required=True, metavar="0-63", help="one a sample")
    parser.add_argument("--out", required=True, metavar="DIR", help="complete files of the same run in it are kept")
    parser.add_argument("--process", metavar="P", help="by default the first the scheme is declared on")
    parser.add_argument("--grid", metavar="G", default="log-snr", help="by default log-snr")
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--device", metavar="D", help="run in torch there, 'cuda' or 'cpu'; by default in numpy")
    parser.add_argument("--image", action="store_true", help=f"draw the first {SHOWN} samples, samples.png")
    add_json(parser)


def _sample(arguments: argparse.Namespace) -> int:
    from numtoolkit.laws import law_of

    law, scheme = law_of(arguments.law), scheme_of(arguments.scheme)
    process = process_of(arguments.process or scheme.processes[0])
    seeds = numbers(arguments.seeds, "--seeds")
    if arguments.image and len(law.shape) != 2:
        raise InputError(f"samples of law {law.name} have shape {law.shape}, which is no picture; drop --image.")
    specification = {
        "law": law.name,
        "law_sha256": hashlib.sha256(Path(arguments.law).read_bytes()).hexdigest() if "(" not in law.name else None,
        "scheme": scheme.spec,
        "process": process.spec,
        "grid": arguments.grid,
        "nfe": arguments.nfe,
        "dtype": arguments.dtype,
        "library": "numpy" if arguments.device is None else "torch",
        "batch": BATCH,
    }
