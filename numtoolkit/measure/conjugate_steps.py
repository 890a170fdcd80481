"""The stability theorem of conjugate steps against the steps themselves, on a process with Gaussian data.

The theorem (`numtoolkit.symbolic.conjugate_stability`) takes I + h (N E - B) for a step of zhat = A z. Its longest
stable step stands here beside those of the step of zhat with the coefficients that are run, and of the state's own.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.declare.entries import ONE, ZERO, At, Flow, Int, L, N
from numtoolkit.declare.scheme import Scheme
from numtoolkit.errors import InputError, brief, real, several
from numtoolkit.measure.single_steps import Frame, exact_slope, own_frame, stable_step, step_evaluator
from numtoolkit.measure.stability import MOST_VARIANCE
from numtoolkit.phi_functions import expm
from numtoolkit.problem.processes import Floats, Process
from numtoolkit.problem.processes import process as process_of
from numtoolkit.program.evaluator import Evaluator
from numtoolkit.program.program import problem_of
from numtoolkit.schemes import scheme as scheme_of
from numtoolkit.symbolic.conjugate_stability import conjugation

SHORT = 2000  # steps that a long flow is put together of


@dataclass(frozen=True)
class ConjugateStep:
    """The steps from one time t that are stable, in process time; inf where nothing there is unstable.

    t            where steps start; the longest one is t - t_min
    eigenvalues  of N E - B at t per unit of process time, the real part least first
    theorem      the h up to which |1 + h l| <= 1 for all of them, 0 where some l has a real part above 0
    zhat         the h up to which the step of zhat = A z is stable, with the coefficients that are run
    state        the same of the step of the state itself, which is `stable_step`
    gap          how far the difference of Phi over the theorem's step, or the longest one if that is shorter, is from
                 h Phi', relative to h Phi', in the Frobenius norm; None where the theorem allows no step
    """

    t: float
    eigenvalues: tuple[complex, ...]
    theorem: float
    zhat: float
    state: float
    gap: float | None

    def record(self) -> dict[str, Any]:
        """The fields by name, eigenvalues as a list."""
        return asdict(self) | {"eigenvalues": list(self.eigenvalues)}


def conjugate_steps(
    scheme: str | Scheme, process: str | Process = "psld", variance: float = 0.25, t: ArrayLike = (0.1, 0.2, 0.5, 1.0)
) -> list[ConjugateStep]:
    """The longest stable steps of a scheme by the stability theorem of conjugate steps, and those that there are.

    scheme    or its specification, without history: of the family conjugate, or any other, for which B = 0
    process   or its specification; the data are N(., variance) in each coordinate and the network is exact
    variance  of one coordinate of the data
    t         process times (n,) above t_min, up to T
    returns   one entry a time
    raises    InputError for a scheme with history, and values of no meaning
    cost      900 steps read for each time, 10 ms
    """
    declared, own = scheme_of(scheme).agreed.unfitted(), process_of(process)
    variance = real("variance", variance, 0, MOST_VARIANCE)
    start = times_of(own, t)
    if (start == own.t_min).any():
        raise InputError(f"a step from t_min = {own.t_min} has no length; give times above it.")
    eigenvalues = frozen_eigenvalues(declared, own, variance, start)
    theorem = longest_by(eigenvalues)
    frame = conjugate_frame(declared, own)
    zhat, state = (stable_step(declared, own, variance, start, each) for each in (frame, own_frame))
    ends = np.maximum(start - theorem, own.t_min)
    return [
        ConjugateStep(
            float(start[i]),
            tuple(map(complex, eigenvalues[i])),
            float(theorem[i]),
            float(zhat[i]),
            float(state[i]),
            float(phi_gap(declared, own, start[[i]], ends[[i]])[0]) if theorem[i] else None,
        )
        for i in range(len(start))
    ]


def times_of(process: Process, t: ArrayLike) -> Floats:
    """Times (n,) on a process, from t_min to T.

    raises   InputError for others, or none
    """
    given = [float(v) for v in t] if isinstance(t, np.ndarray) and t.ndim == 1 and t.dtype.kind in "fiu" else t
    start = np.array([real("t", value, process.t_min, process.T) for value in several("t", given)])
    if not start.size:
        raise InputError(f"t = {brief(str(t))} holds no time; give one from {process.t_min} to {process.T}.")
    return start


def frozen_eigenvalues(
    scheme: str | Scheme, process: str | Process, variance: float, t: ArrayLike
) -> NDArray[np.complex128]:
    """The eigenvalues (n, k) of N E - B per unit of process time, coefficients frozen at the times t (n,).

    At B = 0 those of lambda-ddim-1 are of (1/2) G G' times the Hessian of log p_t; those of a scheme that freezes the
    whole drift are of the drift itself, the spectrum that an optimal stability polynomial is made for.
    scheme, process, variance   as of `conjugate_steps`
    t        times from t_min to T
    returns  complex, the real part least first
    raises   InputError for values of no meaning
    """
    declared, own = scheme_of(scheme).agreed.unfitted(), process_of(process)
    start, variance = times_of(own, t), real("variance", variance, 0, MOST_VARIANCE)
    evaluator = evaluator_of(declared, own, start, start / 2)
    forcing = evaluator.block(At(N, ZERO)) @ exact_slope(evaluator.problem, variance, start)
    matrices = forcing - evaluator.block(At(conjugation(declared.steps.inner), ZERO))
    per_time = evaluator.h * evaluator.problem.rate(start)
    values = np.linalg.eigvals(matrices / per_time[:, None, None]).astype(np.complex128)
    return np.take_along_axis(values, values.real.argsort(axis=1, kind="stable"), axis=1)


def longest_by(eigenvalues: NDArray[np.complex128]) -> Floats:
    """The h (n,) up to which |1 + h l| <= 1 for every eigenvalue (n, k); 0 where the real part of one is above 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(eigenvalues == 0, np.inf, -2 * eigenvalues.real / np.abs(eigenvalues) ** 2)
    return np.maximum(own.min(axis=1), 0)


