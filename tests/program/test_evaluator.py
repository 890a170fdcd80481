"""Entries as float64 blocks against what does not read entries: exponentials, kernels of processes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from numtoolkit.declare.entries import covariance, flow, integral, op
from numtoolkit.problem.axes import problem
from numtoolkit.problem.processes import PSLD
from numtoolkit.program.evaluator import LONG, SHORT, Evaluator, _exponential


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.3, -1.0], [0.2, -2.0]],
        [[0.1, 3.0], [-2.0, -0.4]],  # complex eigenvalues
        [[1.0, 1.0], [5e-9, 1.0]],  # nearly equal ones
        [[1.0, 1.0], [-5e-9, 1.0]],
        [[-0.5, 2.0], [0.0, -0.5]],  # defective
        [[0.0, 0.0], [0.0, 0.0]],
    ],
)
def test_the_exponential_of_two_blocks_is_that_of_matrices(matrix):
    """Real, complex, nearly equal and equal eigenvalues, to 1e-14 of scipy's."""
    found = _exponential(np.array([matrix]))[0]
    np.testing.assert_allclose(found, expm(np.array(matrix)), rtol=0, atol=1e-14 * np.abs(found).max())


@pytest.mark.parametrize("process", [PSLD(), PSLD(beta_min=4, beta_max=12)], ids=lambda p: p.spec)
@pytest.mark.parametrize("clock", ["natural", "time", "angle"])
def test_forward_noise_and_flow_are_those_of_the_kernel(process, clock):
    """By exponentials where a clock fixes the blocks, by quadrature where none does.

    Back against the clock the forward process runs: Sigma_t = E Sigma_s E' + noise, which is never negative."""
    times = np.array([0.8, 0.5, 0.2])
    evaluator = Evaluator(problem(process, "score", clock), times, np.array([0, 1]), {})
    E = evaluator.block(flow(1, 0, op("F")))
    noise = evaluator.block(covariance(1, 0, op("F"), op("Q")))
    propagator, sigma = process.propagator(times), process.kernel(times)[1]
    np.testing.assert_allclose(E, propagator[:2] @ np.linalg.inv(propagator[1:]), rtol=0, atol=1e-11)
    np.testing.assert_allclose(noise, sigma[:2] - E @ sigma[1:] @ np.swapaxes(E, 1, 2), rtol=0, atol=1e-12)


@pytest.mark.parametrize("entry", [flow(L=op("unit")), integral(L=op("unit")), covariance(L=op("unit"), G=op("Q"))])
def test_each_step_is_integrated_on_the_mesh_that_it_needs_alone(entry, monkeypatch):
    """A long step beside a short one changes no digit of it, and is what it is alone: its own, longer mesh."""
    own, times = problem(PSLD(beta_min=4, beta_max=12), "noise", "angle"), np.array([0.8, 0.79, 0.2, 0.199])
    values = [Evaluator(own, times, np.array(n), {}).block(entry) for n in ([0, 1, 2], [0], [1], [2])]
    np.testing.assert_allclose(values[0], np.concatenate(values[1:]), rtol=1e-14)
    asked = []
    nodes = Evaluator._nodes
    monkeypatch.setattr(Evaluator, "_nodes", lambda self, *own: asked.append((self.n, own[-1])) or nodes(self, *own))
    Evaluator(own, times, np.array([0, 1, 2]), {}).block(entry)
    assert asked == [(3, SHORT), (1, LONG)]
