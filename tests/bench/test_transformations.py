"""What transformations cost beside Euler's method: once before a run, then a step, and in memory; a table of ratios.

A transformation is what a scheme does to the state and the output of the network so that it can take longer steps: the
matrix A_t of conjugate schemes, the Gaussian frame of one deviation or of a spectrum, and the coefficients of IIA. All
of it is in the coefficients of a program, which are made once, in float64 on the host, for all samples and runs; a step
is a sum of arrays, however they came about. But for a spectrum: then there are as many coefficients as variances, and a
step goes to the axes of the data and back.

A run has 20 steps of 128 samples of 16 x 16 in float32 numpy, in which memory is seen, on a network that costs next to
nothing. Times are of the processor, the least of some.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

import numtoolkit as nt
from numtoolkit.program.program import Program, lower
from numtoolkit.sampling.loop import run
from tests.support.timing import least

pytestmark = pytest.mark.check  # some seconds, the fits most of them; those of a spectrum more
STEPS, SHAPE, TIMES, FEW = 20, (128, 16, 16), 15, 2
EULER, NETWORK = "euler", "network:digits-image"
SPECTRUM = "frame, spectrum"
CASES: dict[str, tuple[str, str]] = {  # what it is: process, scheme
    "Euler, PSLD": ("psld", EULER),
    "Euler-Maruyama, PSLD": ("psld", "em"),
    "velocity Verlet, reduced": ("psld", "rvv"),
    "conjugate, B = 0": ("psld", "ddim"),
    "conjugate, B = 2 I": ("psld", "lambda-ddim-1(2)"),
    "conjugate, C_skip, time-ordered": ("psld", "lambda-ddim-1(0, skip=mm)"),
    "conjugate, best B": ("psld", "conjugate-optimal"),
    "conjugate velocity Verlet": ("psld", "cvv"),
    "conjugate SDE": ("psld", "conjugate-sde(2)"),
    "gDDIM": ("psld", "gddim(2)"),
    "frame, one deviation, PSLD": ("psld", "gframe-abm(2)"),
    f"{SPECTRUM}, PSLD": ("psld", "gframe-abm(2)"),
    "Euler, EDM": ("edm", EULER),
    "exponential, RES": ("edm", "res-2s"),
    "exponential, two steps": ("edm", "dpmpp-2m"),
    "IIA-DDIM, fitted": ("edm", "iia-ddim(two)"),
    "IIA-EDM, fitted": ("edm", "iia-edm(1)"),
    "frame, one deviation, EDM": ("edm", "gframe-abm(2)"),
    f"{SPECTRUM}, EDM": ("edm", "gframe-abm(2)"),
}


class Cost(NamedTuple):
    """Of one case.

    before   milliseconds before a run, once
    asked    evaluations before a run, of a batch
    each     milliseconds of a run for each evaluation
    memory   of a run at most, in arrays of the size of a block of the state, beside the start
    """

    before: float
    asked: int
    each: float
    memory: float


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[dict[str, Cost]]:
    """The costs by case, printed when all are there."""
    rows: dict[str, Cost] = {}
    yield rows
    heads = "before, ms", "over Euler", "asked", "a call, ms", "over Euler", "arrays"
    lines = [f"{'transformation':34}" + "".join(f"{head:>12}" for head in heads)]
    for name, own in rows.items():
        base = costs(f"Euler, {CASES[name][0].upper()}")
        lines.append(
            f"{name:34}{own.before:12.2f}{own.before / base.before:12.1f}{own.asked:12}"
            f"{own.each:12.3f}{own.each / base.each:12.2f}{own.memory:12.1f}"
        )
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", "", *lines, "", f"a call of {NETWORK} on {SHAPE[0]} samples: {scale():.1f} ms", sep="\n")


def scale() -> float:
    """Milliseconds of an evaluation of a small network."""
    own = nt.network_of(NETWORK)
    call, z = own.on(nt.process("edm")), torch.zeros(SHAPE[0], *own.shape)
    with torch.no_grad():
        return least(lambda: call([z], 1.0), TIMES)


def network(blocks: list[Any], t: float) -> list[Any]:
    """What costs next to nothing, a data prediction."""
    return [np.float32(0.5) * blocks[0]]


@cache
def costs(name: str) -> Cost:
    """What a case costs."""
    make, program, asked, go = prepared(name)
    go()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        go()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    times = FEW if name.startswith(SPECTRUM) else TIMES
    return Cost(least(make, times), asked, least(go, TIMES) / program.nfe, peak / np.zeros(SHAPE, np.float32).nbytes)


def prepared(name: str) -> tuple[Callable[[], Program], Program, int, Callable[[], Any]]:
    """What makes the program of a case, all that is done once; the program; evaluations that it took; a run of it."""
    on, text = CASES[name]
    process = nt.process(on)
    rule = "quadratic" if on == "psld" else "rho(7)"
    calls: list[int] = []

    def batch(z: Any, t: Any) -> Any:
        calls.append(1)
        return 0.5 * z

    fitted = nt.Network(batch, predicts="data", shape=(8, 8))
    spectrum = nt.spectrum_of(f"natural(size={SHAPE[-1]})")

    def make() -> Program:
        own = nt.scheme(text)
        if own.fitted:
            own = own.with_table(nt.fit(text, on, fitted, rule, steps=STEPS, seeds=range(16)))
        elif name.startswith(SPECTRUM):
            own = own.with_spectrum(spectrum)
        return lower(own, process, nt.grid(rule, process, STEPS))

    program = make()
    asked = len(calls)
    start = [np.ones(SHAPE, np.float32) for _ in range(process.blocks)]

    def noise(step: int, slot: int) -> list[Any]:
        return [np.full(SHAPE, 0.1, np.float32) for _ in range(process.blocks)]

    return make, program, asked, lambda: run(program, network, start, noise)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name.startswith(SPECTRUM) else ()) for name in CASES]
)
def test_a_transformation(benchmark: Any, table: dict[str, Cost], name: str) -> None:
    """Once before a run, for each evaluation of it, and memory."""
    table[name] = costs(name)
    benchmark.pedantic(lambda: None, rounds=1)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("conjugate, ")])
def test_a_conjugate_step_holds_what_an_euler_step_does(name: str) -> None:
    """The matrix A_t is in the coefficients: as many instructions a step, and as much memory."""
    plain, own = (prepared(each)[1] for each in ("Euler, PSLD", name))
    kinds = [[type(each).__name__ for each in program.steps[STEPS // 2].instructions] for program in (plain, own)]
    assert kinds[0] == kinds[1]
    assert costs(name).memory == pytest.approx(costs("Euler, PSLD").memory, abs=0.1)