def conjugate_frame(scheme: Scheme, process: Process) -> Frame:
    """The frame of zhat at the start of a step: Flow(L + B)^-1 times its matrix."""
    whole = Flow(L + conjugation(scheme.steps.inner), ZERO, ONE)

    def frame(start: Floats, end: Floats, matrices: Floats) -> Floats:
        return np.asarray(np.linalg.solve(evaluator_of(scheme, process, start, end).block(whole), matrices))

    return frame


def phi_gap(scheme: str | Scheme, process: str | Process, start: Floats, end: Floats) -> Floats:
    """|A^-1 (Phi(end) - Phi(start)) - h N| / |h N| (n,) of the steps from the times start to end (n,), Frobenius norms.

    scheme, process   as of `conjugate_steps`; A is I at the start of a step and h N = h Phi' there
    """
    declared = scheme_of(scheme).agreed.unfitted()
    evaluator = evaluator_of(declared, process_of(process), start, end)
    X = L + conjugation(declared.steps.inner)
    run = np.linalg.solve(evaluator.block(Flow(X, ZERO, ONE)), evaluator.block(Int(X, N, (ONE,), ZERO, ONE)))
    held = evaluator.block(At(N, ZERO))
    return np.linalg.norm(run - held, axis=(1, 2)) / np.linalg.norm(held, axis=(1, 2))


def evaluator_of(scheme: Scheme, process: Process, start: Floats, end: Floats) -> Evaluator:
    """That of single steps of a scheme on a process from the times start to end (n,), as runs of one step each."""
    t = np.stack([start, end], axis=1).ravel()
    return step_evaluator(scheme, problem_of(scheme, process), t, 2 * np.arange(len(start)))


def literal_gap(scheme: str | Scheme, process: str | Process) -> float:
    """|exp(integral of W) - A| / |A| from T to t_min, Frobenius norms, W = B - F + G G' C_skip / 2 and A' = A W.

    The exponential of an integral is the solution A where W commutes with itself at different times, and else is not.

    scheme, process   as of `conjugate_steps`
    cost     no evaluations: flows of `SHORT` short steps, whose integrals are trapezoidal
    """
    declared, own = scheme_of(scheme).agreed.unfitted(), process_of(process)
    t = own.t_min + (own.T - own.t_min) * np.linspace(1, 0, SHORT + 1) ** 2
    evaluator = evaluator_of(declared, own, t[:-1], t[1:])
    W = L + conjugation(declared.steps.inner)
    literal = expm((evaluator.block(At(W, ZERO)) + evaluator.block(At(W, ONE))).sum(axis=0)[None] / 2)[0]
    flow = np.eye(own.blocks)
    for short in evaluator.block(Flow(W, ZERO, ONE)):
        flow = short @ flow
    return float(np.linalg.norm(literal - flow) / np.linalg.norm(flow))
