"""Processes from tables: three forms of one table, published schedules, files, and what is refused."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import write_npz
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure.curves import error_curve
from numtoolkit.measure.gaussian_moments import exact_marginal, moments, wasserstein2
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import EDM, Table, process
from numtoolkit.program import evaluator
from numtoolkit.program.canonical import canonical
from numtoolkit.program.program import lower
from tests.support.same_run import assert_same_run

# sigma / alpha at the points 0, 1, 499, 998 and 999, from the papers' formulas in 60 digits; a last alphas_cumprod of 0
# is 2^-24, or half of the one before where this is less.
LEVELS = {
    "linear": (0.0100005000375031253, 0.0148309237089828416, 3.42413661904404119, 155.825193762382118,
               157.407280810407433),
    "linear(rescale=1)": (0.0100005000375031253, 0.0148567585583174527, 3.48610370346868345, 15406.0300955972905,
                          21787.4167264707846),
    "scaled-linear": (0.0291671581517200666, 0.0413144119967829171, 1.61288619430387525, 14.5262756893497277,
                      14.614641229333636),
    "scaled-linear(rescale=1)": (0.0291671581517200666, 0.0420675658318866265, 1.76808020290116172,
                                 2254.23797833705574, 4095.99987792968568),
    "sigmoid": (0.0122158694463846232, 0.0172936577110383354, 1.52053095197350375, 157.151799058263365,
                158.743368666564758),
    "squared-cosine": (0.00642541277112717076, 0.00935049283560455282, 1.01238956394800419, 641.662345118256406,
                       20291.1696100215078),
    "squared-cosine(rescale=1)": (0.00642541277112717076, 0.00935061445505958139, 1.01243126071287637,
                                  662.583500161790529, 4095.99987792968568),
}  # fmt: skip


@pytest.mark.parametrize("text", LEVELS)
def test_a_named_schedule_has_the_levels_of_its_formula(text):
    """To 1e-13, of which 6e-14 is the cosine's near pi/2; point i is time i + 1."""
    own = process(text)
    assert (own.T, own.t_min) == (1000.0, 1.0)
    levels = own.noise_level(np.array([1.0, 2.0, 500.0, 999.0, 1000.0]))
    np.testing.assert_allclose(levels, LEVELS[text], rtol=1e-13)


def sd_betas():
    return np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2


def forms(betas):
    """The three forms of a table, each rounded once: products and differences in extended precision."""
    a = np.cumprod(1 - betas.astype(np.longdouble))
    return {
        "betas": betas,
        "alphas_cumprod": a.astype(np.float64),
        "sigmas": np.sqrt((1 - a) / a).astype(np.float64),
    }


def test_three_forms_of_one_table_are_one_process():
    """They agree to 1e-13: a rounded alphas_cumprod near 1 leaves 2^-54 / (1 - a) in sigma, 7e-14 for these betas."""
    times = np.concatenate([np.linspace(0.01, 1, 5), np.linspace(1, 1000, 3001)])
    levels = [process(**{form: table}).noise_level(times) for form, table in forms(sd_betas()).items()]
    named = process("sd").noise_level(times)
    for own in levels:
        np.testing.assert_allclose(own, named, rtol=1e-13)


def test_a_table_given_as_list_array_or_tensor_is_the_same_process():
    """Equal and of one specification, which holds the digest of the bytes."""
    torch = pytest.importorskip("torch")
    betas = sd_betas()
    first, *others = (process(betas=given) for given in (betas, betas.tolist(), torch.tensor(betas)))
    assert all(other == first and other.spec == first.spec and hash(other) == hash(first) for other in others)
    assert first.spec == f"table(sha256-{first.sha256[:16]})"
    changed = process(betas=np.append(betas[:-1], 0.0121))
    assert changed != first
    assert changed.spec != first.spec
    assert process(betas=[0.5, 0.4]) != process(alphas_cumprod=[0.5, 0.4])  # the same bytes, another form
    assert pickle.loads(pickle.dumps(first)) == first  # noqa: S301


