"""Adaptive runs: grids that a pilot run finds, and steps of each sample's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from numtoolkit import STOP, Adaptive, Network, adaptive_grid, grid, law, process, sample
from numtoolkit.arrays import split
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.laws import Gaussian
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.models.calls import call_of
from numtoolkit.sampling.adaptive import PILOT, find, spread
from numtoolkit.schemes import scheme

MODES = law("two-modes")
OWN = Adaptive(1e-2, pilot=0)
EDM = process("edm")


def drawn(adaptive, seeds, **others):
    """Samples of res-2s on two modes."""
    given = {"grid": "log-snr", "seeds": seeds, "dtype": np.float64, "adaptive": adaptive} | others
    return sample("res-2s", "edm", MODES, **given)


@pytest.mark.parametrize("adaptive", [1e-2, OWN], ids=["pilot", "own"])
def test_an_adaptive_sample_depends_on_its_seed_alone(adaptive):
    """Bit for bit: alone, in another order, beside others, in tiles of any size, with a network that is so too."""
    network = Network(lambda z, t: z / (1 + t * t + z * z), "data", shape=(3,), time="float")

    def drawn(adaptive, seeds, batch=None):
        given = {"seeds": seeds, "dtype": np.float64, "adaptive": adaptive, "batch": batch}
        return sample("res-2s", "edm", network, "log-snr", **given)

    together = drawn(adaptive, range(7)).samples
    for seeds, batch in (([3], None), ([6, 3, 0, 5], 3), (range(7), 2), (range(7), 1)):
        assert (drawn(adaptive, seeds, batch=batch).samples == together[list(seeds)]).all()


def test_a_step_common_to_a_batch_would_make_samples_depend_on_one_another():
    """Two samples that step together find other times than each alone, and end elsewhere by more than rounding."""
    own, network = scheme("res-2s"), Network.of(MODES)
    starts = np.array([[70.0], [-3.0]])

    def end(rows):
        call = call_of(network, EDM)
        found, state = find(own, EDM, "data", call, split(starts[rows], 1), (80.0, 0.002), False, OWN)
        return found.times, state[0]

    (alone, one), (common, two) = end([0]), end([0, 1])
    assert len(alone) != len(common) or (alone != common).any()
    assert abs(one[0] - two[0]) > 1e-6


def test_steps_of_ones_own_are_those_of_a_run_on_the_times_that_were_found():
    """The run of each sample is the plain one on its own times, bit for bit: its companions change nothing."""
    found = drawn(OWN, range(4))
    for i, own in enumerate(found.adaptive):
        again = sample("res-2s", "edm", MODES, own.times, seeds=[i], dtype=np.float64)
        assert (again.samples[0] == found.samples[i]).all()
    assert found.steps == max(len(own.times) - 1 for own in found.adaptive)
    assert found.done.tolist() == [len(own.times) - 1 for own in found.adaptive]
    assert found.provenance["times"][1] == found.adaptive[1].times.tolist()


@pytest.mark.parametrize("name", ["res-2s", "res-2m", "heun-edm", "dpm-solver-3"])
def test_every_evaluation_is_counted_and_none_is_made_twice(name):
    """That at a new state begins the next step; those of rejected steps count, but their start is not taken again."""
    network, own = Network.of(MODES), scheme(name)
    found = adaptive_grid(own, EDM, network, 1e-3)
    tried, reuses = len(found.times) - 1 + found.rejected, own.companions[0].terms[-1][0] == "EN"
    each = own.nfe_per_step
    spent = 1 + each * tried if reuses else each * (len(found.times) - 1) + (each - 1) * found.rejected
    assert found.evaluations == network.calls == spent
    assert found.rejected > 0
    assert (found.errors <= 1).all()


def test_the_steps_that_are_found_are_those_of_the_controller():
    """Ends are those of the grid, no error is above 1, and each step follows from the two errors before it."""
    found = adaptive_grid("res-2s", EDM, "mixture(dim=8)", 1e-2)
    assert (found.times[0], found.times[-1]) == (80.0, 0.002)
    assert (np.diff(found.times) < 0).all()
    assert (found.errors <= 1).all()
    h, e = -np.diff(np.log(found.times)), found.errors
    assert found.rejected == 0
    ratios = [0.9 * e[n] ** (-0.7 / 3) * (e[n - 1] if n else 1.0) ** (0.4 / 3) for n in range(len(h))]
    for n in range(len(h) - 3):  # the last two halve what is left
        assert h[n + 1] / h[n] == pytest.approx(min(max(ratios[n], 0.2), 5.0), rel=1e-9)
    assert h[0] == pytest.approx(np.log(80 / 0.002) / 20, rel=1e-12)
    assert h[-1] == pytest.approx(h[-2], rel=1e-9)
    assert len(h) > 6


def test_a_law_on_which_the_scheme_is_exact_is_passed_in_three_steps():
    """Of a single point no step has an error: steps grow by 5, a 20th, then 5, then half and all of what is left."""
    found = adaptive_grid("res-2s", EDM, Gaussian(np.zeros(2), 0.0, "point"), 1e-3)
    h = -np.diff(np.log(found.times)) / np.log(80 / 0.002)
    assert h == pytest.approx([0.05, 0.25, 0.7], abs=1e-12)
    assert found.rejected == 0


@pytest.mark.parametrize(
    ("name", "p", "k", "tolerance"),
    [("res-2s", 2, 3, 1e-6), pytest.param("heun-edm", 2, 2, 1e-4, marks=pytest.mark.check)],
)
def test_the_error_of_a_run_falls_with_the_tolerance(name, p, k, tolerance):
    """Error per step: estimates fall as h^k, a run as h^p, so that its error falls as tolerance^(p/k), here to 0.06."""
    gaussian = law("gaussian(dim=2)")
    exact = ExactNetwork(gaussian, EDM).ends(EDM.T, EDM.t_min, (0, 1, 2, 3)).data
    errors = []
    for own in (tolerance, tolerance / 10):
        found = sample(name, "edm", gaussian, "log-snr", adaptive=own, seeds=range(4), dtype=np.float64)
        errors.append(np.sqrt(np.mean((found.samples - exact) ** 2)))
    assert np.log10(errors[0] / errors[1]) == pytest.approx(p / k, abs=0.06)


def test_the_estimate_is_relative_to_each_number():
    """A coordinate beside another that is 1000 times as large is held to its own size, with no absolute tolerance."""

    def scaled(*means):
        own = np.array(means)
        return Network(lambda z, t: own * np.tanh(z / (own * (1 + t))), "data", shape=(len(own),), time="float")

    own, start = Adaptive(1e-2, absolute=0.0), np.array([[30.0, 30000.0]])
    large, alone = (
        adaptive_grid("res-2s", EDM, network, own, start=start[:, : network.shape[0]])
        for network in (scaled(0.3, 300.0), scaled(0.3))
    )
    assert large.times == pytest.approx(alone.times, rel=1e-9)


def test_a_grid_that_is_spread_keeps_its_ends_to_the_bit():
    """The clock and its inverse round; ends are those that were given."""
    times = np.geomspace(70.1, 0.0123, 9)
    for count in range(1, 20):
        found = spread(times, EDM, count)
        assert (found[0], found[-1]) == (times[0], times[-1])


def test_both_libraries_find_the_same_times():
    """To the bit where the network rounds alike in both: errors are summed on the host."""
    torch = pytest.importorskip("torch")
    network = Network(lambda z, t: z * 0.5 / (1 + t * t), "data", shape=(3,), time="float")
    ours, theirs = (
        sample("res-2s", "edm", network, "log-snr", adaptive=1e-2, seeds=range(2), dtype=dtype)
        for dtype in (np.float64, torch.float64)
    )
    assert ours.provenance["times"] == theirs.provenance["times"]
    assert (ours.samples == theirs.samples.numpy()).all()


# --- the pilot grid in a run


def test_a_budget_is_spent_on_the_grid_that_was_found():
    """To the evaluation, denoising and a step to t = 0 included; as dense here and there as the times found."""
    for nfe, others in ((21, {}), (21, {"denoise": True}), (19, {"grid": "log-snr(zero=1)"})):
        found = drawn(1e-3, range(2), nfe=nfe, **others)
        assert found.nfe == nfe
    times = adaptive_grid("res-2s", EDM, MODES, 1e-3).times
    assert spread(times, EDM, len(times) - 1) == pytest.approx(times, rel=1e-12)
    assert spread(times, EDM, 2 * len(times) - 2)[::2] == pytest.approx(times, rel=1e-12)
    doubled = spread(np.append(times, 0.0), EDM, 2 * len(times) - 1)
    assert doubled[-1] == 0
    assert doubled[:-1:2] == pytest.approx(times, rel=1e-12)


def test_a_run_on_a_pilot_grid_is_a_run_like_others():
    """A trajectory has its times, a callback may end it, and it is what the grid alone gives."""
    seen = []
    watched = drawn(1e-2, range(3), trajectory=True, callback=lambda progress: seen.append(progress.time))
    assert watched.trajectory.times.tolist() == watched.provenance["times"] == [80.0, *seen]
    assert (watched.trajectory.states[-1] == watched.samples).all()
    again = sample("res-2s", "edm", MODES, watched.adaptive[0].times, seeds=range(3), dtype=np.float64)
    assert (again.samples == watched.samples).all()
    stopped = drawn(1e-2, range(3), callback=lambda progress: STOP if progress.step == 1 else None)
    assert stopped.done.tolist() == [2, 2, 2]
    said = watched.provenance["adaptive"]
    assert (said["pilot"], said["seed"], said["tolerance"]) == (16, PILOT, 1e-2)
    assert said["evaluations"] == [watched.adaptive[0].evaluations]
    assert watched.provenance["grid"] == "log-snr"
    other = drawn(Adaptive(1e-2, seed=PILOT + 99), range(3))
    assert other.provenance["times"] != watched.provenance["times"]


def test_samples_with_steps_of_their_own_may_be_denoised_and_go_to_zero():
    """The last evaluation of each is its data prediction; a step to t = 0 is the scheme's own, and not estimated."""
    plain, clean = drawn(OWN, range(2)), drawn(OWN, range(2), denoise=True)
    for i in range(2):
        assert clean.samples[i] == pytest.approx(MODES.denoise(plain.samples[i : i + 1], 0.002)[0], rel=1e-12)
    assert clean.nfe == plain.nfe + 1
    zero = drawn(OWN, range(2), grid="log-snr(zero=1)")
    assert zero.adaptive[0].times[-1] == 0
    assert np.isnan(zero.adaptive[0].errors[-1])
    better = adaptive_grid(scheme("res-2s").corrected(), EDM, MODES, 1e-2, "log-snr(zero=1)")
    assert better.times[-1] == 0
    assert better.evaluations == 1 + 2 * (len(better.times) - 2 + better.rejected)  # E0 of the last step is at hand
    kept = np.empty((2, 1))
    assert drawn(OWN, range(2), into=kept).samples is kept
    assert (kept == plain.samples).all()


