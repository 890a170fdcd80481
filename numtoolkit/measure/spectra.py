"""Spectra of data and of samples: in how many directions they have which scale, and what is left of each frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numtoolkit.arrays import Floats, host
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, flag, whole
from numtoolkit.files.storage import Where, write_npz
from numtoolkit.laws import law_of
from numtoolkit.laws.checks import real
from numtoolkit.laws.cosines import cosine_basis
from numtoolkit.laws.named import is_law
from numtoolkit.limits import MOST_COORDINATES
from numtoolkit.measure.distances import LEVEL
from numtoolkit.problem.processes import Process, ScalarProcess
from numtoolkit.problem.processes import process as process_of
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.sampling.adaptive import PILOT
from numtoolkit.sampling.runner import sample

EPS = float(np.finfo(np.float64).eps)
FEWEST = 2  # samples, which an interval takes
PILOTS = {True: ("ipndm(3)", "log-snr"), False: ("gddim(2)", "quadratic")}  # of a scalar process, of a phase space


def spectrum_of(data: Any, rank: int | None = None, dct: bool = False) -> Spectrum:
    """The spectrum of data: the eigenvalues and eigenvectors of their covariance, or its bands of frequency.

    data     a law, by name too, "digits" or "FILE.npz"; or an array (n, *event) of a data set
    rank     None for every direction; or that of the leading ones, beside which all others are one isotropic group, of
             their mean variance
    dct      True: the directions are those of the discrete cosine transform over the last two axes, or the last of
             signals, a group for each whole frequency in half periods over the longer side, of the mean variance there
    returns  eigenvalues largest first, one direction each; those of a covariance that are rounding are 0. Bands lowest
             frequency first
    raises   InputError for data of more than 4096 coordinates, or of fewer than two samples, and for rank beside dct
    cost     that of the eigenvalues of a matrix as large as a sample has coordinates, or the samples are many
    """
    flag("dct", dct)
    if dct and rank is not None:
        raise InputError(f"rank = {rank} counts eigenvectors, and dct groups by frequency; give one of them.")
    if isinstance(data, str) or is_law(data):
        law = law_of(data)
        _check_size(math.prod(law.shape))
        mean, covariance, source = law.mean, law.covariance(), law.name
        found = _banded(mean, covariance, source) if dct else _principal(mean, *np.linalg.eigh(covariance), source)
    else:
        rows = real("data", data)
        if rows.ndim < 2 or len(rows) < FEWEST:
            raise InputError(
                f"data of shape {rows.shape} have no covariance; give (n, *event) of at least two samples."
            )
        mean, source = rows.mean(axis=0), f"{len(rows)} samples"
        _check_size(mean.size)
        spread = (rows - mean).reshape(len(rows), -1) / math.sqrt(len(rows))
        if dct:
            found = _banded(mean, spread.T @ spread, source)
        elif len(rows) > mean.size:
            found = _principal(mean, *np.linalg.eigh(spread.T @ spread), source)
        else:
            _, deviations, axes = np.linalg.svd(spread, full_matrices=False)
            found = _principal(mean, deviations[::-1] ** 2, axes[::-1].T, source)
    return found if rank is None else found.reduced(rank)


def _principal(mean: Floats, rising: Floats, axes: Floats, source: str) -> Spectrum:
    """Of eigenvalues that rise and the eigenvectors in columns: those that are no rounding, and what is left."""
    values = rising[::-1]
    values = values * (values > mean.size * EPS * values[0])
    left = mean.size - len(values)
    counts = np.append(np.ones(len(values)), [left] if left else [])
    return Spectrum(mean, np.append(values, [0.0] if left else []), counts, axes[:, ::-1], source)


def _banded(mean: Floats, covariance: Floats, source: str) -> Spectrum:
    """Of a covariance: the mean variance of the cosines of each whole frequency."""
    if not mean.ndim:
        raise InputError("data of one number have no frequencies; give signals or images, or leave dct out.")
    waves, frequency = cosine_basis(mean.shape)
    each = np.rint(frequency)
    order = np.argsort(each, kind="stable")
    _, places, counts = np.unique(each, return_inverse=True, return_counts=True)
    variances = np.einsum("ik,ij,jk->k", waves, covariance, waves, optimize=True)
    values = np.maximum(np.bincount(places, variances), 0) / counts
    return Spectrum(mean, values, counts, waves[:, order], source)


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


def _check_size(coordinates: int) -> None:
    if coordinates > MOST_COORDINATES:
        raise InputError(
            f"data of {coordinates} coordinates are too many; give at most {MOST_COORDINATES}, as smaller images."
        )


@dataclass(frozen=True, eq=False)
class PowerRatio:
    """The power of samples over that of data, by frequency.

    frequency  (m,), in periods over the longer side
    ratio      (m,), mean power of the samples over that of the data: below 1 it is blur, above 1 noise
    low, high  (m,), a 95 % interval over samples and data, both draws
    samples, data   (m,), the powers themselves, a coefficient each
    """

    frequency: Floats
    ratio: Floats
    low: Floats
    high: Floats
    samples: Floats = field(repr=False)
    data: Floats = field(repr=False)

    def __repr__(self) -> str:
        span = f"{self.ratio.min():.3g} to {self.ratio.max():.3g}"
        return f"<PowerRatio at frequencies 0 to {self.frequency[-1]:g}: {span}>"

    def table(self) -> list[dict[str, float]]:
        """A record {frequency, ratio, low, high} a frequency."""
        columns = {name: getattr(self, name).tolist() for name in ("frequency", "ratio", "low", "high")}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def power_ratio(samples: Any, data: Any) -> PowerRatio:
    """The power spectrum of samples over that of data, averaged over directions: T, measured on what a network draws.

    Powers are squares of Fourier coefficients of what is left of a sample less the mean of the data, averaged over
    channels and over the coefficients of one whole frequency. Where directions of one scale are those of one frequency,
    as of data whose statistics are the same everywhere, the ratio is (1 + T)^2 of `transfer`.
    samples  (n, *event): of images the last two axes are height and width, of signals (n, length) the last is
    data     (m, *event), numpy arrays or tensors
    returns  `PowerRatio`, at the frequencies 0, 1, ... to the largest at which there is a whole circle
    raises   InputError for arrays of other events, for fewer than two samples, and for data without power somewhere
    cost     the Fourier transforms; for the intervals both are taken as independent draws
    """
    own, other = real("samples", samples), real("data", data)
    if own.ndim < 2 or own.shape[1:] != other.shape[1:] or min(len(own), len(other)) < FEWEST:
        raise InputError(
            f"samples {own.shape} and data {other.shape} are no two sets of one event; give (n, *event), two samples "
            "of each at least."
        )
    mean = other.mean(axis=0)
    bins = _frequencies(own.shape[1:])
    drawn, exact = (_powers(each - mean, bins) for each in (own, other))
    power, truth = drawn.mean(axis=0), exact.mean(axis=0)
    if not (truth > 0).all():
        empty = int(np.flatnonzero(truth <= 0)[0])
        raise InputError(
            f"data have no power at frequency {empty}, so no ratio there; give data that vary at all of them."
        )
    # of the logarithm, by the central limit; of powers their spread over samples is all there is
    spread = [each.var(axis=0, ddof=1) / len(each) / each.mean(axis=0).clip(1e-300) ** 2 for each in (drawn, exact)]
    half = np.exp(_normal_quantile() * np.sqrt(spread[0] + spread[1]))
    ratio = power / truth
    return PowerRatio(np.unique(bins[bins >= 0]).astype(float), ratio, ratio / half, ratio * half, power, truth)


def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + LEVEL) / 2))


def _frequencies(event: tuple[int, ...]) -> NDArray[np.int64]:
    """The whole frequency of each Fourier coefficient of the last axes, -1 for those outside the largest circle."""
    sides = event[-2:]
    axes = [np.fft.fftfreq(side, 1 / max(sides)) for side in sides]
    found = np.rint(np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))).astype(np.int64)
    return np.where(found > min(max(sides) // 2, int(found.max())), -1, found)


def _powers(samples: Floats, bins: NDArray[np.int64]) -> Floats:
    """(n, frequencies), the mean power of a sample's coefficients of each frequency."""
    axes = tuple(range(-bins.ndim, 0))
    squares = np.abs(np.fft.fftn(samples, axes=axes)) ** 2 / math.prod(bins.shape)
    squares = squares.reshape(len(samples), -1, bins.size).mean(axis=1)
    inside = bins.ravel() >= 0
    count = np.bincount(bins.ravel()[inside])
    found = np.stack([np.bincount(bins.ravel()[inside], row[inside]) for row in squares])
    kept: Floats = (found / count.clip(1))[:, count > 0]
    return kept
