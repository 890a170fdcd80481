"""Grids: the points they are said to have, own points, rising ones, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure.curves import error_curve
from numtoolkit.measure.flows import exact_flow
from numtoolkit.problem.grids import ALIASES, GRIDS, grid
from numtoolkit.problem.processes import EDM, PSLD, VP, RectifiedFlow, process
from numtoolkit.program.program import lower
from tests.support.sampling_cases import answered
from tests.support.tiers import breadth


@pytest.mark.parametrize(
    ("rule", "on", "even"),
    [
        ("uniform", VP(), lambda t: t),
        ("linear", PSLD(), lambda t: t),
        ("quadratic", EDM(), lambda t: np.sqrt(t - 0.002)),
        ("rho(5)", VP(), lambda t: np.expm1(0.1 * t + 9.95 * t**2) ** (1 / 10)),  # the root of s^2 = e^B - 1
        ("karras", EDM(), lambda t: t ** (1 / 7)),
        ("rho(3)", PSLD(), lambda t: t ** (1 / 3)),
        ("rho", PSLD(), lambda t: t ** (1 / 7)),
        ("logsnr", RectifiedFlow(), lambda t: np.log(t / (1 - t))),
    ],
)
def test_a_grid_has_equal_steps_of_what_its_name_says(rule, on, even):
    """N + 1 points from T to t_min: of the time, a root of the level or, in phase space, of the time, or log s."""
    times = grid(rule, on, 8)
    assert (len(times), times[0], times[-1]) == (9, on.T, on.t_min)
    steps = np.diff(even(times))
    np.testing.assert_allclose(steps, steps.mean(), rtol=0, atol=1e-12 * np.abs(even(times)).max())


def test_own_points_may_start_at_the_end_of_the_process_and_not_beyond():
    """A start 1 % beyond T is a slip, rounding is not."""
    np.testing.assert_array_equal(grid([1 + 1e-13, 0.5], VP()), [1 + 1e-13, 0.5])
    with pytest.raises(InputError, match="the grid has 1 steps but 3 were asked for"):
        grid([1, 0.5], VP(), 3)
    with pytest.raises(InputError, match=r"starts at 1\.01, beyond T = 1 of process vp"):
        grid([1.01, 0.5], VP())


def test_the_angle_grid_follows_its_power():
    """theta falls as (1 - n/N)^power, on one block and on two."""
    levels = VP().noise_level(grid("angle(0.3, 1.7, zero=1)", VP(), 9))
    theta = np.arctan(levels / 0.3)
    np.testing.assert_allclose(theta, theta[0] * (1 - np.arange(10) / 9) ** 1.7, atol=1e-14)
    inner = PSLD().level(grid("angle(0.3, 2)", PSLD(), 9))
    np.testing.assert_allclose(np.diff(np.sqrt(np.arctan(inner / 0.3)), 2), 0, atol=1e-12)


@pytest.mark.parametrize("rule", ["uniform", "quadratic", "rho(3)", "log-snr", "angle(0.5, 1.2)", "kl-optimal"])
def test_every_grid_of_phase_space_may_end_at_zero(rule):
    """zero=1 adds a last point at t = 0 to the points of the grid without."""
    text = rule[:-1] + ", zero=1)" if rule.endswith(")") else f"{rule}(zero=1)"
    for on in map(process, ["psld", "cld"]):
        times = grid(text, on, 6)
        assert times.tolist() == [*grid(rule, on, 5).tolist(), 0.0]


def given(name):
    """A named grid as text, with points, or variances of the data, where it needs some."""
    return f"{name}((0.9, 0.3, 0.01))" if name in ("sigmas", "times", "spectral", "tangent") else name


@pytest.mark.parametrize("name", [*GRIDS, *ALIASES])
@pytest.mark.parametrize("on", ["edm", "sd", "flow(T=1)", "vp-cosine", "psld"])
def test_every_named_grid_falls_on_every_process(name, on):
    """As many steps as asked, from T or below, strictly."""
    times = grid(given(name), on, 8)
    assert len(times) == 9
    assert (np.diff(times) < 0).all()
    assert times[-1] >= 0


@pytest.mark.parametrize("name", GRIDS)
def test_every_named_grid_may_rise(name):
    """rising=1 turns the points round."""
    text = given(name)
    turned = f"{text[:-1]}, rising=1)" if text.endswith(")") else f"{text}(rising=1)"
    assert grid(turned, "sd", 6).tolist() == grid(text, "sd", 6)[::-1].tolist()


@pytest.mark.parametrize("name", GRIDS)
def test_every_grid_may_be_shifted(name):
    """t / T goes to k x / (k x + 1 - x); a fixed k on linspace moves its first point before as well."""
    text, flow = given(name), process("flow(T=1)")
    plain = grid(text, flow, 6)
    bent = f"{text[:-1]}, mu=0.5)" if text.endswith(")") else f"{text}(mu=0.5)"
    k = np.exp(0.5)
    np.testing.assert_allclose(grid(bent, flow, 6), k * plain / (k * plain + 1 - plain), rtol=1e-14)


def test_a_shift_multiplies_noise_levels_of_the_straight_path():
    """s = t / (1 - t) goes to 3 s."""
    flow = process("flow(T=1)")
    plain, bent = (flow.noise_level(grid(text, flow, 9))[1:] for text in ("trailing", "trailing(shift=3)"))
    np.testing.assert_allclose(bent, 3 * plain, rtol=1e-13)


def test_names_of_other_libraries_are_read():
    """Either case, _ for -, and what an alias fixes may be said otherwise."""
    assert grid("SGM_Uniform", "sd", 5).tolist() == grid("linspace(round=0, drop=1)", "sd", 5).tolist()
    assert grid("karras", "edm", 5).tolist() == grid("rho(7)", nt.process("edm"), 5).tolist()
    assert grid("ddim-uniform(offset=0)", "sd", 5).tolist() == grid("leading", "sd", 5).tolist()
    assert grid("normal(round=1)", "sd(N=10)", 4).tolist() == grid("linspace", "sd(N=10)", 4).tolist()


def test_points_that_reach_t_min_end_there_once():
    """With zero=0 a table from its last point to its first has steps + 1 points, none twice."""
    assert grid("linspace(zero=0)", "sd(N=11)", 5).tolist() == [11, 9, 7, 5, 3, 1]
    assert grid("trailing(zero=0)", "sd(N=10)", 5).tolist() == [10, 8, 6, 4, 2, 1]


def test_own_sigmas_are_levels_and_on_flow_times():
    """With a last 0 or without; arrays, lists and text; log-linear where another number of steps is asked for."""
    levels = [14.0, 2.0, 0.5]
    sd = process("sd")
    np.testing.assert_allclose(sd.noise_level(grid(sigmas=levels, process=sd)), levels, rtol=1e-14)
    np.testing.assert_allclose(sd.noise_level(grid(sigmas=[*levels, 0.0], process="sd")), [*levels, 0], rtol=1e-14)
    assert grid(sigmas=np.array([1.0, 0.4, 0.0]), process="flow(T=1)").tolist() == [1.0, 0.4, 0.0]
    text = sd.noise_level(grid("sigmas((14, 2, 0.5, 0))", sd))
    np.testing.assert_allclose(text, [*levels, 0], rtol=1e-14)
    between = sd.noise_level(grid("sigmas((14, 2, 0.5, 0))", sd, 5))
    np.testing.assert_allclose(between, [14, 28**0.5, 2, 1, 0.5, 0], rtol=1e-14)


def test_a_run_on_own_sigmas_needs_no_number_of_steps():
    """As many steps as they have, or those asked for."""
    network, words = nt.Network(lambda z, t: 0.1 * z, "noise"), {"process": "edm", "seeds": range(2), "shape": 3}
    for given, steps in (({}, 3), ({"nfe": 6}, 6), ({"steps": 5}, 5)):
        found = nt.sample("ddim", network=network, grid="sigmas((9, 3, 1, 0))", dtype=np.float64, **words, **given)
        assert found.steps == steps
    with pytest.raises(InputError, match="a named grid needs to know its length"):
        nt.sample("ddim", network=network, grid="karras", **words)


def test_own_sigmas_of_a_tensor_are_taken():
    """Without a copy of torch in the toolkit."""
    torch = pytest.importorskip("torch")
    levels = torch.tensor([5.0, 1.0, 0.0])
    assert grid(sigmas=levels, process="edm").tolist() == grid(levels, "edm").tolist() == [5, 1, 0]


def test_own_times_in_text_are_linear_between():
    """As given, or at other numbers of steps."""
    assert grid("times((1, 0.5, 0.01))", "vp").tolist() == [1, 0.5, 0.01]
    assert grid("times((1, 0.5, 0.1))", "vp", 4).tolist() == [1, 0.75, 0.5, 0.3, 0.1]


@pytest.mark.parametrize(
    ("text", "on", "steps", "sentence"),
    [
        ("rho(7)", "vp", 2.5, "the number of steps of grid rho = 2.5 is no whole number from 1 to 1000000"),
        ("rho(7)", "vp", True, "= True is no whole number"),
        ("rho(7)", "vp", -3, "= -3 is no whole number"),
        ("rho(7)", "vp", 10**12, "= 1000000000000 is no whole number"),
        ("rho(7)", "vp", 0, "grid rho with 0 steps is too short"),
        ("rho(7)", "vp", None, "grid rho with None steps is too short"),
        ("rho(7)", None, 5, "give one, such as 'edm'"),
        ("rho(7)", 3, 5, "3 is an int"),
        ("rho(0.01)", "vp", 5, "grid rho: rho = 0.01 is out of range"),
        ("rho(7, zero=2)", "vp", 5, "zero = 2 is out of range"),
        ("rho(7, zero=1)", "vp", 1, "zero=1 and 1 step has no inner step"),
        ("rho(7, rising=2)", "vp", 5, "rising = 2 is out of range"),
        ("rho(7, shift=0)", "vp", 5, "shifted by 0; give a shift from 0.001 to 1000"),
        ("rho(7, shift=3, mu=1)", "vp", 5, "shift, mu and tokens each say"),
        ("linspace(3, mu=1)", "flow", 5, "shift, mu and tokens each say"),
        ("rho(mu=1, kind=log)", "vp", 5, "unknown kind of shift 'log'"),
        ("rho(terminal=1)", "vp", 5, "terminal = 1 is out of range"),
        ("rho(tokens=(1, 2))", "vp", 5, "tokens has 2 values"),
        ("polyexponential(1000000)", "vp", 5, "grid polyexponential: rho = 1000000.0 is out of range"),
        ("beta(alpha=0)", "vp", 5, "grid beta: alpha = 0.0 is out of range"),
        ("beta", "sd(N=10)", 9, "a grid of 9 steps meets a point of its table twice; ask for fewer steps"),
        ("leading", "sd", 1001, "a grid of 1001 steps meets a point of its table twice"),
        ("leading(-1)", "sd", 5, "grid leading: offset = -1 is out of range"),
        ("linspace(drop=2)", "sd", 5, "grid linspace: drop = 2 is out of range"),
        ("trailing(2)", "sd", 5, "round = 2 is out of range"),
        ("times(5)", "sd", 5, "grid times has 1 values; give at least 2"),
        ("sigmas(())", "sd", None, "grid sigmas has 0 values; give at least 2"),
        ("leading(2)", "sd", 1000, "beyond T = 1000"),
        ("linear-quadratic(threshold=1)", "flow", 5, "threshold = 1.0 is out of range"),
        ("linear-quadratic(linear=-1)", "flow", 5, "linear = -1 is out of range"),
        ("ays(flux)", "sd", 5, "unknown model of grid ays 'flux'"),
        ("gits(1.23)", "sd", 5, "coeff = 1.23 is not published"),
        ("gits(1.201)", "sd", 5, "coeff = 1.201 is not published"),
        ("gits", "sd", 1, "grid gits with 1 step is not published"),
        ("ays(svd)", "sd", 5, "beyond T = 1000"),
        ("sigmas", "sd", None, "grid sigmas needs its values"),
        ("sigmas((1, -2, 0))", "sd", None, "grid sigmas has the levels (1, -2, 0)"),
        ("sigmas((2, 1, 1))", "sd", None, "grid times must fall strictly"),
        ("sigmas((2, 1), zero=1)", "sd", None, "grid sigmas has no parameter 'zero'"),
        ("karas", "sd", 5, "did you mean karras"),
        ([1.0, 0.5, 0.6], "vp", None, "grid times must fall strictly, but point 2 is 0.6 after 0.5"),
        ([0.1, 0.5, 0.4, 0.9], "vp", None, "must rise strictly from the data to noise, but point 2 is 0.4 after 0.5"),
        ([0.5, 0.5], "vp", None, "grid times must fall strictly"),
        ([0.5, 1.5], "vp", None, "the grid ends at 1.5, beyond T = 1"),
        ([-0.5, 0.5], "vp", None, "the grid starts at time -0.5"),
        ([0.5, float("nan")], "vp", None, "grid point 1 is nan"),
        ([[0.5], [0.1, 0.2]], "vp", None, "a grid is no rectangular array"),
        (None, "vp", 5, "a grid is given by a name, by its times or by sigmas"),
    ],
)  # fmt: skip
def test_what_is_no_grid_is_refused_in_one_sentence(text, on, steps, sentence):
    """The thing, its value, the remedy."""
    with pytest.raises(InputError) as refused:
        grid(text, on, steps)
    assert sentence in str(refused.value)


# --- data to noise and back


ODE = [s for s in nt.catalogue() if s.kind == "ode" and not s.fitted]


@pytest.mark.parametrize("own", breadth(ODE), ids=lambda s: s.name)
def test_every_scheme_of_the_flow_runs_up_and_down_again(own):
    """Both ways err by the scheme's own error: twice the steps bring the data back 1.5 times nearer at least."""
    on = process("vp" if "vp" in own.processes else "psld")
    data = mixture(dim=2).sample(4, 0)
    start = data if on.blocks == 1 else np.stack([data, np.full_like(data, 0.1)], axis=1)
    rule = "log-snr" if on.blocks == 1 else "quadratic"
    gaps = []
    for steps in (64, 128):
        up = grid(f"{rule}(rising=1)", on, steps)
        run = {"process": on, "progress": False}
        network = answered(own, nt.Network.of(mixture(dim=2)))
        noise = nt.sample(own, network=network, grid=up, start=start, **run).samples
        back = nt.sample(own, network=network, grid=up[::-1], start=noise, **run).samples
        gaps.append(np.abs(back - start).max())
    assert gaps[1] < gaps[0] / 1.5