def test_conditions_and_starts_go_with_steps_of_ones_own():
    """Each sample is told its own condition, and begins where it is given."""
    network = Network(lambda z, t, c: c[:, None] + 0 * z, "data", shape=(2,), time="float")
    start, given = np.ones((3, 2)), {"conditions": np.array([1.0, 2.0, 3.0]), "start": np.ones((3, 2))}
    found = sample("res-2s", "edm", network, "log-snr", adaptive=OWN, **given).samples
    again = sample("res-2s", "edm", network, "log-snr", steps=3, **given).samples
    assert found == pytest.approx(again, rel=1e-12)
    pilot = adaptive_grid("res-2s", EDM, network, 1e-2, start=start, conditions=[1.0, 2.0, 3.0])
    assert pilot.times[0] == 80.0


# --- what cannot be


def test_a_network_that_is_not_finite_ends_an_adaptive_run():
    """Named by its sample, or marked."""
    network = Network(lambda z, t: np.where((t < 1) & (z > 0), np.nan, 0 * z), "data", shape=(1,), time="float")
    with pytest.raises(NonFiniteError, match="sample 1: adaptive steps of res-2s fall below"):
        sample("res-2s", "edm", network, "log-snr", adaptive=OWN, start=np.array([[-9.0], [9.0]]))
    marked = sample(
        "res-2s", "edm", network, "log-snr", adaptive=OWN, start=np.array([[-9.0], [9.0]]), on_nonfinite="mark"
    )
    assert marked.finite.tolist() == [True, False]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"scheme": "ddim"}, "ddim declares no companion"),
        ({"scheme": "res-2s-churn"}, "declares no companion"),
        ({"steps": 5}, "steps counts the steps of a grid"),
        ({"strength": 0.5, "start": np.ones((2, 1))}, "strength counts the steps"),
        ({"start": np.ones((2, 1)), "seeds": None, "dtype": None}, "the pilot run knows nothing of your start"),
        ({"conditions": [1, 2]}, "the pilot run knows nothing of your conditions"),
        ({"adaptive": OWN, "nfe": 9}, "pilot = 0, do not go with nfe"),
        ({"adaptive": OWN, "trajectory": True}, "do not go with trajectory"),
        ({"adaptive": OWN, "callback": print}, "do not go with callback"),
        ({"adaptive": "small"}, "give a tolerance"),
        ({"adaptive": 0.0}, "tolerance = 0.0 is no finite number"),
        ({"adaptive": Adaptive(1e-6, most=9)}, "after 9 evaluations"),
        ({"grid": "log-snr(rising=1)"}, "lead from noise to data"),
        ({"grid": None}, "a run needs a grid"),
        ({"adaptive": OWN, "grid": "log-snr(zero=1)", "denoise": True}, "nothing is left to denoise"),
        ({"adaptive": OWN, "update": "fused"}, "works on torch tensors"),
    ],
)
def test_an_adaptive_run_refuses_what_it_cannot_take(given, said):
    """In one sentence, with what to do instead."""
    run = {"scheme": "res-2s", "process": "edm", "network": MODES, "grid": "log-snr", "adaptive": 1e-2}
    with pytest.raises(InputError, match=said):
        sample(**run | {"seeds": [0, 1], "dtype": np.float64} | given)


