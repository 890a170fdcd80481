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
from numtoolkit.models.conditions import Conditions
from numtoolkit.problem.grids import without_pilot
from numtoolkit.problem.kinds import SCALAR
from numtoolkit.problem.processes import Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import PILOT, Spectrum
from numtoolkit.program.program import Program
from numtoolkit.sampling.adaptive import PILOT as FIRST
from numtoolkit.sampling.runner import sample
from numtoolkit.schemes import scheme as scheme_of

OUTPUTS = 64  # of a pilot run
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
    outputs: int = OUTPUTS,
    seed: int = FIRST,
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
    usual = PILOTS[on.kind is SCALAR]
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


def piloted(
    scheme: Any, process: Any, network: Any, grid: Any, conditions: Any, **numbers: Any
) -> tuple[Any, Any, Spectrum | None]:
    """Scheme and grid of a run, told the spectrum of a pilot run of the network where one of them asks for it.

    scheme, process, network, grid   as of `numtoolkit.sample`: "gframe-abm(2, spectrum=pilot)", a grid
               "spectral(spectrum=pilot)", or both, which follow one pilot run
    conditions   of the samples, which those of the pilot run are told in turn
    numbers    shape, dtype and device
    returns    the scheme, the grid, and the spectrum that the grid is laid by; as they came and None where neither asks
    cost       that of `pilot` where one asks, else none
    """
    own, bare = scheme, without_pilot(grid)
    if not isinstance(scheme, Program):
        own = scheme_of(scheme)
    asks = not isinstance(own, Program) and own.spectrum == PILOT
    if bare is None and not asks:
        return scheme, grid, None
    if conditions is not None:
        given = conditions if isinstance(conditions, Conditions) else Conditions(conditions)
        conditions = given if given.same else given.rows([k % len(given) for k in range(OUTPUTS)])
    found = pilot(network, process, conditions=conditions, **numbers).spectrum()
    return own.with_spectrum(found) if asks else own, grid if bare is None else bare, found