def test_200_steps_up_and_down_return_to_the_data():
    """res-2s errs by h^2 each way, of 200 steps of 0.05 in log-SNR, in all under 2e-6."""
    data = mixture(dim=2).sample(8, 0)
    up = grid("log-snr(rising=1)", "vp", 200)
    run = {"process": "vp", "progress": False}
    noise = nt.sample("res-2s", network=nt.Network.of(mixture(dim=2)), grid=up, start=data, **run).samples
    back = nt.sample("res-2s", network=nt.Network.of(mixture(dim=2)), grid=up[::-1], start=noise, **run).samples
    assert abs(noise.std() - 1) < 0.3
    assert np.sqrt(np.mean((back - data) ** 2)) < 2e-6


@pytest.mark.parametrize("on", ["vp", "sd", "psld"])
def test_the_error_of_a_rising_run_is_measured_against_the_exact_flow(on):
    """Four times the steps of second-order schemes leave a tenth of it at most."""
    name, rule = ("res-2s", "log-snr(rising=1)") if on != "psld" else ("gframe-ab", "quadratic(rising=1)")
    own = nt.scheme(name)
    budgets = [steps * own.nfe_per_step for steps in (40, 160)]
    curve = error_curve(own, process(on), mixture(dim=2), rule, budgets, range(8), metric="path")
    coarse, fine = (r["error"] for r in curve)
    assert fine < coarse / 10


