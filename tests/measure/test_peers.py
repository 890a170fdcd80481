"""Samplers of other libraries: what they are told and held to, and that on our levels they are our schemes."""

from __future__ import annotations

import inspect
import itertools

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws import law_of
from numtoolkit.measure import peers
from numtoolkit.measure.curves import error_by
from numtoolkit.measure.distances import sliced_squares
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.own_networks import own_network
from numtoolkit.measure.peer_calls import run_peer, steps_within
from numtoolkit.measure.peer_runs import _start, peer_run
from numtoolkit.measure.peers import Peer, peer
from numtoolkit.models.network import Network
from numtoolkit.problem.processes import process
from numtoolkit.program.runs import program_of, times_of
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from tests.support.peer_libraries import absent, installed

torch = pytest.importorskip("torch")

SEEDS = tuple(range(24))
STEPS = 7
LAW = law_of("mixture(dim=3)")


def subject(name: str) -> ExactNetwork:
    """The law on a process."""
    return ExactNetwork(LAW, process(name))


@pytest.mark.parametrize("grid", ["rho(7)", "rho(7, zero=1)"])
@pytest.mark.parametrize(
    ("name", "on", "own", "tolerance"),
    [
        ("sample_euler", "edm", "euler", 1e-12),
        ("sample_heun", "edm", "heun-edm", 1e-12),
        ("EDMEulerScheduler", "edm", "euler", 1e-9),
        ("DDIMScheduler", "linear", "ddim", 1e-9),
        ("FlowMatchEulerDiscreteScheduler", "flow", "ddim", 1e-9),
    ],
)
def test_an_integrator_on_our_levels_is_our_scheme(monkeypatch, name, on, own, tolerance, grid):
    """State by state, so that its errors along paths are those of our run, at the ends that both have."""
    installed(monkeypatch)
    where = subject(on)

    def times(steps):
        return times_of(scheme(own), where.process, grid, steps=steps)

    found = peer_run(peer(name), where, STEPS, SEEDS, times)
    ours = error_by("relative-rms", where, program_of(own, on, grid, nfe=found.evaluations), SEEDS)
    np.testing.assert_allclose(found.squares, ours.parts, rtol=tolerance)
    assert found.evaluations <= STEPS


def test_a_run_as_it_is_used_is_held_to_the_data_from_its_own_start(monkeypatch):
    """DDIM in equal angles from alpha = 0 is that of equal angles here, from where alpha is next to nothing."""
    installed(monkeypatch)
    where = subject("linear")
    found = peer_run(peer("IPNDMScheduler"), where, 20, SEEDS)
    noise = where.start(where.process.T, SEEDS)[0] / where.process.noise(np.array([where.process.T]))[0, 0, 0] ** 0.5
    run = run_peer(peer("IPNDMScheduler"), LAW.denoise, where.process, lambda s: s * noise, 20)
    exact = exact_flow(process("edm"), LAW, [1e6 * noise], 1e6, 0.0)[0]
    assert run.level == pytest.approx(1e6, rel=1e-6)
    assert not run.scaled
    assert found.path.rms == pytest.approx(np.sqrt(np.mean((run.ends - exact) ** 2) / np.mean(exact**2)), rel=1e-4)
    x, angles = noise, np.linspace(np.pi / 2, 0, 21)
    for angle, following in itertools.pairwise(angles):
        alpha, sigma = max(np.cos(angle), 1e-6), np.sin(angle)
        data = LAW.denoise(x / alpha, sigma / alpha)
        x = np.cos(following) * data + np.sin(following) * (x - np.cos(angle) * data) / sigma
    np.testing.assert_allclose(run.ends, x, atol=1e-5)  # in float32, as it is used


def test_a_straight_path_begins_at_pure_noise_and_on_a_network_where_its_flow_is(monkeypatch):
    """As ours does at T = 1; a scheduler that begins at .999 takes the flow of the network from there."""
    installed(monkeypatch)
    where = subject("flow(T=1)")
    found = peer_run(peer("FlowMatchEulerDiscreteScheduler"), where, 40, SEEDS)
    ours = error_by("relative-rms", where, program_of("ddim", "flow(T=1)", np.linspace(1, 0, 41)), SEEDS)
    assert found.path.rms == pytest.approx(ours.value, rel=1e-4)  # as float32 leaves it
    network = Network(LAW.denoise, "data", sees="observation", time="float", shape=LAW.shape, name="a mixture")
    own = own_network(network, where.process)
    level = float(where.process.noise_level(np.array([0.999]))[0])
    exact = exact_flow(where.process, LAW, where.start(1.0, SEEDS), 1.0, 0.999)[0]
    np.testing.assert_allclose(_start(own, SEEDS)(level) / (1 + level), exact, rtol=1e-6)
    np.testing.assert_allclose(_start(where, SEEDS)(level) / level, where.start(1.0, SEEDS)[0], rtol=1e-12)
    with pytest.raises(InputError, match="a run starts at noise level"):
        _start(own, SEEDS)(1e9)


