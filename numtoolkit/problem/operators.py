"""The operators in use, per unit of the clock: what entries of a declaration may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numtoolkit.problem.clocks import BETA, TIME
from numtoolkit.problem.kinds import PHASE_SPACE, Floats
from numtoolkit.problem.problem import Clock, Frozen, Operator, Problem, Window

Blocks = Callable[[Problem, Floats], Floats]


def _rate(problem: Problem, t: Floats) -> Floats:
    return problem.rate(t)[:, None, None]


def _eye(problem: Problem, t: Floats) -> Floats:
    k = problem.process.blocks
    return np.broadcast_to(np.eye(k), (len(t), k, k))


def _per_beta(problem: Problem) -> Clock | None:
    return BETA


def _per_time(problem: Problem) -> Clock | None:
    return TIME


def _always(frozen: Frozen) -> bool:
    return True


def _never(frozen: Frozen) -> bool:
    return False


# --- the equation


def _forward_log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    process = problem.scalar
    return None if process is None else process.log_alpha(end) - process.log_alpha(start)


F = Operator(
    "F",
    "the forward drift",
    lambda problem, t: -_rate(problem, t) * problem.process.drift(t),
    log_flow=_forward_log_flow,
    per=_per_beta,
    line=lambda linear, frozen: linear if frozen.of_score else 0,
)
Q = Operator(
    "Q",
    "the covariance rate of the forward noise",
    lambda problem, t: _rate(problem, t) * problem.process.diffusion(t),
    per=_per_beta,
    diagonal=_always,
)
G = Operator(
    "G",
    "tau^2 Q, the covariance rate of the noise of the dynamics",
    lambda problem, t: problem.tau**2 * Q.blocks(problem, t),
    per=_per_beta,
    diagonal=_always,
)


def _linear(problem: Problem, t: Floats) -> Floats:
    if problem.frozen.whole:
        return np.zeros((len(t), problem.process.blocks, problem.process.blocks))
    return F.blocks(problem, t) + problem.q / 2 * Q.blocks(problem, t) @ problem.frozen.to_score(problem, t)[0]


def _linear_log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    if problem.frozen.whole:
        return np.zeros_like(start)
    if problem.frozen.of_score:
        return _forward_log_flow(problem, start, end)
    return problem.frozen.log_flow(problem, start, end)


def _forcing(problem: Problem, t: Floats) -> Floats:
    if problem.frozen.whole:
        return _eye(problem, t)
    return problem.q / 2 * Q.blocks(problem, t) @ problem.frozen.to_score(problem, t)[1]


L = Operator(
    "L",
    "the linear part of the equation",
    _linear,
    log_flow=_linear_log_flow,
    per=lambda problem: BETA if problem.frozen.whole or problem.frozen.of_score else None,
    line=lambda linear, frozen: 0 if frozen.whole else linear,
)
N = Operator(
    "N",
    "what multiplies the frozen quantity",
    _forcing,
    per=lambda problem: BETA if problem.frozen.fixed_forcing else None,
    line=lambda linear, frozen: 1,
    diagonal=lambda frozen: frozen.diagonal,
)

# --- parts of the equation


def _damping(problem: Problem, t: Floats) -> Floats:
    return _rate(problem, t) * (problem.process.drift(t) * np.eye(problem.process.blocks))


def _damping_log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    process = problem.scalar
    return None if process is None else process.log_alpha(start) - process.log_alpha(end)


def _reverse_drift(problem: Problem, t: Floats) -> Floats:
    prior = np.linalg.inv(problem.process.prior())
    return F.blocks(problem, t) - problem.q / 2 * Q.blocks(problem, t) @ prior


O = Operator(  # noqa: E741
    "O",
    "the Ornstein-Uhlenbeck damping while sampling",
    _damping,
    log_flow=_damping_log_flow,
    per=_per_beta,
    diagonal=_always,
)
R = Operator("R", "the reverse drift at the stationary law", _reverse_drift, per=_per_beta)

# --- fixed matrices, per unit of process time, of the integral of beta, or growing with time


def _elapsed(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    return None if problem.scalar is None else start - end


def _elapsed_beta(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    process = problem.scalar
    return None if process is None else 2 * (process.log_alpha(end) - process.log_alpha(start))


def _elapsed_square(problem: Problem, start: Floats, end: Floats) -> Floats | None:
    return None if problem.scalar is None else (start - end) * (start + end) / 2


def _beta(problem: Problem, t: Floats) -> Floats:
    """beta(t), which -2 d log(alpha)/dt is on a scalar process."""
    process = problem.process
    return -2 * process.drift(t) if problem.scalar else 1 / BETA.rate(problem, t)[:, None, None]


def _ones(problem: Problem, t: Floats) -> Floats:
    k = problem.process.blocks
    return _rate(problem, t) * np.ones((len(t), k, k))


def _unit(problem: Problem, t: Floats) -> Floats:
    return _rate(problem, t) * _eye(problem, t)


def _line(linear: Any, frozen: Frozen) -> Any:
    return 1


def _matrix(
    name: str, matrix: str, blocks: Blocks, latex: str, diagonal: Callable[[Frozen], bool]
) -> tuple[Operator, Operator, Operator]:
    """A fixed matrix per unit of process time, of the integral of beta, and of time times the process time."""
    sentence = f"the {matrix} per unit of process time"
    return (
        Operator(name, sentence, blocks, _elapsed, _per_time, line=_line, latex=latex, diagonal=diagonal),
        Operator(
            f"{name}_beta",
            f"the {matrix} per unit of the integral of beta",
            lambda problem, t: _beta(problem, t) * blocks(problem, t),
            _elapsed_beta,
            _per_beta,
            line=_line,
            latex=rf"{latex}_{{\beta}}",
            diagonal=diagonal,
        ),
        Operator(
            f"{name}_time",
            f"the process time times the {matrix} per unit of it",
            lambda problem, t: t[:, None, None] * blocks(problem, t),
            _elapsed_square,
            line=_line,
            latex=f"t{latex}",
            diagonal=diagonal,
        ),
    )


UNIT, UNIT_BETA, UNIT_TIME = _matrix("unit", "identity", _unit, "I", _always)
ONES, ONES_BETA, ONES_TIME = _matrix("ones", "all-ones matrix", _ones, "J", _never)


def _place(name: str) -> Operator:
    """1 in one place of a block, its row and column, and 0 elsewhere; a scalar process has only xx."""

    def blocks(problem: Problem, t: Floats) -> Floats:
        rows = problem.process.rows
        return _rate(problem, t) * np.array([[float(row + column == name) for column in rows] for row in rows])

    def log_flow(problem: Problem, start: Floats, end: Floats) -> Floats | None:
        if problem.scalar is None:
            return None
        return start - end if name == "xx" else np.zeros_like(start)

    sentence = f"1 in the place {name} and 0 elsewhere, per unit of process time"
    value = int(name == "xx")
    return Operator(
        name,
        sentence,
        blocks,
        log_flow,
        _per_time,
        line=lambda linear, frozen: value,
        latex=f"I_{{{name}}}",
        diagonal=lambda frozen: name[0] == name[1],
    )


PLACES = tuple(_place(row + column) for row in PHASE_SPACE.rows for column in PHASE_SPACE.rows)

OPERATORS = {
    operator.name: operator
    for operator in (F, Q, G, L, N, O, R, UNIT, ONES, UNIT_BETA, ONES_BETA, UNIT_TIME, ONES_TIME, *PLACES)
}


def forward_noise(window: Window) -> Floats | None:
    """The covariance (n,) of the forward noise over a window of a scalar process: alpha_b^2 |s_b^2 - s_a^2|."""
    process = window.problem.scalar
    if process is None:
        return None
    s0, s1 = process.noise_level(window.start), process.noise_level(window.end)
    return process.alpha(window.end) ** 2 * np.abs(s1 - s0) * (s1 + s0)
