"""`distance`: how far two sets of samples are from one another, in spaces of features."""

from __future__ import annotations

import argparse

from numtoolkit.cli.output import Command, Record, add_json, destination, grid, listed, note, progress, report, wrapped
from numtoolkit.errors import InputError, brief
from numtoolkit.files.storage import write_npz

SETS = "a folder that sample filled, an .npz file (samples, images, arr_0, or mu and sigma), or a law"
FOOT = """\
Frechet distances, in the convention of FID. `distance` is that of the moments of all samples, which N samples set too \
high by c / N; `limit` is without that term, with a 95 % interval: with 0 in it, it does not tell the two apart."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", metavar="A", help=SETS)
    parser.add_argument("second", metavar="B", help="another, or the same kind of thing")
    parser.add_argument(
        "--features",
        metavar="F,G",
        default="pixels",
        help="spaces: pixels, the default, 'projection(dim=64)', 'hidden(digits-image, level=0.1)', or with --import "
        "a TorchScript FILE.pt that takes pictures of 8 bits, such as Inception's",
    )
    parser.add_argument(
        "--moments", metavar="FILE.npz", help="also write mu and sigma of A in the one space of features"
    )
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.measure.features import features_of
    from numtoolkit.measure.frechet import frechet_distance, gathered, moments_file

    spaces = [features_of(text) for text in dict.fromkeys(listed(arguments.features, "--features"))]
    path = None if arguments.moments is None else destination(arguments.moments, (".npz",), option="--moments")
    if path is not None and len(spaces) > 1:
        raise InputError(f"--moments are those in one space, but --features names {len(spaces)}; give one.")
    records: list[Record] = []
    for space in progress(spaces, "measuring"):
        first = gathered(arguments.first, space)
        found = frechet_distance(first, arguments.second, space)
        records.append(
            {
                "features": brief(found.features),
                "dimension": found.dimension,
                "n": found.counts[0],
                "m": found.counts[1],
            }
            | {"distance": found.value, "limit": found.limit, "low": found.low, "high": found.high}
        )
    if path is not None:
        note(f"wrote {write_npz(path, moments_file(first))}")
    report(arguments, records, lambda: "\n".join([grid(records), "", *wrapped(FOOT)]))
    return 0


DISTANCE = Command("distance", "How far two sets of samples are from one another.", _arguments, _run)