def test_noise_is_drawn_as_a_library_draws_it_from_a_seed(monkeypatch):
    """The same from one seed, other from another; none without one; torch's own stream stays where it was."""
    installed(monkeypatch)
    for name, on in (("sample_euler_ancestral", "edm"), ("DDIMScheduler(eta=1)", "linear")):
        where = process(on)
        stream = torch.random.get_rng_state()
        ends = [run_peer(peer(name), LAW.denoise, where, lambda s: np.full((2, 3), s), STEPS, seed=seed).ends
                for seed in (3, 3, 4)]  # fmt: skip
        np.testing.assert_array_equal(ends[0], ends[1])
        assert (ends[0] != ends[2]).all()
        assert (torch.random.get_rng_state() == stream).all()
    still = run_peer(peer("sample_euler_ancestral"), LAW.denoise, process("edm"), lambda s: np.full((2, 3), s), STEPS)
    np.testing.assert_array_equal(still.ends[0], still.ends[1])


def test_a_run_with_noise_is_held_to_the_law_alone(monkeypatch):
    """To the same samples, at the data or at the end of our grid, with the seed of its first start."""
    installed(monkeypatch)
    where = subject("edm")
    found = peer_run(peer("sample_euler_ancestral"), where, 30, SEEDS, draws=True)
    assert found.path is found.squares is None
    start = where.start(80.0, SEEDS)[0]
    ends = run_peer(peer("sample_euler_ancestral"), LAW.denoise, where.process, lambda s: s / 80 * start, 30, seed=0)
    target = where.target(80.0, 0.0, SEEDS)
    assert found.law.value == sliced_squares(ends.ends, target.samples).value
    assert found.floor == target.floor


def test_a_budget_is_spent_as_far_as_whole_steps_go(monkeypatch):
    """One evaluation a step, two but for the last to 0, and steps that a library refuses are not looked for below."""
    installed(monkeypatch)
    edm, linear = process("edm"), process("linear")
    assert [steps_within(peer("sample_euler"), edm, n) for n in (1, 8, 15)] == [1, 8, 15]
    assert [steps_within(peer("sample_heun"), edm, n) for n in (1, 8, 15)] == [1, 4, 8]
    to_sigma_min = [steps_within(peer("sample_heun"), edm, n, lambda steps: np.linspace(9, 1, steps + 1))
                    for n in (2, 9)]  # fmt: skip
    assert to_sigma_min == [1, 4]
    assert steps_within(peer("PNDMScheduler"), linear, 9) == 9
    with pytest.raises(InputError, match="takes more than 1 evaluations for one step"):
        peer_run(peer("sample_heun"), subject("edm"), 1, SEEDS, lambda steps: np.linspace(9, 1, steps + 1))


def test_options_are_read_as_python_has_them_and_checked(monkeypatch):
    """Truths, whole numbers, fractions and words; what a class or function does not take is named."""
    installed(monkeypatch)
    own = peer("dpmsolvermultistepscheduler(use_karras_sigmas=true, solver_order=3, x=0.5, algorithm_type=dpmsolver++)")
    assert own.name == "DPMSolverMultistepScheduler"
    assert own.options == {"use_karras_sigmas": True, "solver_order": 3, "x": 0.5, "algorithm_type": "dpmsolver++"}
    assert peer("sample_lms(levels=exponential)").levels == "exponential"
    for text, sentence in [
        ("sample_dance", "unknown peer 'sample_dance'"),
        ("sample_lms(levels=steep)", "unknown levels 'steep'"),
        ("sample_lms(4)", "has an option without a name"),
    ]:
        with pytest.raises(InputError, match=sentence):
            peer(text)

    def zeros(level):
        return np.zeros((1, 3))

    for text, on, sentence in [
        ("sample_euler(s_churns=1)", "edm", "sample_euler takes no s_churns; it takes model, x, sigmas"),
        ("DDIMScheduler(clip=true)", "linear", "DDIMScheduler takes no clip; it takes trained_betas"),
    ]:
        with pytest.raises(InputError, match=sentence):
            run_peer(peer(text), LAW.denoise, process(on), zeros, 2)
    with pytest.raises(InputError, match="lays its own noise levels"):
        run_peer(peer("sample_dpm_fast"), LAW.denoise, process("edm"), zeros, 2, np.array([2.0, 1.0, 0.0]))
    with pytest.raises(InputError, match="has no noise level for each step"):
        run_peer(peer("IPNDMScheduler"), LAW.denoise, process("edm"), zeros, 2, np.array([2.0, 1.0, 0.0]))


