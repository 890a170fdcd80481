"""`spectrum`: how wide data are in which directions, printed, drawn, and kept for grids and laws."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from numtoolkit.cli.networks import (
    MODEL,
    add_foreign,
    add_numbers,
    check_claims,
    check_no_network,
    model_from,
    numbers_of,
)
from numtoolkit.cli.output import (
    Command,
    Record,
    add_json,
    destination,
    grid,
    keep,
    note,
    number,
    report,
    wrapped,
)
from numtoolkit.errors import InputError
from numtoolkit.files.storage import PICTURES
from numtoolkit.limits import MOST_COORDINATES, MOST_NFE

if TYPE_CHECKING:
    from numtoolkit.problem.spectrum import Spectrum
    from numtoolkit.sampling.pilot import Pilot

SHOWN = 20  # groups that are printed; --json and files have them all
PILOT = {"process": "--process", "scheme": "--scheme", "grid": "--grid", "nfe": "--nfe", "outputs": "--outputs"}
KEEP = "--keep is of the outputs of a pilot run; give --model, or drop it."


def _arguments(parser: argparse.ArgumentParser) -> None:
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--law", metavar="L", help="a name, 'digits' or 'natural(size=16)', or an .npz file of a law")
    given.add_argument("--data", metavar="D", help="data to train on: digits, 'patches(size=8)', FILE.npz, a folder")
    given.add_argument("--model", metavar="M", help=f"{MODEL}; its spectrum is that of a pilot run")
    given.add_argument("--file", metavar="FILE.npz", help="a spectrum that --save wrote")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--rank", metavar="R", help="the leading directions, beside one isotropic rest; 16 of --model")
    shape.add_argument("--dct", action="store_true", help="bands of whole frequencies of the cosine transform")
    pilot = parser.add_argument_group("with --model")
    pilot.add_argument("--process", metavar="P", help="of the pilot run, by default that of the network, else edm")
    pilot.add_argument("--scheme", metavar="S", help="by default ipndm(3), in phase space gddim(2)")
    pilot.add_argument("--grid", metavar="G", help="by default log-snr, in phase space quadratic")
    pilot.add_argument("--nfe", metavar="N", help="evaluations of each output, by default 24")
    pilot.add_argument("--outputs", metavar="N", help="how many, by default 64")
    pilot.add_argument("--keep", metavar="FILE.npz", help="the outputs, for the law 'proxy(of=FILE.npz)'")
    add_numbers(pilot, "float32")
    add_foreign(parser)
    parser.add_argument("--save", metavar="FILE.npz", help="keep it, for grids, 'spectral(FILE.npz)', and as a law")
    parser.add_argument("--out", metavar="FILE", help="also write it: .json, .csv, or a picture .png, .svg, .pdf")
    add_json(parser)


def _run(arguments: argparse.Namespace) -> int:
    path = destination(arguments.out, (".json", ".csv", *PICTURES)) if arguments.out is not None else None
    save = destination(arguments.save, (".npz",), option="--save") if arguments.save is not None else None
    if path is not None and path.suffix.lower() in PICTURES:
        from numtoolkit.plots import check_figure

        check_figure()
    found = _found(arguments)
    if save is not None:
        note(f"wrote {found.save(save)}")
    records = _records(found)
    if path is not None:
        from numtoolkit.plots import spectrum_figure

        title = f"How wide are the data, and where do steps belong? {found.source}"
        keep(path, records, title, arguments.command, lambda: spectrum_figure({"data": found}, title))
    about = {"source": found.source, "digest": found.digest, "nfe_pilot": found.nfe_pilot}
    about |= {"directions": found.directions, "deviation": found.deviation}
    report(arguments, about | {"groups": records}, lambda: _listing(found, records))
    return 0


def _found(arguments: argparse.Namespace) -> Spectrum:
    """The spectrum of what was named."""
    from numtoolkit.laws.spectra import spectrum_of
    from numtoolkit.problem.spectrum import Spectrum

    rank = None if arguments.rank is None else number(arguments.rank, "--rank", 0, MOST_COORDINATES)
    told = {name: getattr(arguments, name) for name in PILOT if getattr(arguments, name) is not None}
    numbers = numbers_of(arguments)
    if told and arguments.model is None:
        raise InputError(f"{PILOT[next(iter(told))]} is of the pilot run of a network; give --model, or drop it.")
    if arguments.model is None:
        if arguments.keep is not None:
            raise InputError(KEEP)
        check_no_network(arguments)
    else:
        if arguments.dct:
            raise InputError("--dct groups what data have, and a pilot run draws few; leave it out, or give --data.")
        return _pilot(arguments, told, numbers).spectrum(16 if rank is None else rank)
    if arguments.file is not None:
        found = Spectrum.load(arguments.file)
        if arguments.dct:
            raise InputError("--dct is of data, and a spectrum has its directions already; drop it.")
        return found if rank is None else found.reduced(rank)
    if arguments.law is not None:
        return spectrum_of(arguments.law, rank, arguments.dct)
    from dataclasses import replace

    from numtoolkit.training.data import data_of

    data = data_of(arguments.data)
    return replace(spectrum_of(data.train, rank, arguments.dct), source=f"{data.name}, {len(data.train)} samples")


def _pilot(arguments: argparse.Namespace, told: dict[str, Any], numbers: dict[str, Any]) -> Pilot:
    """The pilot run of a network, on the process of the network where none is named; its outputs kept where asked."""
    from numtoolkit.problem.processes import process as process_of
    from numtoolkit.sampling.pilot import pilot

    keep = None if arguments.keep is None else destination(arguments.keep, (".npz",), option="--keep")
    network = model_from(arguments)
    check_claims(arguments, network, numbers.get("shape"), numbers.get("conditions"))
    for key, most in (("nfe", MOST_NFE), ("outputs", MOST_COORDINATES)):
        if key in told:
            told[key] = number(told[key], PILOT[key], 1, most)
    process = process_of(told.pop("process", None) or getattr(network, "process", None) or "edm")
    found = pilot(network, process, **told, **numbers)
    if keep is not None:
        note(f"wrote {found.save(keep)}")
    return found


def _records(found: Spectrum) -> list[Record]:
    """A record a group: its directions, their deviation, and what it and those before it have of the variance."""
    shares = (found.values * found.multiplicity).cumsum() / max(float(found.values @ found.multiplicity), 1e-300)
    rows = zip(found.multiplicity.tolist(), found.values.tolist(), shares.tolist(), strict=True)
    return [
        {"group": i, "directions": count, "deviation": value**0.5, "variance": value, "share": share}
        for i, (count, value, share) in enumerate(rows, 1)
    ]


def _listing(found: Spectrum, records: list[Record]) -> str:
    """What it is of, the leading groups, and what the others have."""
    rows = [record | {"directions": f"{record['directions']:g}"} for record in records[:SHOWN]]
    pilot = f", a pilot run of {found.nfe_pilot} evaluations" if found.nfe_pilot else ""
    parts = [
        *wrapped(
            f"{found.source or 'a spectrum'}{pilot}: {found.directions:g} directions, sigma_data {found.deviation:.4g}"
        ),
        "",
        grid(rows),
    ]
    rest = records[SHOWN:]
    if rest:
        ends = f"{rest[0]['deviation']:.3g} to {rest[-1]['deviation']:.3g}"
        parts += wrapped(f"... and {len(rest)} further groups of deviations {ends}, which --json prints.")
    parts += ["", found.digest]
    return "\n".join(parts)


SPECTRUM = Command("spectrum", "How wide data are in which directions, for grids that know it.", _arguments, _run)
