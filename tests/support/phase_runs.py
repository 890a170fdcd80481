"""Runs of phase space that programs and independent formulas share: networks, normals, uneven grids, budgets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from numtoolkit.problem.processes import PSLD
from numtoolkit.program.program import lower
from numtoolkit.sampling.loop import run
from tests.oracles import states

RISING = PSLD(beta_min=4, beta_max=12, Gamma=0.1, nu=3.6, gamma=0.06)  # every number another than the default

# Members of families, readings, openings and endings
ONE_STEP = """
    euler heun heun(ending=lower) bs32 dopri5 nse rse nvv rvv rvv-unshifted ddim cse cse(shift=2) cvv cvv(shift=-3/2)
    em sscs sscs-midpoint noba nbao rbao nobab robab coba coba(shift=1)
    roba roba(lambda_s=2) roba(amp,lambda_s=2) roba(tbar,lambda_s=1/2) roba(rate,part=m,lambda_s=2)
    roba(amp,part=m,lambda_s=2) roba(tbar,part=m,lambda_s=1/2) coba(amp,shift=1,lambda_s=2)
    coba(tbar,part=m,shift=1,lambda_s=1/2)
    lambda-ddim-1(2) lambda-ddim-1(1,B=beta) lambda-ddim-1(2,B=time) lambda-ddim-1(B=optimal,mean=1/3)
    lambda-ddim-2(2) lambda-ddim-2(1/4,B=beta) lambda-ddim-2(2,B=time) lambda-ddim-2(B=optimal)
    conjugate-optimal conjugate-optimal(mean=1/3,sigma_data=1)
""".split()
HISTORY = """
    gddim(1) gddim(2) gddim(3) gddim(4) gddim(3,opening=first,ending=lower) gddim(3,opening=runge-kutta,ending=ddim)
    gddim-pc(1) gddim-pc(2) gddim-pc(3) gddim-pc(4)
""".split()
NOT_TO_ZERO = """
    lambda-ddim-1(2,skip=mm) lambda-ddim-2(2,B=beta,skip=mm) lambda-ddim-2(B=optimal,skip=mm,mean=1/3)
    heun(ending=none) gddim(3,ending=none)
    gframe-ab(1) gframe-ab(2) gframe-ab(3,mean=1/3) gframe-ab(5) gframe-ab(3,opening=first,ending=lower)
    gframe-ab(3,opening=runge-kutta,ending=ddim) gframe-ab(2,tau=1/2,mean=-1/3)
    gframe-abm(1) gframe-abm(2) gframe-abm(4,sigma_data=1,mean=1/3) gframe-abm(3,ending=lower)
    gframe-abm(3,ending=ddim,tau=1) gframe-abm(5)
""".split()


def two_outputs(z, t):
    """Smooth, nonlinear, and another function of x, m and t in each output."""
    x, m = z
    return np.stack([np.sin(x + 0.3 * m) + 0.2 * np.cos(3 * t) * x, np.tanh(2 * m - x) - 0.3 * np.sin(5 * t)])


def one_output(z, t):
    x, m = z
    return 0.8 * np.tanh(1.3 * x - 0.4 * m) + 0.1 * np.cos(4 * t)


def uneven(process, steps, power, to):
    """Falling times whose ratios of steps are not alike, as (1 - i/N)^power down to `to`."""
    lengths = 1 + 0.4 * np.cos(2.0 * np.arange(steps))
    left = 1 - np.append(0, np.cumsum(lengths)) / lengths.sum()
    left[-1] = 0
    return to + (process.T - to) * left**power


def case_of(own, process, times, nfe=None):
    """A run as formulas are given it; the network predicts the noise, on CLD the data."""
    return SimpleNamespace(
        scheme=own,
        process=process,
        network=one_output if process.name == "cld" else two_outputs,
        times=times,
        start=np.linalg.cholesky(process.prior()) @ np.random.default_rng(1).standard_normal((2, 3)),
        normals=lambda step, slot: np.random.default_rng([7, step, slot]).standard_normal((2, 3)),
        nfe=nfe,
    )


def states_of_program(case):
    """The states after each step of the scheme's own program, (N, 2, 3)."""
    one = case.network is one_output
    program = lower(case.scheme, case.process, case.times, "data" if one else "noise", case.nfe)
    assert case.nfe in (None, program.nfe)
    seen = []
    run(
        program,
        lambda z, t: [case.network(np.stack(z), t)] if one else list(case.network(np.stack(z), t)),
        list(case.start),
        lambda step, slot: list(case.normals(step, slot)),
        watch=lambda n, step, state, latest: seen.append(np.stack(state)),
    )
    return np.stack(seen)


def states_of_formula(case):
    """The same by the formula of the scheme's paper."""
    return np.stack(states(case.scheme, case))


def gap(case):
    """The largest difference of a component over the largest component of that step."""
    found, expected = states_of_program(case), states_of_formula(case)
    assert found.shape == expected.shape
    return float((np.abs(found - expected).max(axis=(1, 2)) / np.abs(expected).max(axis=(1, 2))).max())


def budgets(own):
    """One that whole steps spend, and every other remainder that they may leave; more where a start takes more."""
    least = 9 + sum(step.evaluations - 1 for step in own.steps.start)
    return range(least, least + own.nfe_per_step)
