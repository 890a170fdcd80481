"""One scheme on VP, EDM and the straight path is one scheme in other variables; and schemes within schemes."""

import numpy as np
import pytest

from numtoolkit.exact import affine_map
from numtoolkit.grids import grid
from numtoolkit.laws import Gaussian
from numtoolkit.processes import EDM, PSLD, VP, CosineVP, RectifiedFlow
from numtoolkit.program import lower
from numtoolkit.schemes import catalogue, scheme

LAW = Gaussian(np.array([0.3, -0.5]), np.array([0.25, 0.02]))
LEVELS = grid("rho(5)", EDM(T=50, t_min=0.02), 12)
# in these clocks z / alpha obeys one equation whatever the process; process time is another polynomial variable on each
SHARED = ("log-snr", "noise-level", "natural", "angle")


def ode(member):
    return member.kind == "ode" and "edm" in member.processes and member.clock in SHARED


def whole_run(member, process):
    """(R, r) of the run as a map of z / alpha, at the noise levels of one EDM grid."""
    times = process.time_of_noise_level(LEVELS)
    R, r = affine_map(lower(member, process, times), LAW)
    alpha = process.alpha(times)
    return R[:, 0, 0] * alpha[0] / alpha[-1], r[:, 0] / alpha[-1]


@pytest.mark.parametrize("member", list(filter(ode, catalogue())), ids=lambda m: m.name)
@pytest.mark.parametrize("process", [VP(), CosineVP(T=0.99), RectifiedFlow()], ids=lambda p: p.name)
def test_a_run_is_the_same_on_every_scalar_process(member, process):
    there, here = whole_run(member, EDM()), whole_run(member, process)
    # 1e3 roundings of numbers as large as the map; time_of_noise_level costs a few more digits near t = 1
    scale = 1e-11 * max(1.0, *(float(np.abs(part).max()) for part in there))
    np.testing.assert_allclose(here[0], there[0], rtol=0, atol=scale)
    np.testing.assert_allclose(here[1], there[1], rtol=0, atol=scale)


INCLUDED = [
    ("etd2rk", "res-2s(c2=1)"),
    ("res-3s(c2=1/3, c3=2/3)", "dpmpp-3s"),
    ("exp-adams(1)", "ddim"),
    ("exp-adams(2)", "res-2m"),
    ("exp-adams(3)", "res-3m"),
    ("deis-rhoab(0)", "ddim"),
    ("deis-tab(0)", "ddim"),
    ("ipndm(1)", "ddim"),
    ("dpm2-karras", "dpm-solver-2"),
    ("lambda-ddim-1(0)", "ddim"),
    ("lambda-ddim-2(0)", "ddim"),
]


@pytest.mark.parametrize(("special", "general"), INCLUDED, ids=lambda name: name)
def test_a_scheme_contains_another(special, general):
    process = VP(t_min=0.01)
    times = grid("quadratic", process, 9)
    ours, theirs = (affine_map(lower(scheme(name), process, times), LAW) for name in (special, general))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["lambda-ddim-1(0)", "lambda-ddim-2(0)"])
def test_conjugation_by_zero_is_the_exponential_euler_step_in_phase_space(name):
    times = grid("quadratic", PSLD(), 9)
    ours, theirs = (affine_map(lower(scheme(own), PSLD(), times), LAW) for own in (name, "ddim"))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=1e-11)
