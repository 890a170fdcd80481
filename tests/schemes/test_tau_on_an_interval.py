"""tau may act in some steps of a run only: SA-Solver between two noise levels, as its authors run it."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import printing
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, VP, RectifiedFlow
from numtoolkit.program.program import Affine, Draw, lower
from numtoolkit.schemes import scheme
from numtoolkit.symbolic.verdict import verify

WINDOWED = "sa-solver(2, s_min=1/20, s_max=1)"


def rows(step):
    """The rows of a lowered step without their noise, by name."""
    drawn = {i.name for i in step.instructions if isinstance(i, Draw)}
    affine = [i for i in step.instructions if isinstance(i, Affine)]
    return {i.name: {source: block for source, block in i.terms if source not in drawn} for i in affine}


def noise(step):
    """The factors of what a lowered step draws."""
    return [i.factor for i in step.instructions if isinstance(i, Draw)]


def test_steps_that_start_in_the_window_have_tau_and_the_others_follow_the_flow():
    """Row by row those of the SDE inside, those of tau = 0 without noise outside."""
    process = EDM()
    times = grid("rho(7)", process, 12)
    windowed, whole, flow = (
        lower(scheme(name), process, times) for name in (WINDOWED, "sa-solver(2)", "sa-solver(2, tau=0)")
    )
    inside = [1 / 20 <= step.start <= 1 for step in whole.steps]
    assert 2 < sum(inside) < 10
    for acts, mixed, sde, ode in zip(inside, windowed.steps, whole.steps, flow.steps, strict=True):
        assert rows(mixed) == rows(sde if acts else ode)
        assert noise(mixed) == (noise(sde) if acts else [((0.0,),) for _ in noise(sde)])


@pytest.mark.parametrize("name", [WINDOWED, "sa-solver(3, s_min=1/20, s_max=1)"])
def test_a_run_into_and_out_of_the_window_keeps_the_weak_order(name):
    """Two changes of tau cost one factor h of their own steps: the law of the end still converges with order 2."""
    law, process = Gaussian(np.zeros(1), np.array([[0.3]])), EDM()

    def error(steps):
        times = grid("log-snr", process, steps)
        end = moments(lower(scheme(name), process, times), law=law, start=exact_marginal(process, law, times[0]))
        return wasserstein2(end, exact_marginal(process, law, times[-1]))

    assert np.log2(error(64) / error(256)) / 2 > 1.9


def test_a_scheme_with_a_window_is_proved_printed_and_read_back():
    """The verdict of tau on every step; its page says where tau is 0; its text and its file give it back."""
    own = scheme(WINDOWED)
    found = verify(own)
    assert (found.verdict, found.derived["sde_weak"]) == ("proved", 2)
    assert "0 in steps that start outside s_min to s_max" in printing.text(own)
    assert scheme(own.spec) == own
    assert Scheme.from_json(own.to_json()) == own


@pytest.mark.parametrize("given", ["s_min=1/20", "s_max=1", "s_min=2, s_max=1", "tau=0, s_min=1/20, s_max=1"])
def test_half_a_window_is_refused(given):
    """Both ends, the lower one first, and a tau to act between them."""
    with pytest.raises(InputError, match="give the noise levels s_min < s_max between which tau acts, both"):
        scheme(f"sa-solver(2, {given})")


@pytest.mark.parametrize("tau", ["1/3", "1/2", "2"])
@pytest.mark.parametrize("process", [VP(), EDM(), RectifiedFlow()], ids=lambda p: p.name)
@pytest.mark.parametrize(
    ("name", "law"),
    [
        ("sa-solver(1, tau={})", Gaussian(np.full(1, 0.7), np.zeros(1))),  # all data at one point
        ("gframe-ab(1, tau={})", Gaussian(np.zeros(1), np.full(1, 0.25))),  # the scheme's own law
    ],
)
def test_noise_of_every_tau_keeps_the_marginals_of_a_law_whose_frozen_quantity_is_fixed(name, law, process, tau):
    """The steps are exact then, whatever the strength of their noise: mean and covariance stay those of the process."""
    times = grid("log-snr", process, 5)
    start, end = (exact_marginal(process, law, t) for t in (times[0], times[-1]))
    found = moments(lower(scheme(name.format(tau)), process, times), law=law, start=start)
    np.testing.assert_allclose(found.mean, end.mean, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(found.covariance, end.covariance, rtol=1e-10, atol=0)
