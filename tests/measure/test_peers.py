"""Samplers of other libraries: what they are told and held to, and that on our levels they are our schemes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws import law_of
from numtoolkit.measure import peers
from numtoolkit.measure.curves import error_by
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.measure.flows import exact_flow
from numtoolkit.measure.peers import peer, peer_run, run_peer, steps_within
from numtoolkit.problem.processes import process
from numtoolkit.program.runs import program_of, times_of
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
    run = run_peer(peer("IPNDMScheduler"), LAW.denoise, where.process, noise, 20)
    exact = exact_flow(process("edm"), LAW, [1e6 * noise], 1e6, 0.0)[0]
    assert run.level == pytest.approx(1e6, rel=1e-6)
    assert not run.scaled
    assert found.error == pytest.approx(np.sqrt(np.mean((run.ends - exact) ** 2) / np.mean(exact**2)), rel=1e-4)
    x, angles = noise, np.linspace(np.pi / 2, 0, 21)
    for angle, following in itertools.pairwise(angles):
        alpha, sigma = max(np.cos(angle), 1e-6), np.sin(angle)
        data = LAW.denoise(x / alpha, sigma / alpha)
        x = np.cos(following) * data + np.sin(following) * (x - np.cos(angle) * data) / sigma
    np.testing.assert_allclose(run.ends, x, atol=1e-5)  # in float32, as it is used


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
    for text, on, sentence in [
        ("sample_euler(s_churns=1)", "edm", "sample_euler takes no s_churns; it takes model, x, sigmas"),
        ("DDIMScheduler(clip=true)", "linear", "DDIMScheduler takes no clip; it takes trained_betas"),
    ]:
        with pytest.raises(InputError, match=sentence):
            run_peer(peer(text), LAW.denoise, process(on), np.zeros((1, 3)), 2)
    with pytest.raises(InputError, match="lays its own noise levels"):
        run_peer(peer("sample_dpm_fast"), LAW.denoise, process("edm"), np.zeros((1, 3)), 2, np.array([2.0, 1.0, 0.0]))
    with pytest.raises(InputError, match="has no noise level for each step"):
        run_peer(peer("IPNDMScheduler"), LAW.denoise, process("edm"), np.zeros((1, 3)), 2, np.array([2.0, 1.0, 0.0]))


def test_peers_run_where_networks_are_told_what_they_tell():
    """Timesteps on a table, noise levels preconditioned on EDM, others on both, and none on the straight path."""
    on = {name: [own.runs_on(process(name)) for own in map(peer, ("DDIMScheduler", "EDMEulerScheduler", "sample_lms"))]
          for name in ("linear", "sd", "edm", "flow", "vp")}  # fmt: skip
    assert on == {"linear": [True, False, True], "sd": [True, False, True], "edm": [False, True, True],
                  "flow": [False] * 3, "vp": [False] * 3}  # fmt: skip


def test_another_version_is_no_stand_in(monkeypatch):
    """A sentence says what is missing, and nothing where the version is there."""
    absent(monkeypatch, {"diffusers": "0.1"})
    assert peers.lacking("diffusers", "0.1") == ""
    assert peers.lacking("diffusers", "0.2") == "this runs diffusers 0.2, and 0.1 is installed; change it."
    assert "k-diffusion 1, which is not installed; pip install 'numtoolkit[peers]'" in peers.lacking("k-diffusion", "1")


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
    assert found.error == pytest.approx(ours.value, rel=tolerance)