def test_log_snr_is_linear_between_points_and_the_level_linear_below_the_first():
    """The levels at halves are the geometric means of their neighbours; at t = 0 there is no noise."""
    own = process(sigmas=[0.1, 0.4, 3.0])
    np.testing.assert_allclose(own.noise_level(np.array([1.5, 2.5])), [0.2, 1.2**0.5], rtol=1e-14)
    assert own.noise_level(np.array([0.0, 0.25, 0.5, 1.0])).tolist() == pytest.approx([0, 0.025, 0.05, 0.1])
    np.testing.assert_allclose(own.alpha(np.array([2.0])) ** -2, 1 + 0.4**2, rtol=1e-14)
    exploding = process(sigmas=[0.1, 0.4, 3.0], scaling="ve")
    assert exploding.alpha(np.array([0.5, 3.0])).tolist() == [1.0, 1.0]
    assert exploding.spec.endswith("scaling=ve)")


@pytest.mark.parametrize("text", ["sd", "linear(N=10)", "squared-cosine", "sd(scaling=ve)"])
def test_rates_of_a_table_are_those_of_its_segments(text):
    """d log(alpha)/dt and d log(s)/dt are central differences: those of a segment, below 1 too, means at a point."""
    own, h = process(text), 1e-6
    t = np.array([0.3, 0.8, 1.5, 2.0, 4.25, 6.0, 8.75])
    log_alpha, log_s = own.log_rates(t)
    difference = (own.log_alpha(t + h) - own.log_alpha(t - h)) / (2 * h)
    np.testing.assert_allclose(log_alpha, difference, rtol=1e-5, atol=1e-9)  # h of the slope's jump at a point
    difference = np.log(own.noise_level(t + h) / own.noise_level(t - h)) / (2 * h)
    np.testing.assert_allclose(log_s, difference, rtol=1e-6)


def test_schemes_that_freeze_the_drift_go_on_converging_on_the_points_of_a_table():
    """Nine times the steps leave a ninth and a bit; with the slope of one side at a point heun stays above 6e-3."""
    law, own = mixture(dim=2), process("sd")
    coarse, fine = (
        error_curve(nt.scheme("heun"), own, law, "uniform", [2 * steps], range(8))[0]["error"] for steps in (37, 333)
    )
    assert fine < coarse / 7


def test_coefficients_that_are_quadratures_keep_some_digits_over_the_jumps_of_a_table(monkeypatch):
    """deis-tab to 2e-5 and conjugate-optimal to 1e-7, against 400 panels a step in place of 4."""
    own = process("sd")
    times = grid("uniform", own, 20)
    for name, digits in (("deis-tab", 2e-5), ("conjugate-optimal", 1e-7)):
        found = [canonical(lower(nt.scheme(name), own, times, "noise"))]
        monkeypatch.setattr(evaluator, "LONG", (400, 20))
        monkeypatch.setattr(evaluator, "GENTLE", 0.0)
        found.append(canonical(lower(nt.scheme(name), own, times, "noise")))
        monkeypatch.undo()
        assert found[0].gap(found[1]) < digits


def test_zero_terminal_snr_ends_where_diffusers_does():
    """A last alphas_cumprod of 0, beta of 1 or infinite sigma is alphas_cumprod = 2^-24, or half the one before."""
    a = [0.9, 0.5, 0.0]
    tables = {"alphas_cumprod": a, "betas": [0.1, 1 - 0.5 / 0.9, 1.0], "sigmas": [(1 / 9) ** 0.5, 1.0, np.inf]}
    for form, table in tables.items():
        own = process(**{form: table})
        np.testing.assert_allclose(own.alpha(np.array([3.0])) ** 2, 2.0**-24, rtol=1e-13)
        np.testing.assert_allclose(own.alpha(np.array([2.0])) ** 2, 0.5, rtol=1e-13)
    near = process(alphas_cumprod=[0.9, 1e-9, 0.0])
    np.testing.assert_allclose(near.alpha(np.array([3.0])) ** 2, 5e-10, rtol=1e-13)


BAD = [
    ("betas", [], "betas has shape (0,)"),
    ("betas", [0.1], "betas has shape (1,)"),
    ("betas", [[0.1, 0.2]], "betas has shape (1, 2)"),
    ("betas", [[0.1], [0.1, 0.2]], "betas is no rectangular array"),
    ("betas", ["a", "b"], "of <U1; give a list of 2 numbers or more"),
    ("betas", [True, False], "of bool; give"),
    ("betas", [0.1, -0.2, 0.3], "betas[1] = -0.2 is not between 0 and 1"),
    ("betas", [0.1, 1.0, 0.3], "betas[1] = 1 is not between 0 and 1"),
    ("alphas_cumprod", [0.9, np.nan, 0.3], "alphas_cumprod[1] = nan is not between 0 and 1"),
    ("alphas_cumprod", [1.0, 0.5], "alphas_cumprod[0] = 1 is not between 0 and 1"),
    ("alphas_cumprod", [0.9, 0.95, 0.3], "alphas_cumprod[1] = 0.95 after 0.9: a table must fall strictly"),
    ("alphas_cumprod", [0.9, 0.5, 0.5], "alphas_cumprod[2] = 0.5 after 0.5: a table must fall strictly"),
    ("alphas_cumprod", [0.1, 0.5, 0.9], "it rises throughout: turn it round"),
    ("sigmas", [14.6, 3.0, 0.03], "it falls throughout: turn it round"),
    ("sigmas", [0.0, 1.0], "sigmas[0] = 0 is not between 0 and inf"),
]