@pytest.mark.parametrize("name", ["euler-ancestral", "sde-dpmpp-2m", "heun-edm-churn"])
def test_a_scheme_that_draws_noise_is_refused_on_a_rising_grid(name):
    """Noise that was added cannot be taken back."""
    with pytest.raises(InputError, match=f"scheme {name}.* draws noise, which a rising grid cannot take back"):
        lower(nt.scheme(name), VP(), grid("log-snr(rising=1)", "vp", 5))


def test_a_rising_grid_starts_above_the_data_from_given_samples():
    """At t = 0 there is no noise to scale up, and noise that is drawn is no data."""
    with pytest.raises(InputError, match="starts at t = 0 has no noise to scale up"):
        lower(nt.scheme("ddim"), VP(), grid("log-snr(zero=1, rising=1)", "vp", 5))
    with pytest.raises(InputError, match="takes samples of the data back to noise; give them as start"):
        nt.sample(
            "ddim",
            network=nt.Network.of(mixture(dim=2)),
            process="vp",
            grid="uniform(rising=1)",
            steps=4,
            seeds=range(2),
        )


# --- flow from pure noise


@pytest.mark.parametrize(
    "own", breadth([s for s in nt.catalogue() if "flow" in s.processes and not s.fitted]), ids=lambda s: s.name
)
def test_every_scheme_runs_on_flow_from_pure_noise(own):
    """From t = 1 all coefficients are finite, whatever the network predicts but the score of data."""
    flow = process("flow(T=1)")
    for predicts in ("data", "noise", "flow", "velocity"):
        program = lower(own, flow, grid("uniform", flow, 8), predicts)
        assert program.times[0] == 1


