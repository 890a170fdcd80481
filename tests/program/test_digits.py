"""What a run keeps of the digits of its dtype where alpha is near 0, and the runs that do not and say so."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest

from numtoolkit import InputWarning, Network, process, sample, stepper
from numtoolkit.problem.grids import grid
from numtoolkit.problem.kinds import LinearBeta, ScalarProcess
from numtoolkit.problem.predictions import convert
from numtoolkit.problem.processes import RectifiedFlow
from numtoolkit.program.program import Affine, Call, lower
from numtoolkit.program.rounding import loss, warning
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import catalogue, scheme
from tests.support.sampling_cases import answering
from tests.support.tiers import breadth

UNIT = 2.0**-24  # a rounding of float32


@dataclass(frozen=True)
class ZeroTerminalSNR(LinearBeta, ScalarProcess):
    """VP with alpha moved and scaled so that alpha(T) = last (Lin et al. 2024, Algorithm 1, which ends at 0)."""

    beta_min: float = 0.1
    beta_max: float = 20.0
    last: float = 1e-6
    T: float = 1.0
    t_min: float = 1e-3
    name = "zero-terminal-snr"

    @cached_property
    def _ends(self):
        """The integral of beta at T, alpha of VP there, and the scale."""
        whole = float(self.beta_integral(np.array(self.T)))
        return whole, np.exp(-whole / 2), (1 - self.last) / -np.expm1(-whole / 2)

    def log_alpha(self, t):
        whole, left, scale = self._ends
        b = self.beta_integral(t)
        near_noise = self.last + scale * left * np.expm1((whole - b) / 2)
        return np.where(near_noise < 0.5, np.log(near_noise), np.log1p(scale * np.expm1(-b / 2)))

    def noise_level(self, t):
        return np.sqrt(np.expm1(-2 * self.log_alpha(t)))

    def time_of_noise_level(self, s):
        whole, left, scale = self._ends
        alpha = 1 / np.hypot(1, s)
        near_noise = whole - 2 * np.log1p((alpha - self.last) / (scale * left))
        near_data = -2 * np.log1p((alpha - 1) / scale)
        return self.time_of_beta_integral(np.where(alpha < 0.5, near_noise, near_data))

    def log_rates(self, t):
        scale = self._ends[2]
        kept = self.log_alpha(t)
        fall = -self.beta(t) / 2 * scale * np.exp(-self.beta_integral(t) / 2) / np.exp(kept)
        return fall, fall / np.expm1(2 * kept)

    def prior(self):
        return np.eye(1)


LAWS = {"flow": (RectifiedFlow(T=1 - 1e-6), "uniform"), "table": (ZeroTerminalSNR(), "uniform")}


def network_of(law, predicts):
    """A mixture of N(0.5, 1/16) and N(-0.3, 1/16), exact in float64, its output rounded to the dtype of the state."""

    def call(z, t):
        times = np.array([t])
        alpha, sigma = law.alpha(times)[0], law.sigma(times)[0]
        width, x = alpha**2 / 16 + sigma**2, z[0].astype(float) - 0.1 * alpha
        centre = 0.4 * np.tanh(0.4 * alpha * x / width)
        data = 0.1 + centre + alpha / 16 / width * (x - alpha * centre)
        P, Q = (block[0, 0, 0] for block in convert("data", predicts, law, times))
        return [(P * z[0].astype(float) + Q * data).astype(z[0].dtype)]

    return call


def error_in_float32(program, law):
    """The root mean square difference of a run in float32 and in float64, over that of the run."""
    start = np.random.default_rng(0).standard_normal(400).astype(np.float32)
    ends = [
        run(
            program,
            answering(program, network_of(law, program.network)),
            [start.astype(dtype)],
            lambda n, slot, dtype=dtype: [
                np.random.default_rng([n, slot]).standard_normal(400).astype(np.float32).astype(dtype)
            ],
        )[0]
        for dtype in (np.float32, np.float64)
    ]
    return float(np.sqrt(np.mean((ends[0] - ends[1]) ** 2) / np.mean(ends[1] ** 2)))


@pytest.mark.parametrize("law", breadth(LAWS, lambda law: law == "flow"))
@pytest.mark.parametrize("own", breadth(own for own in catalogue() if "flow" in own.processes))
def test_float32_keeps_its_digits_near_alpha_0_or_the_run_says_that_it_does_not(own, law):
    """The error is at most 1e-5, whatever the network predicts, unless the run warns: a hundred roundings, half of
    them more for those of the network and the difference of a mixture from a Gaussian law."""
    on, text = LAWS[law]
    for predicts in ("data", "velocity", "flow", "noise"):
        program = lower(own, on, grid(text, on, 50), predicts)
        if warning(program, "float32", UNIT) is None:
            assert error_in_float32(program, on) < 1e-5, predicts


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("text", ["ddim", "heun-edm", "rk4", "dpm-solver-2", "dpm-solver-3", "deis-tab", "ipndm"])
def test_schemes_that_freeze_the_noise_are_well_posed_near_alpha_0_with_data(text, law):
    """Nothing is lost that the scheme does not amplify: the noise z - alpha D is never computed in float32."""
    on, named = LAWS[law]
    program = lower(scheme(text), on, grid(named, on, 50))
    assert warning(program, "float32", UNIT) is None
    assert error_in_float32(program, on) < 1e-5


def test_a_noise_prediction_near_alpha_0_is_named():
    """It holds no digit of the data there, whatever the scheme: one sentence names dtype, scheme, step and remedy."""
    on = RectifiedFlow(T=1 - 1e-6)
    keywords = {"process": on, "grid": "uniform", "steps": 10, "seeds": range(2), "shape": 4}
    network = Network(lambda z, t: z, "noise")
    for call in (sample, stepper):
        with pytest.warns(
            InputWarning,
            match=r"^in torch.float32 the rounding of this run of dpmpp-2m may cost \d.* of the size of the samples, "
            r"most of it in step 0 \(t = 0.999999 to 0.9\d*\); take float64, .* network that predicts data .*\.$",
        ):
            call("dpmpp-2m", network=network, **keywords)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call("dpmpp-2m", network=network, dtype=np.float64, **keywords)
            call("dpmpp-2m", network=Network(lambda z, t: 0 * z, "data"), **keywords)


@pytest.mark.parametrize("predicts", ["data", "velocity", "flow"])
@pytest.mark.parametrize(("name", "text"), [("vp", "log-snr"), ("edm", "rho"), ("flow", "angle")])
def test_usual_runs_do_not_warn_and_err_as_much_as_is_said(name, text, predicts):
    """Twenty steps cost tens of roundings, and the estimate is right within a factor of five both ways."""
    on = process(name)
    for own in ("ddim", "heun-edm", "dpmpp-2m", "unipc", "res-2s", "sde-dpmpp-2m", "gframe-abm(2, mean=0.5)"):
        program = lower(scheme(own), on, grid(text, on, 20), predicts)
        cost = loss(program).factor
        assert warning(program, "float32", UNIT) is None
        assert cost * UNIT / 5 < error_in_float32(program, on) < cost * UNIT * 5


def test_an_evaluation_takes_no_row_unless_it_is_carried():
    """A step of Heun is two rows and two calls; a multistep step keeps the noise that later steps use."""
    on = process("vp")
    heun = lower(scheme("heun-edm"), on, grid("log-snr", on, 4)).steps[1]
    assert [type(i) for i in heun.instructions] == [Call, Affine, Call, Affine]
    assert [[source for source, _ in i.terms] for i in heun.instructions[1::2]] == [
        ["y", "E0.data"],
        ["y", "E0.data", "E1.data"],
    ]
    deis = lower(scheme("deis-tab(1)"), on, grid("log-snr", on, 4)).steps[1]
    assert [i.name for i in deis.instructions] == ["E0.data", "E0", "out"]
