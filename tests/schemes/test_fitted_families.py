"""A fitted family contains the schemes it is said to contain, and runs by the formulas of its paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit import Network
from numtoolkit.fitting import fit
from numtoolkit.fitting.least_squares import probe
from numtoolkit.fitting.parameter_search import gaussian_error
from numtoolkit.laws.named import law_of, mixture
from numtoolkit.phi_functions import phi
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, VP, RectifiedFlow
from numtoolkit.program.program import Affine, lower
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from tests.support.fitted_schemes import FAMILIES, PROCESSES, WIDE, lowered
from tests.support.same_run import assert_same_run, clock_steps, gap, ratios

# --- what the families contain


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.name)
@pytest.mark.parametrize("spec", FAMILIES)
def test_without_a_table_a_fitted_scheme_is_its_base(spec, process):
    """Coefficients 0: the same run on every process, to noise level 0 too."""
    times = grid("log-snr", process, 6)
    assert_same_run(lowered(spec, process, times), lowered(scheme(spec).base, process, times))
    to_zero = grid("rho(7, zero=1)", process, 6)
    assert_same_run(lowered(spec, process, to_zero), lowered(scheme(spec).base, process, to_zero))


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.name)
@pytest.mark.parametrize("variant", ["one", "two"])
@pytest.mark.parametrize("contained", ["res-2m", "dpmpp-2m"])
def test_iia_ddim_contains_the_two_point_schemes(variant, contained, process):
    """With closed coefficients the family is res-2m or dpmpp-2m.

    exponential-iia.md 6.4: phi_0 = h phi_2/r0 and h phi_1/(2 r0), phi_1 = 0, where phi_0 = kappa_0 h phi_1.
    """
    times = grid("rho(7)", process, 7)
    h, _ = clock_steps(process, times)
    weight = phi(2, -h) / phi(1, -h) if contained == "res-2m" else 1 / 2
    bound = lowered(f"iia-ddim({variant})", process, times, kappa_0=weight / ratios(h))
    assert_same_run(bound, lowered(contained, process, times))


@pytest.mark.parametrize(
    ("contained", "process"), [("deis-tab(1)", EDM()), *(("deis-rhoab(1)", process) for process in PROCESSES)]
)
def test_iia_ddim_contains_deis(contained, process):
    """With closed coefficients the family is DEIS with one value of the past.

    exponential-iia.md 6.4: phi_0 = 0, phi_1 = (t - s)^2/(2 (s - s')), where phi_1 = kappa_1 (t - s).
    """
    times = grid("log-snr", process, 7)
    _, s = clock_steps(process, times)
    bound = lowered("iia-ddim(two)", process, times, kappa_1=1 / (2 * ratios(np.diff(s))))
    assert_same_run(bound, lowered(contained, process, times))


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: p.name)
@pytest.mark.parametrize("contained", ["heun-edm", "res-2s(c2=1)", "dpmpp-2s(c2=1)"])
def test_iia_edm_contains_the_two_stage_schemes(contained, process):
    """With closed coefficients the family is Heun or a two-stage exponential scheme.

    exponential-iia.md 6.4: beta^e = e^-h - 1 and beta^D = -(e^h - 1)/2, -h phi_2, -h phi_1/2; here beta^D = -(1/2 +
    beta_d0) (e^h - 1). The first step of iia-edm is Heun's own.
    """
    times = grid("rho(7)", process, 6)
    h, _ = clock_steps(process, times)
    weights = {"heun-edm": (np.exp(h) - 1) / 2, "res-2s(c2=1)": h * phi(2, -h), "dpmpp-2s(c2=1)": h * phi(1, -h) / 2}
    bound = lowered("iia-edm(0)", process, times, beta_d0=weights[contained] / np.expm1(h) - 1 / 2)
    assert_same_run(bound, lowered(contained, process, times), first=1)
    if contained == "heun-edm":
        assert_same_run(bound, lowered(contained, process, times))


def test_a_wrong_weight_is_another_run():
    """A relative 1e-9 in a coefficient is told apart: the comparisons here can fail."""
    times = grid("rho(7)", EDM(), 7)
    h, _ = clock_steps(EDM(), times)
    bound = lowered("iia-ddim(two)", EDM(), times, kappa_0=(1 + 1e-9) / (2 * ratios(h)))
    assert 1e-10 < gap(bound, lowered("dpmpp-2m", EDM(), times)) < 1e-8


# --- against the formulas of the paper (exponential-iia.md 4.2), written out for z, alpha, sigma


def paper(spec, process, times, c, D, z):
    """The run of the paper, the coefficients c[name] of every step in the paper's own units of alpha at the end."""
    alpha, s = process.alpha(times), process.noise_level(times)
    sigma = alpha * s
    history = []

    def values(n, z):
        data = D(z / alpha[n], s[n])
        return data, (z - alpha[n] * data) / sigma[n]

    for n in range(len(times) - 1):
        data, noise = values(n, z)
        a, g = alpha[n + 1], sigma[n + 1]
        if spec.startswith(("iia-ddim(t", "iia-spndm", "iia-ipndm")):
            past = [old["noise"] for old in history][::-1]
            mean = noise
            if spec == "iia-spndm":
                mean = (3 * noise - past[0]) / 2 if n else (noise + values(1, a * data + g * noise)[1]) / 2
            elif spec == "iia-ipndm":
                weights = [(1,), (3, -1), (23, -16, 5), (55, -59, 37, -9)][min(n, 3)]
                mean = sum(w * e for w, e in zip(weights, [noise, *past], strict=False)) / sum(weights)
            X = (z - sigma[n] * mean) / alpha[n]
            new = a * X + g * mean
            if n:
                new = new + a * (c["phi_0"][n] * (X - history[-1]["X"]) + c["phi_1"][n] * (mean - history[-1]["mean"]))
            history.append({"noise": noise, "X": X, "mean": mean})
        elif spec == "iia-dpmpp-2m":
            h = np.log(s[:-1] / s[1:])
            extra = (data - history[-1]["data"]) * h[n] / (2 * h[n - 1]) if n else 0 * data
            new = g / sigma[n] * z + a * -np.expm1(-h[n]) * (data + extra)
            new = new + (a * (c["phi_0"][n] * z / alpha[n] + c["phi_1"][n] * data) if n else 0)
            history.append({"data": data})
        else:
            data_end, noise_end = values(n + 1, a * data + g * noise)
            move = s[n + 1] - s[n]
            history.append(
                {"e": noise, "mean": (noise + noise_end) / 2, "d": data - data_end, "s": s[n], "t": s[n + 1]}
            )
            new = a * (z / alpha[n] + move * history[-1]["mean"])
            for k, old in enumerate(history[::-1][:2] if n else ()):
                if spec.startswith("biia"):
                    new = new + a * c[f"gamma_{k}"][n] * old["mean"]
                else:  # z - D = s e, in the frame z / alpha
                    new = new + a * (c[f"beta^e_{k}"][n] * old["s"] * old["e"] + c[f"beta^D_{k}"][n] * old["d"])
        z = new
    return z


def paper_units(spec, values, process, times):
    s = process.noise_level(times)
    move, share = np.diff(s), 1 - s[1:] / s[:-1]
    if "kappa_0" in values:
        sign, unit = (-1, share) if spec == "iia-dpmpp-2m" else (1, move)
        return {"phi_0": sign * values["kappa_0"] * share, "phi_1": values["kappa_1"] * unit}
    found = {}
    for name, value in values.items():
        k = int(name[-1])
        before = np.arange(len(move)) - k
        if "gamma" in name:
            found[name] = value * move
        else:
            level = s[before] if "_e" in name else s[before + 1]
            found[f"beta^e_{k}" if "_e" in name else f"beta^D_{k}"] = value * move / level
    return found


@pytest.mark.parametrize("process", [EDM(), VP(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize(
    "spec", ["iia-ddim(two)", "iia-spndm", "iia-ipndm", "iia-dpmpp-2m", "biia-edm(1)", "iia-edm(1)"]
)
def test_a_run_with_coefficients_is_that_of_the_papers_formulas(spec, process):
    """With random coefficients on every step, in the paper's own units and written out."""
    times, law = grid("rho(7)", process, 6), mixture(dim=3, components=4)
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(-0.5, 0.5, 6) for name in scheme(spec).fitted}
    program = lowered(spec, process, times, **values)
    z = rng.standard_normal((4, 3)) * np.sqrt(process.prior()[0, 0])
    found = run(program, Network.of(law).on(process), [z])[0]
    expected = paper(spec, process, times, paper_units(spec, values, process, times), law.denoise, z)
    # both divide differences of states by sigma, which costs five digits at the end of the grid
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())


# --- the closed-form scheme


@given(
    v=st.floats(0.01, 100),
    levels=st.lists(st.floats(1e-3, 80), min_size=3, max_size=3, unique_by=lambda s: round(np.log(s), 1)),
)
def test_the_gaussian_step_is_exact_on_its_gaussian_from_exact_states(v, levels):
    """For any variance and any three levels, gauss-fit-2m makes no error but rounding."""
    times = np.sort(levels)[::-1]
    program = lower(scheme("gauss-fit-2m").bind(sigma_data=v), EDM(), times)
    width = np.hypot(v, times)  # of the marginals: x - mean falls like it, D - mean like v^2 over it
    names = {"y": width[1], "E0": v**2 / width[1], "E1": v**2 / width[0]}
    (row,) = [i for i in program.steps[1].instructions if isinstance(i, Affine)]
    terms = [block[0][0] * names[source] for source, block in row.terms]
    # rounding of the terms, with that of the closed form
    assert abs(sum(terms) - width[2]) < 3e-14 * (np.abs(terms).sum() + width[2])


def test_the_gaussian_scheme_is_of_second_order():
    """Slopes of the exact error on a law it is not told, from 128 to 512 steps."""
    errors = [
        gaussian_error(lower(scheme("gauss-fit-2m"), EDM(), grid("log-snr", EDM(), n)), WIDE) for n in (128, 256, 512)
    ]
    # kappa_0 -> 1/(2 r0) makes it so; from 128 steps on slopes are within 0.05 of their limit
    assert np.allclose(np.log2(np.array(errors[:-1]) / errors[1:]), 2, atol=0.1)


def test_the_gaussian_scheme_is_the_fit_of_one_quantity_to_one_gaussian():
    """The closed form is what a fit without substeps finds.

    Both are exact on it from exact states. Far below the first step, whose error is in the states, they agree.
    """
    law = law_of("gaussian(dim=1, mean=0, std=1/2)")
    table = fit("iia-ddim(one)", "edm", law, "log-snr", steps=40, seeds=None, substeps=None)
    found = [step.values[0] for step in table.steps]
    program = lower(scheme("gauss-fit-2m"), EDM(), table.times)
    closed = [-dict(step.instructions[-1].terms)["E1"][0][0] for step in program.steps[1:]]
    weight = -np.expm1(-np.diff(-np.log(table.times)))
    assert np.allclose(found[30:], closed[29:] / weight[30:], rtol=2e-3)


@pytest.mark.parametrize("spec", FAMILIES)
def test_the_new_state_is_affine_in_the_coefficients(spec):
    """Because of this a fit is linear least squares.

    What a fit relies on: state at 0 plus coefficients times the rows of the probe is the state.
    """
    times = grid("rho(7)", EDM(), 5)
    program = lower(probe(scheme(spec)), EDM(), times)
    rng = np.random.default_rng(3)
    values = {name: np.round(rng.uniform(-1, 1), 3) for name in scheme(spec).fitted}
    bound = lowered(spec, EDM(), times, **values)
    for step, own in zip(program.steps, bound.steps, strict=True):
        rows = {i.name: {s: b[0][0] for s, b in i.terms} for i in step.instructions if isinstance(i, Affine)}
        expected = dict(rows[step.out])
        for name, value in values.items():
            for source, slope in rows.get(f"of {name}", {}).items():
                expected[source] = expected.get(source, 0.0) + value * slope
        found = {i.name: {s: b[0][0] for s, b in i.terms} for i in own.instructions if isinstance(i, Affine)}[own.out]
        for source in {**expected, **found}:
            assert found.get(source, 0.0) == pytest.approx(expected.get(source, 0.0), rel=1e-12, abs=1e-12)
