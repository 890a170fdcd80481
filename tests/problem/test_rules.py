"""Step quantities are those of the papers: what runs tell their networks, and what they draw."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.problem.axes import problem
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, VP
from numtoolkit.problem.rules import RULES
from numtoolkit.program.program import Call, Draw, lower
from numtoolkit.schemes import scheme

TIMES = grid("rho(7)", EDM(), 6)


def told_and_drawn(spec):
    """The time that the first evaluation of each step of a run on EDM is told, and the deviation of its noise."""
    steps = lower(scheme(spec), EDM(), TIMES).steps
    told = [next(i.time for i in step.instructions if isinstance(i, Call)) for step in steps]
    drawn = [next((i.factor[0][0] for i in step.instructions if isinstance(i, Draw)), 0.0) for step in steps]
    return np.array(told), np.array(drawn)


@pytest.mark.parametrize("name", ["euler-churn", "heun-edm-churn", "dpm2-churn"])
@pytest.mark.parametrize(
    ("values", "gain"),
    [("churn=1", 1 / 6), ("churn=3, cap=4", 1 / 2), ("churn=40", np.sqrt(2) - 1), ("churn=40, cap=121/100", 0.1)],
)
def test_churn_raises_the_noise_level_by_its_share_of_a_run(name, values, gain):
    """arXiv:2206.00364, algorithm 2: min(S_churn / N, sqrt(2) - 1) where S_min <= t <= S_max, and noise to match."""
    told, drawn = told_and_drawn(f"{name}({values}, s_min=1/10, s_max=20, s_noise=1)")
    t = TIMES[:-1]
    raised = t * (1 + gain * ((t >= 0.1) & (t <= 20)))
    assert (raised[0], raised[-1]) == (t[0], t[-1])  # above the window and below it
    np.testing.assert_allclose(told, raised, rtol=1e-13)
    np.testing.assert_allclose(drawn, np.sqrt(raised**2 - t**2), rtol=1e-12)


@pytest.mark.parametrize("name", ["euler-ancestral", "dpm2-ancestral"])
@pytest.mark.parametrize("eta", ["1", "1/2"])
def test_ancestral_steps_draw_their_share_of_the_noise(name, eta):
    """k-diffusion's get_ancestral_step: sigma_up = eta s' sqrt((s^2 - s'^2) / s^2), the rest is gone down to."""
    s, end = TIMES[:-1], TIMES[1:]
    _, drawn = told_and_drawn(f"{name}(eta={eta})")
    np.testing.assert_allclose(drawn, (1 if eta == "1" else 0.5) * end * np.sqrt(1 - (end / s) ** 2), rtol=1e-10)


def test_the_mean_time_over_a_step_is_its_formula():
    """The middle of a step over its length, in process time."""
    t, index = grid("quadratic", VP(), 5), np.array([0, 3])
    own = problem(VP(), "data")
    start, end = t[index], t[index + 1]
    middle = RULES["mean_time_over_step"](own, t, index, {})
    np.testing.assert_allclose(middle, (start + end) / 2 / (start - end), rtol=1e-14)