def test_peers_run_where_networks_are_told_what_they_tell():
    """Timesteps on a table, noise levels preconditioned on EDM, others on both, and times on the straight path."""
    names = ("DDIMScheduler", "EDMEulerScheduler", "sample_lms", "FlowMatchEulerDiscreteScheduler",
             "UniPCMultistepScheduler(use_flow_sigmas=true)")  # fmt: skip
    on = {name: [own.runs_on(process(name)) for own in map(peer, names)]
          for name in ("linear", "sd", "edm", "flow", "vp")}  # fmt: skip
    table, edm, straight = (
        [True, False, True, False, False],
        [False, True, True, False, False],
        [False] * 3 + [True] * 2,
    )
    assert on == {"linear": table, "sd": table, "edm": edm, "flow": straight, "vp": [False] * 5}


def test_another_version_is_no_stand_in(monkeypatch):
    """A sentence says what is missing, and nothing where the version is there."""
    absent(monkeypatch, {"diffusers": "0.1"})
    assert peers.lacking("diffusers", "0.1") == ""
    assert peers.lacking("diffusers", "0.2") == "this runs diffusers 0.2, and 0.1 is installed; change it."
    assert (
        "k-diffusion 1, which is not installed; pip install 'numtoolkit[peers]' and then pip install --no-deps"
        in peers.lacking("k-diffusion", "1")
    )


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "on", "own", "tolerance"),
    [
        ("sample_euler", "edm", "euler", 1e-12),
        ("sample_heun", "edm", "heun-edm", 1e-12),
        ("sample_dpm_2", "edm", "dpm-2", 1e-12),
        ("sample_dpmpp_2m", "edm", "dpmpp-2m", 1e-12),
        ("sample_dpmpp_2s_ancestral(eta=0)", "edm", "dpmpp-2s", 1e-12),
        ("EDMEulerScheduler", "edm", "euler", 1e-5),
        ("EDMDPMSolverMultistepScheduler", "edm", "dpmpp-2m", 1e-12),
        ("EulerDiscreteScheduler", "linear", "ddim", 1e-5),
        ("DPMSolverMultistepScheduler", "linear", "dpmpp-2m", 1e-3),  # which takes every state as float32
        ("UniPCMultistepScheduler", "linear", "unipc(2)", 1e-3),
        ("FlowMatchEulerDiscreteScheduler", "flow", "ddim", 1e-4),
        ("DPMSolverMultistepScheduler(use_flow_sigmas=true)", "flow", "dpmpp-2m", 1e-3),
        ("UniPCMultistepScheduler(use_flow_sigmas=true)", "flow", "unipc(2)", 1e-3),
    ],
)
def test_the_libraries_on_our_levels_are_our_schemes(name, on, own, tolerance):
    """As the stand-ins are: in float64 to rounding, where the library keeps that."""
    pytest.importorskip("diffusers")
    pytest.importorskip("k_diffusion")
    where = subject(on)
    found = peer_run(peer(name), where, 10, SEEDS,
                     lambda steps: times_of(scheme(own), where.process, "rho(7, zero=1)", steps=steps))  # fmt: skip
    ours = error_by("relative-rms", where, program_of(own, on, "rho(7, zero=1)", nfe=found.evaluations), SEEDS)
    assert found.path.rms == pytest.approx(ours.value, rel=tolerance)


def normals(step: int, slot: int) -> np.ndarray:
    """The noise of a step, the same for ours and theirs."""
    return np.random.default_rng([step, slot]).standard_normal((4, 3))


def with_noise(own: str, on: str, times: np.ndarray) -> np.ndarray:
    """Where a run of ours ends with that noise, x / alpha at its end."""
    where, program = process(on), program_of(own, on, times)

    def network(blocks, t):
        return [LAW.denoise(*where.observe(blocks, t))]

    start = np.full((4, 3), float(where.sigma(times[:1])[0]))
    return run(program, network, [start], lambda step, slot: [normals(step, slot)])[0] / float(
        where.alpha(times[-1:])[0]
    )


