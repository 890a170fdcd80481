"""A seeded run of a network of which only its data are known: what it draws itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats, host
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import whole
from numtoolkit.files.storage import Where, write_npz
from numtoolkit.laws.spectra import FEWEST, spectrum_of
from numtoolkit.limits import MOST_COORDINATES
from numtoolkit.problem.processes import Process, ScalarProcess
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.sampling.adaptive import PILOT
from numtoolkit.sampling.runner import sample

PILOTS = {True: ("ipndm(3)", "log-snr"), False: ("gddim(2)", "quadratic")}  # of a scalar process, of a phase space


@dataclass(frozen=True, eq=False)
class Pilot:
    """What a network draws itself in one seeded run, for spectra and proxy laws where there are no data.

    outputs  (n, *event), float64, the data part
    nfe      evaluations of the network, of each output
    source   by which run, in words
    """

    outputs: Floats = field(repr=False)
    nfe: int
    source: str

    def spectrum(self, rank: int = 16) -> Spectrum:
        """That of the outputs: `rank` leading directions, beside which all others are one isotropic group.

        returns  a spectrum whose `nfe_pilot` is the evaluations of the run
        """
        found = spectrum_of(self.outputs)
        reduced = found.reduced(min(whole("rank", rank, 0, MOST_COORDINATES), len(found.values)))
        return replace(reduced, source=self.source, nfe_pilot=self.nfe)

    def save(self, path: Where) -> Path:
        """Write the outputs as `images` into an .npz file, which the law "proxy(of=FILE.npz)" reads.

        raises   StorageError where it cannot be written
        """
        return write_npz(path, {"images": self.outputs})


def pilot(
    network: Any,
    process: str | Process,
    *,
    scheme: str | Scheme | None = None,
    grid: str | Any = None,
    nfe: int = 24,
    outputs: int = 64,
    seed: int = PILOT,
    conditions: Any = None,
    shape: int | Sequence[int] | None = None,
    dtype: Any = None,
    device: Any = None,
) -> Pilot:
    """One seeded run of a network, to learn of what it draws how wide it is; no other function makes one unasked.

    network, process, conditions, shape, dtype, device   as of `numtoolkit.sample`
    scheme, grid   of the run, specifications; by default ipndm(3) on log-snr, and in phase space gddim(2) on quadratic
    nfe      evaluations of the run, of each output
    outputs  how many
    seed     of the first of them, by default apart from those that people give; those of the others follow
    raises   InputError for what cannot be used as given; NonFiniteError where an output is not finite
    cost     nfe evaluations of a batch of `outputs`
    """
    whole("outputs", outputs, FEWEST, MOST_COORDINATES)
    on = process_of(process)
    usual = PILOTS[isinstance(on, ScalarProcess)]
    run = sample(
        usual[0] if scheme is None else scheme,
        on,
        network,
        usual[1] if grid is None else grid,
        nfe,
        seeds=range(whole("seed", seed, 0), seed + outputs),
        conditions=conditions,
        shape=shape,
        dtype=dtype,
        device=device,
    )
    drawn = host("outputs", run.samples).astype(np.float64)
    facts = run.provenance
    how = f"{outputs} outputs of {facts['network']} by {run.program.scheme} on {on.spec}, {facts['grid']}"
    return Pilot(drawn[:, 0] if len(on.prior()) > 1 else drawn, run.nfe, how)