@pytest.mark.parametrize(("form", "table", "sentence"), BAD)
def test_a_bad_table_is_refused_with_its_first_bad_value(form, table, sentence):
    """One sentence names the form, the index and the value."""
    with pytest.raises(InputError) as refused:
        process(**{form: table})
    assert sentence in str(refused.value)
    assert str(refused.value).count(".\n") == 0


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "nothing is given"),
        ({"text": "vp", "betas": [0.1, 0.2]}, "'vp' and betas are given"),
        ({"betas": [0.1, 0.2], "sigmas": [0.1, 0.2]}, "betas and sigmas are given"),
        ({"text": "vp", "scaling": "ve"}, "scaling = 've' is of a table"),
        ({"betas": [0.1, 0.2], "scaling": "edm"}, "unknown scaling 'edm'"),
        ({"text": "table"}, "process table is known by its digest alone"),
        ({"text": "table(sha256-0123456789abcdef)"}, "known by its digest alone; give the table itself"),
        ({"text": "sd(N=1)"}, "N = 1 is no whole number"),
        ({"text": "sd(beta_start=0)"}, "beta_start = 0.0 is out of range"),
        ({"text": "sd(rescale=2)"}, "rescale = 2 is out of range"),
        ({"text": "squared_cosine(cap=1)"}, "cap = 1.0 is out of range"),
        ({"text": "edm(T=1e29)"}, "process edm: T = 1e+29 is out of range"),
        ({"text": "sigmod"}, "did you mean sigmoid"),
    ],
)
def test_a_process_is_given_once_and_in_range(given, sentence):
    """Text or one table, and parameters that mean something."""
    with pytest.raises(InputError, match=r"^process|^a process|^scaling|^unknown|^N = ") as refused:
        process(**given)
    assert sentence in str(refused.value)


def test_a_table_in_a_file_is_a_process_by_its_path(tmp_path):
    """Its specification names file and digest, is read back, and is refused once the file holds something else."""
    path = write_npz(tmp_path / "mine.npz", {"alphas_cumprod": np.array([0.9, 0.5, 0.1])})
    own = process(str(path))
    assert own == process(path) == process(f"table({path})") == process(alphas_cumprod=[0.9, 0.5, 0.1])
    assert own.spec == f"table({path}, {own.digest})"
    assert process(own.spec) == own
    assert process(f"table({path}, scaling=ve)").scaling == "ve"
    write_npz(path, {"alphas_cumprod": np.array([0.9, 0.5, 0.2])})
    with pytest.raises(StorageError, match="now, not sha256-"):
        process(own.spec)


@pytest.mark.parametrize("arrays", [{"sigma": [1.0, 2.0]}, {"betas": [0.1, 0.2], "sigmas": [0.1, 0.2]}])
def test_a_file_without_one_table_is_refused(tmp_path, arrays):
    """The sentence names its keys and those that are read."""
    path = write_npz(tmp_path / "mine.npz", {key: np.array(value) for key, value in arrays.items()})
    with pytest.raises(StorageError, match=r"its keys are .*; give one of alphas_cumprod, betas or sigmas"):
        process(path)