def theirs_with_noise(own: Peer, on: str, times: np.ndarray) -> np.ndarray:
    """The same of a run of theirs, whose options or whose library have the noise."""
    where = process(on)
    levels = where.noise_level(times)
    found = run_peer(own, LAW.denoise, where, lambda s: np.full((4, 3), s), len(times) - 1, levels, seed=0)
    return found.ends / (1.0 if found.scaled else float(where.alpha(times[-1:])[0]))


@pytest.mark.check
@pytest.mark.parametrize("grid", ["rho(7)", "rho(7, zero=1)"])
@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("sample_euler_ancestral", "euler-ancestral"),
        ("sample_dpm_2_ancestral", "dpm2-ancestral"),
        ("sample_dpmpp_2s_ancestral", "dpmpp-2s-ancestral"),
        ("sample_dpmpp_2m_sde", "sde-dpmpp-2m"),
        ("sample_dpmpp_3m_sde", "sde-dpmpp-3m"),
    ],
)
def test_functions_that_draw_noise_are_our_schemes_with_the_same_noise(name, own, grid):
    """State by state, in float64."""
    pytest.importorskip("k_diffusion")
    times = times_of(scheme(own), process("edm"), grid, steps=STEPS)
    drawn = (torch.from_numpy(normals(step, 0)) for step in itertools.count())
    theirs = theirs_with_noise(Peer(name, {"noise_sampler": lambda *_: next(drawn)}), "edm", times)
    np.testing.assert_allclose(theirs, with_noise(own, "edm", times), rtol=1e-9)


def drawn_by(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let a scheduler of diffusers draw that noise."""
    diffusers = pytest.importorskip("diffusers")
    drawn = (torch.from_numpy(normals(step, 0)) for step in itertools.count())
    module = inspect.getmodule(getattr(diffusers, name))
    monkeypatch.setattr(module, "randn_tensor", lambda *_, **__: next(drawn))


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "options", "on", "own"),
    [
        ("EulerAncestralDiscreteScheduler", {}, "linear", "euler-ancestral"),
        ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "linear", "sde-dpmpp-2m(ending=lower)"),
        ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}, "edm", "sde-dpmpp-2m(ending=lower)"),
    ],
)
def test_schedulers_that_draw_noise_are_our_schemes_with_the_same_noise(monkeypatch, name, options, on, own):
    """To what float32 leaves, which the first two take every state in."""
    drawn_by(monkeypatch, name)
    times = times_of(scheme(own), process(on), "rho(7, zero=1)", steps=STEPS)
    np.testing.assert_allclose(
        theirs_with_noise(Peer(name, options), on, times), with_noise(own, on, times), rtol=1e-4, atol=1e-5
    )


@pytest.mark.check
@pytest.mark.parametrize(("p", "c"), [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3)])
@pytest.mark.parametrize("tau", [0, 1])
def test_sa_solver_of_diffusers_is_ours_but_for_its_weights_of_order_two(monkeypatch, p, c, tau):
    """Its corrector counts the new evaluation; where two are used it puts h^2 / 2 or h / 2 for an integral.

    With these put back both are one scheme to rounding, from the first step to the last; as it is they are not.
    """
    drawn_by(monkeypatch, "SASolverScheduler")
    own = f"sa-solver({p}, {c}, tau={tau}, ending=lower)"
    options = {"predictor_order": p, "corrector_order": c + 1, "tau_func": lambda t: tau, "lower_order_final": True}
    times = times_of(scheme(own), process("linear"), "rho(7)", steps=STEPS)
    ours = with_noise(own, "linear", times)
    theirs = theirs_with_noise(Peer("SASolverScheduler", options), "linear", times)
    assert np.abs(theirs / ours - 1).max() > 1e-3
    drawn_by(monkeypatch, "SASolverScheduler")
    kind = pytest.importorskip("diffusers").SASolverScheduler
    exact = kind.get_coefficients_fn

    def without(self, order, start, end, nodes, tau):
        found = exact(self, order, start, end, nodes, tau)
        if order != 2:
            return found
        k, h = 1 + tau**2, end - start
        predicts = nodes[0] == start
        moment = (h * k - 1 + torch.exp(-k * h)) / k**2
        slope = (h**2 / 2 - moment) / (start - nodes[1]) if predicts else h / 2 - moment / h
        return [found[0] - torch.exp(k * end) * slope, found[1] + torch.exp(k * end) * slope]

    monkeypatch.setattr(kind, "get_coefficients_fn", without)
    theirs = theirs_with_noise(Peer("SASolverScheduler", options), "linear", times)
    np.testing.assert_allclose(theirs, ours, rtol=1e-9)
