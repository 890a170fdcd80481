"""Pairs of a scheme and a grid that compete: the catalogue on the usual grids, told what is known of the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import choice, several, text
from numtoolkit.laws import Law
from numtoolkit.problem.processes import Process
from numtoolkit.schemes import catalogue

SCALE, MEAN, SPECTRUM = "{s}", "{m}", "{spectrum}"  # what is told: deviation and mean of the data, file of the spectrum
TOLD = {"sigma_data": SCALE, "mean": MEAN}  # parameters of a scheme by which it is told
OUTSIDE = ("CFG++",)  # families that are judged nowhere here: without guidance they are schemes that are there already

# Candidates beside the catalogue, whose families are there at their defaults: by kind of process and of dynamics.
FURTHER: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("scalar", "ode"): (
        "ipndm(2)", "ipndm(3)", "unipc(3)", "exp-adams(2)", "exp-adams(3)", "deis-tab(2)",
        "gframe-abm(3, sigma_data={s}, mean={m})", "gframe-abm(1, spectrum={spectrum})",
        "gframe-abm(2, spectrum={spectrum})", "gframe-abm(3, spectrum={spectrum})",
        "gframe-abm(4, spectrum={spectrum})",
    ),
    ("scalar", "sde"): (
        "er-sde(2)", "sa-solver(2)", "sa-solver(3)", "gframe-ab(2, tau=1, spectrum={spectrum})",
    ),
    ("phase space", "ode"): ("gddim(1)", "gddim(3)", "gddim-pc(1)", "gframe-abm(3, sigma_data={s}, mean={m})",
        "gframe-abm(1, spectrum={spectrum})", "gframe-abm(2, spectrum={spectrum})",
        "gframe-abm(3, spectrum={spectrum})",
    ),
    ("phase space", "sde"): ("roba(lambda_s=2)", "gframe-ab(2, tau=1, spectrum={spectrum})"),
}  # fmt: skip
GRIDS: Mapping[str, tuple[str, ...]] = {
    "scalar": (
        "log-snr", "log-snr(zero=1)", "rho(7)", "rho(7, zero=1)", "angle({s}, power=1.4)",
        "angle({s}, power=1.4, zero=1)", "tangent({spectrum})", "spectral({spectrum})",
        "spectral({spectrum}, zero=1)",
    ),
    "phase space": (
        "quadratic", "log-snr", "rho(7)", "angle({s}, power=1.2)", "tangent({spectrum})", "spectral({spectrum})",
    ),
}  # fmt: skip
IN_TIME: Mapping[str, tuple[str, ...]] = {  # grids in the time of a process, where people take them
    "vp": ("uniform", "quadratic", "trailing"),
    "flow": ("uniform", "trailing(shift=3)"),
    "psld": ("uniform",),
    "cld": ("uniform",),
}


@dataclass(frozen=True)
class Pair:
    """A scheme on a grid: specifications in which {s}, {m} and {spectrum} stand for what they are told of the data."""

    scheme: str
    grid: str

    def told(self, facts: Mapping[str, str]) -> Pair:
        """The pair with each word of `facts` replaced by what it stands for."""
        scheme, grid = self.scheme, self.grid
        for word, fact in facts.items():
            scheme, grid = scheme.replace(word, fact), grid.replace(word, fact)
        return Pair(scheme, grid)

    @property
    def needs_spectrum(self) -> bool:
        """Whether the scheme or the grid is told a file with the spectrum."""
        return SPECTRUM in self.scheme or SPECTRUM in self.grid

    def __str__(self) -> str:
        return f"{self.scheme} on {self.grid}"


def informed(own: Scheme) -> str:
    """The specification of a scheme of the catalogue that is told what it asks for of the data."""
    asked = {p.name for p in own.params}
    told = ", ".join(f"{name}={value}" for name, value in TOLD.items() if name in asked)
    if not told:
        return own.spec
    return f"{own.spec[:-1]}, {told})" if own.spec.endswith(")") else f"{own.spec}({told})"


def scale_of(law: Law) -> tuple[float, float]:
    """The mean over coordinates, and the deviation about it, of the data of a law."""
    mean = float(law.mean.mean())
    return mean, float(np.sqrt(law.variance + np.mean((law.mean - mean) ** 2)))


def candidates(
    process: Process,
    dynamics: str = "ode",
    schemes: Iterable[str] | None = None,
    grids: Iterable[str] | None = None,
) -> list[Pair]:
    """The pairs that are judged: every scheme on every grid.

    process   that they run on
    dynamics  "ode" for the deterministic ones, "sde" for those with noise
    schemes   None for every one of the catalogue that needs no fitting, and what FURTHER has of its families
    grids     None for those of GRIDS and IN_TIME
    raises    InputError for schemes that do not go with the dynamics
    """
    choice("dynamics", dynamics, ("ode", "sde"))
    kind = process.kind
    if schemes is None:
        own = [s for s in catalogue() if kind in s.kinds and (s.kind == "ode") == (dynamics == "ode") and not s.fitted]
        chosen = [informed(s) for s in own if s.family not in OUTSIDE] + [*FURTHER[kind.name, dynamics]]
    else:
        chosen = [text("a scheme", each) for each in several("schemes", schemes)]
    if grids is None:
        laid = [*GRIDS[kind.name], *IN_TIME.get(process.name, ())]
    else:
        laid = [text("a grid", each) for each in several("grids", grids)]
    return [Pair(s, g) for s in dict.fromkeys(chosen) for g in dict.fromkeys(laid)]
