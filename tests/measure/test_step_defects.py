"""What each step of a run misses from the exact states before it."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure import exact_flow
from numtoolkit.measure.gaussian_moments import exact_marginal
from numtoolkit.measure.step_defects import on_samples
from numtoolkit.problem.processes import EDM, PSLD, VP
from tests.support.gaussian_runs import ROTATED
from tests.support.tiers import breadth

LAW = Gaussian([0.3, -0.2], [0.25, 1.0])


def test_a_step_of_ddim_misses_what_its_formula_says():
    """On EDM with variance v a step multiplies y - m by g + (s'/s)(1 - g), g = v / (v + s^2)."""
    found = nt.step_defects("ddim", "edm", LAW, "rho(7)", 6)
    s = found.program.times
    v, m = np.array([0.25, 1.0]), np.array([0.3, -0.2])
    ratio, gain = (s[1:] / s[:-1])[:, None], v / (v + s[:-1, None] ** 2)
    missed = gain + ratio * (1 - gain) - np.sqrt((v + s[1:, None] ** 2) / (v + s[:-1, None] ** 2))
    np.testing.assert_allclose(found.mean[:, :, 0, 0], missed, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.offset[:, :, 0], -missed * m, rtol=0, atol=1e-14)
    size = np.sqrt(np.mean(missed**2 * (v + s[:-1, None] ** 2), axis=1))
    np.testing.assert_allclose(found.state[:, 0], size, rtol=1e-10)
    assert not found.noise.any()


CASES = [
    ("dpmpp-2m", "edm", "rho(7)"),
    ("heun", "vp", "uniform"),
    ("unipc(2)", "vp", "log-snr"),
    ("gframe-ab(2, mean=1)", "vp", "log-snr"),
    ("rvv", "psld", "quadratic"),
    ("gddim(2)", "psld", "quadratic"),
]


@pytest.mark.parametrize(("scheme", "process", "grid"), breadth(CASES, lambda *case: case in CASES[:1]))
@pytest.mark.parametrize("law", [LAW, ROTATED], ids=["diagonal", "rotated"])
def test_the_exact_defects_of_a_gaussian_are_those_of_samples_on_the_flow(scheme, process, grid, law, monkeypatch):
    """History too: R z + r of the samples is what their steps miss, computed sample by sample."""
    exact = nt.step_defects(scheme, process, law, grid, steps=5)
    basis = law.eigen()[0]
    ends = []

    def remembered(process, law, start, t0, t1):
        ends.append((start, exact_flow(process, law, start, t0, t1)))
        return ends[-1][1]

    monkeypatch.setattr("numtoolkit.measure.step_defects.exact_flow", remembered)
    sampled = on_samples(exact.program, law, tuple(range(8)))
    for n, (start, _) in enumerate(ends):
        flat = [block.reshape(8, -1) for block in start]
        z = np.stack(flat if basis is None else [block @ basis for block in flat], axis=-1)
        missed = np.einsum("dij,bdj->bdi", exact.mean[n], z) + exact.offset[n]
        size = np.sqrt((missed**2).mean(axis=(0, 1)))
        np.testing.assert_allclose(sampled.state[n], size, rtol=1e-6, atol=1e-10)


def test_a_mixture_of_one_component_has_the_defects_of_its_gaussian():
    """By the adaptive flow on many samples, and exactly: to what 4000 samples know of a root mean square."""
    law = mixture(dim=1, components=1)
    exact = nt.step_defects("dpmpp-2m", "edm", Gaussian(law.mean, law.covariance()), "rho(7)", 5)
    sampled = nt.step_defects("dpmpp-2m", "edm", law, "rho(7)", 5, seeds=range(4000))
    np.testing.assert_allclose(sampled.state, exact.state, rtol=0.06)
    assert sampled.mean is None


def _letters(process, variance, mean, t):
    """What the letters of blocks are on Gaussian data, per unit of the integral of beta, at one time."""
    beta = process.beta(np.array([t]))[0]

    def score(t):
        e, sigma = process.kernel(np.array([t]))
        J = -np.linalg.inv(variance * np.outer(e[0], e[0]) + sigma[0])
        return J, -J @ e[0] * mean

    step = 1e-5 * t
    (J, j), (J1, j1), (J0, j0) = score(t), score(t + step), score(t - step)
    Js, js = -(J1 - J0) / (2 * step) / beta, -(j1 - j0) / (2 * step) / beta
    given = {"b": 0.5, "Gamma": process.Gamma, "nu": process.nu, "M": 1 / process.inverse_mass}
    return given, (J, j), (Js, js)


def test_a_short_step_misses_what_its_local_error_says_of_a_deterministic_splitting():
    """h^2 times the blocks of `local_error`, with the drift and the score of the law at the state, as h falls."""
    process, v, m, t, z = PSLD(), 0.25, 0.3, 0.3, np.array([0.7, -0.4])
    given, (J, j), (Js, js) = _letters(process, v, m, t)
    rows = nt.local_error("rvv", "blocks")
    b, Gamma, nu, M = given["b"], given["Gamma"], given["nu"], given["M"]
    S, rates = J @ z + j, Js @ z + js
    values = given | {"x": z[0], "m": z[1]}
    values |= {"f": b * (Gamma * z[0] - z[1] / M + Gamma * S[0]), "g": b * (z[0] + nu * z[1] + M * nu * S[1])}
    for i, row in enumerate("xm"):
        values |= {f"S{row}_x": J[i, 0], f"S{row}_m": J[i, 1], f"S{row}_s": rates[i], f"S{row}": S[i]}
    expected = np.array([float(entry.subs(values)) for entry in rows.part("")])
    ratios = []
    for h in (1e-3, 5e-4):  # in the integral of beta
        found = nt.step_defects("rvv", process, Gaussian([m], [v]), [t, t - h / 8])
        ratios.append((found.mean[0, 0] @ z + found.offset[0, 0]) / h**2)
    np.testing.assert_allclose(2 * ratios[1] - ratios[0], expected, rtol=2e-3)


def test_a_short_step_misses_what_its_local_error_says_of_a_stochastic_splitting():
    """h^2 times the matrices on the state and of the covariance, and the vector."""
    process, v, m, t = PSLD(), 0.25, 0.3, 0.3
    given, (J, j), (Js, js) = _letters(process, v, m, t)
    error, values = nt.local_error("roba", "blocks"), dict(given)
    for i, row in enumerate("xm"):
        values |= {f"J{row}_x": J[i, 0], f"J{row}_m": J[i, 1], f"J{row}_sx": Js[i, 0], f"J{row}_sm": Js[i, 1]}
        values |= {f"j{row}": j[i], f"j{row}_s": js[i]}
    found = {}
    for h in (1e-3, 5e-4):
        own = nt.step_defects("roba", process, Gaussian([m], [v]), [t, t - h / 8])
        found[h] = [part[0, 0] / h**2 for part in (own.mean, own.offset, own.covariance)]
    for name, long, short in zip(("mean", "offset", "noise"), found[1e-3], found[5e-4], strict=True):
        expected = np.array(error.part(name).subs(values).tolist(), dtype=float).reshape(np.shape(long))
        np.testing.assert_allclose(2 * short - long, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize(("process", "grid"), [("vp", "log-snr"), ("psld", "quadratic")])
def test_deviations_are_those_of_the_exact_law_at_the_ends_of_steps(process, grid):
    """The root of the mean variance over coordinates, of each block."""
    law = Gaussian([0.3, -0.2], [0.25, 0.01])
    found = nt.step_defects("ddim", process, law, grid, 4)
    for own, t in zip(found.deviation, found.program.times[1:], strict=True):
        spread = exact_marginal(found.program.process, law, t).covariance.mean(axis=0)
        np.testing.assert_allclose(own, np.sqrt(np.diag(spread)), rtol=1e-12)


def test_exact_noise_is_missed_by_nothing():
    """The stochastic frame on its own law makes the transition of the SDE: mean and noise to rounding."""
    found = nt.step_defects("gframe-ab(1, tau=1, sigma_data=1/2)", "vp", Gaussian([0.0], [0.25]), "log-snr", 6)
    assert max(np.abs(part).max() for part in (found.mean, found.offset, found.covariance)) < 1e-9
    short = nt.step_defects("em", "vp", Gaussian([0.0], [0.25]), "log-snr", 6)
    assert (np.abs(short.noise) > 1e-3).any()
    assert set(short.table()[0]) == {"step", "t", "to", "x", "noise x"}


def test_defects_carried_by_the_steps_that_follow_are_the_error_of_the_run():
    """E_n+1 = R E_n + D, from the exact law on: the error of a one-step run is that of its steps and nothing else."""
    process = VP()
    times = nt.grid("log-snr", process, 7)[1:]
    found = nt.step_defects("res-2s", process, LAW, times)
    law, gap = exact_marginal(process, LAW, times[0]), 0.0
    for n, (mean, offset) in enumerate(zip(found.mean, found.offset, strict=True)):
        own = exact_marginal(process, LAW, times[n])
        whole = mean + np.sqrt(exact_marginal(process, LAW, times[n + 1]).covariance / own.covariance)
        gap = (whole @ np.reshape(gap, (-1, 1, 1)))[..., 0] + (mean @ own.mean[..., None])[..., 0] + offset
    end = nt.moments(found.program, law=LAW, start=law)
    np.testing.assert_allclose(end.mean - exact_marginal(process, LAW, times[-1]).mean, gap, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (("em", "edm", "mixture(dim=2)", "rho(7)", 4), "has no transition in closed form; take a Gaussian law"),
        (("sde-dpmpp-2m", "edm", LAW, "rho(7)", 4), "has history or noise that is another one in each step"),
        (("euler-ancestral", "edm", LAW, "rho(7)", 4), "has history or noise that is another one in each step"),
        (("ddim", "edm", LAW, "rho(7, zero=1)", 4), "give a grid that falls and ends above time 0"),
        (("ddim", "edm", LAW, [0.1, 1.0]), "give a grid that falls and ends above time 0"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_what_has_no_exact_counterpart_of_a_step_is_refused(run, sentence):
    """Noise on a mixture, drawn history, a reference that changes with the step, other grids, seeds of a Gaussian."""
    with pytest.raises(nt.InputError, match=sentence):
        nt.step_defects(*run)
    with pytest.raises(nt.InputError, match="exact without samples; leave seeds out"):
        nt.step_defects("ddim", EDM(), LAW, "rho(7)", 4, seeds=[0])