SD_CONFIG = {
    "_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "beta_start": 0.00085, "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True,
    "steps_offset": 1, "trained_betas": None, "clip_sample": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "spec"),
    [
        ({}, "scaled-linear"),
        ({"rescale_betas_zero_snr": True}, "scaled-linear(rescale=1)"),
        ({"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02}, "linear"),
        ({"beta_schedule": "sigmoid"}, "sigmoid(beta_start=0.00085, beta_end=0.012)"),
        ({"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 200}, "squared-cosine(N=200)"),
        ({"use_flow_sigmas": True}, "flow(T=1.0)"),
        ({"prediction_type": "flow_prediction"}, "flow(T=1.0)"),
    ],
)
def test_a_scheduler_config_of_diffusers_is_a_process(tmp_path, changes, spec):
    """As a dictionary and as a file."""
    config = SD_CONFIG | changes
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    assert process(config).spec == process(path).spec == spec


def test_other_schedulers_of_diffusers_are_processes():
    """Betas as trained, flow matching from pure noise, and EDM's range."""
    betas = [0.001, 0.002, 0.01]
    assert process(SD_CONFIG | {"trained_betas": betas}) == process(betas=betas)
    assert process({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}).spec == "flow(T=1.0)"
    edm = process({"_class_name": "EDMEulerScheduler", "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5})
    assert edm == EDM()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"beta_schedule": "laplace"}, "beta_schedule = 'laplace' is not served"),
        ({"beta_start": None}, "beta_start = None is no number"),
        ({"num_train_timesteps": 10.5}, "num_train_timesteps = 10.5 is no number"),
        ({"snr_shift_scale": 3.0}, "snr_shift_scale = 3.0 is not served"),
        ({"timestep_type": "continuous"}, "timestep_type = 'continuous' is not served"),
        ({"trained_betas": [0.1, 2.0]}, r"betas\[1\] = 2 is not between 0 and 1"),
        ({"trained_betas": [0.1, 0.2], "rescale_betas_zero_snr": True}, "rescale_betas_zero_snr of trained_betas"),
    ],
)
def test_what_a_scheduler_config_asks_and_cannot_have_is_named(tmp_path, changes, sentence):
    """The key and its value, in a dictionary and in a file."""
    config = SD_CONFIG | changes
    with pytest.raises(InputError, match=sentence):
        process(config)
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(StorageError, match=sentence):
        process(path)
    with pytest.raises(InputError, match="_class_name = None has no beta_schedule"):
        process({"shift": 3})


@pytest.mark.parametrize("text", ["sd", "linear", "squared-cosine", "sd(rescale=1)"])
def test_moments_on_a_table_tend_to_the_exact_law(text):
    """From T the law of the end point nears the exact marginal, four times as near with twice the steps of res-2s."""
    own, law = process(text), Gaussian([0.3, -0.5], [0.25, 0.02])
    last = exact_marginal(own, law, 1.0).block(0)
    start = exact_marginal(own, law, own.T)
    ends = [
        moments(lower(nt.scheme("res-2s"), own, grid("log-snr", own, n)), law=law, start=start).block(0)
        for n in (40, 80)
    ]
    coarse, fine = (wasserstein2(end, last) for end in ends)
    assert fine < coarse / 3


def test_a_table_scaled_either_way_gives_one_curve():
    """Starts and steps are the same in x = z / alpha, so errors agree to the tolerance of the exact flow, 1e-10."""
    law = mixture(dim=2)
    found = [
        error_curve(nt.scheme("dpmpp-2m"), process(p), law, "karras", [8], range(8)) for p in ("sd", "sd(scaling=ve)")
    ]
    first, second = (records[0]["error"] for records in found)
    assert first == pytest.approx(second, rel=1e-8)


def test_a_network_that_is_told_timesteps_has_the_clock_t_minus_1():
    """At the points of a table the network is told 999, ..., 0."""
    told = []

    def model(z, t):
        told.append(float(t[0]))
        return 0.1 * z

    network = nt.Network(model, "noise", clock=lambda t: t - 1)
    nt.sample(
        "ddim", network=network, process="sd", grid="trailing", steps=4, seeds=range(2), shape=3, dtype=np.float64
    )
    assert told == [999.0, 749.0, 499.0, 249.0]


def test_the_digest_of_a_table_is_in_every_result():
    """Runs name the process by its specification."""
    own = process(betas=sd_betas())
    network = nt.Network(lambda z, t: 0.1 * z, "noise")
    found = nt.sample(
        "ddim", network=network, process=own, grid="karras", steps=3, seeds=range(2), shape=3, dtype=np.float64
    )
    assert found.provenance["process"] == own.spec
    assert own.digest in own.spec


def test_one_table_read_from_a_file_and_given_as_an_array_runs_alike(tmp_path):
    """Bit for bit, since the bytes are the same."""
    path = write_npz(tmp_path / "mine.npz", {"betas": sd_betas()})
    programs = [
        lower(nt.scheme("dpmpp-2m"), p, grid("karras", p, 5)) for p in (process(path), Table.of("betas", sd_betas()))
    ]
    assert_same_run(*programs)
