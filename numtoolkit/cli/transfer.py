"""`transfer`: what schemes make of each scale of the data, as numbers and as a picture."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from numtoolkit.cli.output import (
    Command,
    Record,
    add_grid,
    add_json,
    add_process,
    destination,
    grid,
    keep,
    listed,
    note,
    number,
    progress,
    report,
    schemes,
    wrapped,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES, read_npz
from numtoolkit.limits import MOST_NFE
from numtoolkit.problem.processes import process as process_of

if TYPE_CHECKING:
    from numtoolkit.laws import Law
    from numtoolkit.measure.transfer import Transfer

DRAWN = 2000  # data of a law, at least, that samples are held against
FOOT = """\
The deviation of the data part at the end over the exact one, less 1, for Gaussian data of each scale and its exact \
network: below 0 it is blur, above 0 noise."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_process(parser)
    parser.add_argument("--schemes", required=True, metavar="A,B", help="schemes separated by commas")
    add_grid(parser)
    parser.add_argument("--nfe", required=True, metavar="N", help="network evaluations of a run")
    parser.add_argument("--scales", metavar="1,0.1", help="deviations of the data; by default 25 from 10 to 0.001")
    parser.add_argument("--spectrum", metavar="L", help="a law, or the file of a spectrum: its law error, its scales")
    parser.add_argument("--samples", metavar="FILE.npz", help="images, whose power over that of --spectrum is printed")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    from numtoolkit.laws import law_of
    from numtoolkit.laws.spectra import spectrum_of
    from numtoolkit.measure.curves import OVERFLOW
    from numtoolkit.measure.transfer import SCALES, transfer

    process, chosen = process_of(arguments.process), schemes(listed(arguments.schemes, "--schemes"))
    nfe = number(arguments.nfe, "--nfe", 1, MOST_NFE)
    scales = SCALES if arguments.scales is None else _scales(arguments.scales)
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure([""] * len(chosen))
    law = None if arguments.spectrum is None else law_of(arguments.spectrum)
    spectrum = None if law is None else spectrum_of(law)
    ratio = None if arguments.samples is None else _ratio(arguments.samples, law)
    found = [transfer(scheme, process, arguments.grid, nfe, scales) for scheme in progress(chosen, "measuring")]
    errors = {} if spectrum is None else {each.scheme: each.integral(spectrum) for each in found}
    records = [record for each in found for record in _records(each, errors)]
    if path is not None:
        from numtoolkit.plots import transfer_figure

        title = f"What becomes of each scale on {process.spec}, {arguments.grid}, NFE {nfe}?"
        keep(path, records, title, arguments.command, lambda: transfer_figure(found, title, spectrum))
    report(arguments, records if ratio is None else [*records, *ratio], lambda: _listing(found, errors, ratio, law))
    for each in found:
        if not all(map(math.isfinite, each.deviation)):
            note(f"{each.scheme}: {OVERFLOW}")
    return 0


def _scales(text: str) -> list[float]:
    """The numbers of --scales, each of them once."""
    try:
        return list(dict.fromkeys(map(float, listed(text, "--scales"))))
    except ValueError:
        raise InputError(f"cannot read --scales {text[:60]!r}; write numbers separated by commas, 1,0.1.") from None


def _ratio(path: str, law: Law | None) -> list[Record]:
    """The power of the samples of a file over that of a law, by frequency."""
    from numtoolkit.measure.spectra import power_ratio

    if law is None:
        raise InputError("--samples are held against the data of a law; give it, --spectrum digits or FILE.npz.")
    arrays = read_npz(path)
    if "images" not in arrays:
        there = ", ".join(sorted(arrays)) or "none"
        raise InputError(f"the keys of {path[:200]!r} are {there}; give images (n, *event).")
    samples = arrays["images"]
    return list(power_ratio(samples, law.sample(max(samples.shape[0] if samples.ndim else 0, DRAWN), 0)).table())


def _records(found: Transfer, errors: Mapping[str, float]) -> list[Record]:
    named = {"scheme": found.scheme, "nfe": found.nfe}
    named |= {"law_error": _finite(errors[found.scheme])} if errors else {}
    columns = {"scale": found.scales, "deviation": found.deviation, "mean": found.mean}
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [named | {key: _finite(value) for key, value in zip(columns, row, strict=True)} for row in rows]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _listing(
    found: Sequence[Transfer], errors: Mapping[str, float], ratio: list[Record] | None, law: Law | None
) -> str:
    """A row a scale, a column a scheme; the law error of each; a row a frequency of the samples."""
    rows = [
        {"scale": scale} | {each.scheme: f"{each.deviation[i]:+.3g}" for each in found}
        for i, scale in enumerate(found[0].scales.tolist())
    ]
    parts = [grid(rows), "", *wrapped(FOOT)]
    if law is not None:
        told = ", ".join(f"{name} {error:.3g}" for name, error in errors.items())
        parts += ["", *wrapped(f"Wasserstein-2 distance on Gaussian data of the spectrum of {law.name}: {told}.")]
    if ratio is not None and law is not None:
        parts += ["", grid([{key: f"{value:.3g}" for key, value in row.items()} for row in ratio]), ""]
        parts += wrapped(f"The power of the samples over that of {law.name}, by frequency, with 95 % intervals.")
    return "\n".join(parts)


TRANSFER = Command("transfer", "What schemes make of each scale of the data: blur or noise.", _arguments, _run)