def test_a_scheme_whose_coefficients_are_of_a_whole_grid_is_not_adaptive():
    """Those that rules give know the grid; fitted ones have no companion at all."""
    first = scheme("heun-edm").companions
    with pytest.raises(InputError, match="is fitted to a grid"):
        replace(scheme("iia-ddim"), companions=first)
    with pytest.raises(InputError, match="takes two outputs"):
        replace(scheme("ddim-cfgpp"), companions=first)
    with pytest.raises(InputError, match="those of a whole grid"):
        adaptive_grid(replace(scheme("gauss-fit-2m"), companions=first), EDM, MODES, 1e-2)
    with pytest.raises(InputError, match="leaves the pilot run no samples"):
        adaptive_grid("res-2s", EDM, MODES, OWN)


@pytest.mark.check
def test_a_pilot_grid_and_correction_gain_what_the_readme_says():
    """At 50 evaluations a pilot grid takes the error of the log-SNR grid by 2.1, and correction by another 4.8.

    With 512 seeds; here, with 64, by 1.7 and 3.5 at least.
    """
    mix = law("mixture(dim=8)")
    ends = ExactNetwork(mix, EDM).ends(EDM.T, EDM.t_min, tuple(range(64))).data

    def error(own, times):
        run = sample(own, "edm", mix, times, seeds=range(64), dtype=np.float64)
        return np.sqrt(np.mean((run.samples - ends) ** 2))

    own = scheme("res-2s")
    fixed = error(own, grid("log-snr", EDM, 25))
    found = error(own, adaptive_grid(own, EDM, mix, 1e-3, nfe=50).times)
    better = error(own.corrected(), adaptive_grid(own.corrected(), EDM, mix, 1e-3, nfe=50).times)
    assert found < fixed / 1.7
    assert better < found / 3.5