def test_pure_noise_read_as_a_little_data_moves_the_exact_flow_by_less_than_1e_7():
    """On N(m, d^2) the flow from t = 1 is alpha m + sqrt(alpha^2 d^2 + sigma^2) n; ours starts at n - 2^-24 m."""
    noise = np.array([[1.3], [-0.4], [0.02]])
    for mean, deviation in ((0.3, 0.5), (-1.0, 1.5)):
        law = Gaussian(np.array([mean]), deviation**2)
        for t in (0.9, 0.5, 0.01):
            limit = (1 - t) * mean + np.hypot((1 - t) * deviation, t) * noise
            (end,) = exact_flow(process("flow(T=1)"), law, [noise], 1.0, t)
            assert 0 < np.abs(end - limit).max() < 1e-7 * max(1, abs(mean))


@pytest.mark.parametrize(
    "name",
    breadth(["ddim", "euler", "heun", "dpmpp-2m", "unipc", "gframe-abm(2)"], lambda name: name in ("ddim", "unipc")),
)
def test_pure_noise_changes_a_run_by_what_it_leaves_out(name):
    """From T = 1 - 1e-6 and from 1 the error differs by 1e-4 of itself: 1 - T, in schemes that see it at all."""
    law = mixture(dim=2)
    errors = []
    for T in ("0.999999", "1"):
        points = [float(T), *np.linspace(0.95, 0.01, 20)]
        (record,) = error_curve(
            nt.scheme(name), process(f"flow(T={T})"), law, points, [nt.scheme(name).nfe_per_step * 20]
        )
        errors.append(record["error"])
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)
