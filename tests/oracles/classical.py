"""Classical methods of z in process time, and conjugate Euler steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.oracles.common import Formula, Run, gauss, spent
from tests.oracles.levels import Line, in_levels

# --- dz = (F z - (1 + tau^2)/2 G^2 score) dt + tau G dW in t (arXiv:2011.13456 eqs. 6 and 13)


def drift(run: Run, z: Any, t: float, q: float) -> Any:
    """F z - (q/2) G^2 S, S = -(z - alpha D)/sigma^2."""
    at, process = np.array([t]), run.process
    alpha, sigma = float(process.alpha(at)[0]), float(process.sigma(at)[0])
    score = -(z - alpha * run.network(z, t)) / sigma**2
    return float(process.drift(at)[0, 0, 0]) * z - q / 2 * float(process.diffusion(at)[0, 0, 0]) * score


def euler(run: Run) -> Iterator[Any]:
    """z + (t' - t) f(z, t)."""
    z = run.start
    for t, ahead in zip(run.times, run.times[1:], strict=False):
        z = z + (ahead - t) * drift(run, z, t, 1)
        yield z


def heun(run: Run, ending: str = "full") -> Iterator[Any]:
    """z + (t' - t) (f(z, t) + f(z + (t' - t) f(z, t), t')) / 2; steps of one evaluation, also to t = 0, are Euler's."""
    z = run.start
    for t, ahead, count in zip(run.times, run.times[1:], spent(run, 2, ending), strict=False):
        h, slope = ahead - t, drift(run, z, t, 1)
        if count == 2:
            slope = (slope + drift(run, z + h * slope, ahead, 1)) / 2
        z = z + h * slope
        yield z


# c, A and b of the stages before the new state (Bogacki & Shampine 1989; Dormand & Prince 1980, RK5(4)7M)
BOGACKI_SHAMPINE = (0, 1 / 2, 3 / 4), ((), (1 / 2,), (0, 3 / 4)), (2 / 9, 1 / 3, 4 / 9)
DORMAND_PRINCE = (
    (0, 0.2, 0.3, 0.8, 8 / 9, 1),
    (
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    ),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
# Euler's method, the midpoint rule and Kutta's of orders 3 and 4 (Hairer, Norsett & Wanner 1993, II.1), by evaluations
FILLING = {
    1: ((0,), ((),), (1,)),
    2: ((0, 1 / 2), ((), (1 / 2,)), (0, 1)),
    3: ((0, 1 / 2, 1), ((), (1 / 2,), (-1, 2)), (1 / 6, 2 / 3, 1 / 6)),
    4: ((0, 1 / 2, 1 / 2, 1), ((), (1 / 2,), (0, 1 / 2), (0, 0, 1)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


def explicit(f: Callable[[Any, float], Any], z: Any, t: float, h: float, rule: Any) -> Any:
    """z + h sum b_i k_i with k_i = f(z + h sum a_ij k_j, t + c_i h), of a rule (c, A, b)."""
    c, A, b = rule
    k: list[Any] = []
    for node, row in zip(c, A, strict=True):
        k.append(f(z + h * sum((a * one for a, one in zip(row, k, strict=True)), 0 * z), t + node * h))
    return z + h * sum(weight * one for weight, one in zip(b, k, strict=True))


def rules(counts: list[int], whole: Any) -> list[Any]:
    """The rule of each step by its evaluations; five that a budget has left are two steps, of three and of two."""
    m = len(whole[0])
    each = [own for count in counts for own in ((3, 2) if count == 5 < m else (count,))]
    return [whole if count == m else FILLING[count] for count in each]


def pair(whole: Any) -> Formula:
    """The rule that an embedded pair goes on with, of z in process time; a step to t = 0 is Euler's."""

    def formula(run: Run) -> Iterator[Any]:
        z = run.start
        each = rules(spent(run, len(whole[0])), whole)
        for t, ahead, rule in zip(run.times[:-1], run.times[1:], each, strict=True):
            z = explicit(lambda z, t: drift(run, z, t, 1), z, t, ahead - t, rule)
            yield z

    return formula


def euler_maruyama(run: Run) -> Iterator[Any]:
    """Kloeden & Platen 1992 eq. 10.2.1, its step to t = 0 without noise."""
    z = run.start
    for n, (t, ahead) in enumerate(zip(run.times, run.times[1:], strict=False)):
        rate = float(run.process.diffusion(np.array([t]))[0, 0, 0])
        z = z + (ahead - t) * drift(run, z, t, 2)
        if ahead > 0:
            z = z + np.sqrt((t - ahead) * rate) * run.normals(n, 0)
        yield z


# --- stabilised


def stork_2(
    run: Run, taylor: int = 1, frozen: str = "drift", nodes: str = "legendre", substeps: int = 50
) -> Iterator[Any]:
    """ZT220501/STORK, step_flow_matching_2 of STORKScheduler.py at 6e1c87c: its loop over sub-steps, its names kept.

    Of the noise as rkg2_approx of external/PNDM/runner/method.py, its polynomial of degree 1 and drift at every
    sub-step, started by Euler's method and ended at t = 0 by DDIM. The abscissae gegenbauer are those of
    rkg_diffuser_flowmatching_1st_derivative.py, of external/Sana/diffusion/scheduler.
    """

    def b_coeff(j: int) -> float:
        return [1, 1 / 3][j] if j < 2 else 4 * (j - 1) * (j + 4) / (3 * j * (j + 1) * (j + 2) * (j + 3))

    def fraction(j: int) -> float:
        if nodes == "legendre":
            return (4 / 3 if j == 2 else (j - 1) ** 2 + (j - 1) - 2) / (s**2 + s - 2)
        return (6 if j == 2 else (j + 3) * (j - 2)) / ((s + 4) * (s - 1))

    def at(name: str, t: float) -> float:
        return float(np.ravel(getattr(run.process, name)(np.array([t])))[0])

    def output(z: Any, t: float) -> Any:
        """What the network of the code returns: the velocity or the noise."""
        return drift(run, z, t, 1) if frozen == "drift" else (z - at("alpha", t) * run.network(z, t)) / at("sigma", t)

    def slope(z: Any, t: float, value: Any) -> Any:
        """dz/dt with that in the place of the network."""
        if frozen == "drift":
            return value
        return at("drift", t) * z + at("diffusion", t) / (2 * at("sigma", t)) * value

    s, sample, values, lengths = substeps, run.start, [], []
    for t, t_next in zip(run.times, run.times[1:], strict=False):
        if frozen == "noise" and t_next == 0:
            yield sample / at("alpha", t) - at("noise_level", t) * output(sample, t)
            return
        dt, now = t - t_next, output(sample, t)
        first = slope(sample, t, now)
        if not values:
            image = sample - dt * first
        elif taylor == 2 and len(values) == 1:
            image = sample - 1.5 * now * dt + 0.5 * values[-1] * lengths[-1]
        else:
            h1, second = lengths[-1], 0.0
            derivative = (values[-1] - now) / h1
            if taylor == 2:
                h2 = lengths[-2]
                derivative = (-values[-2] + 4 * values[-1] - 3 * now) / (2 * h1)
                second = 2 / (h1 * h2 * (h1 + h2)) * (values[-2] * h1 - values[-1] * (h1 + h2) + now * h2)
            Y_j_2 = Y_j_1 = Y_j = sample
            for j in range(1, s + 1):
                mu_tilde = 6 / ((s + 4) * (s - 1))
                if j == 1:
                    Y_j = Y_j_1 - dt * mu_tilde * first
                else:
                    mu = (2 * j + 1) * b_coeff(j) / (j * b_coeff(j - 1))
                    nu = -(j + 1) * b_coeff(j) / (j * b_coeff(j - 2))
                    mu_tilde = mu * mu_tilde
                    gamma_tilde = -mu_tilde * (1 - j * (j + 1) * b_coeff(j - 1) / 2)
                    diff = -fraction(j) * dt
                    there = slope(Y_j_1, t + diff, now + diff * derivative + 0.5 * diff**2 * second)
                    Y_j = mu * Y_j_1 + nu * Y_j_2 + (1 - mu - nu) * sample - dt * mu_tilde * there
                    Y_j = Y_j - dt * gamma_tilde * first
                Y_j_2, Y_j_1 = Y_j_1, Y_j
            image = Y_j
        values, lengths, sample = [*values, now], [*lengths, dt], image
        yield sample


# --- conjugate integrators (arXiv:2310.07894 eqs. 9-13) on a scalar process, where B is a number


def conjugate(
    line: Line, B: Callable[[float], float], integral: Callable[[float, float], float], mean: float = 0.0
) -> Iterator[Any]:
    """The frame z^ = A_t z with A = exp(int (B - F)) and one noise per step, stepped by Euler's method.

    In x = z/alpha: x' = e^b (1 - h B(t)) x + int_s^s' e^(b(r)) dr eps, b the integral of B from a point to the end of
    the step, h its length in time.
    B, integral  B(t), and (t, t') -> the integral of B over the times between
    mean         of the law whose x - mean is what moves
    """
    x, process = line.x - mean, line.run.process
    for n, s, s_end in line.steps():
        t, t_end = float(line.run.times[n]), float(line.run.times[n + 1])
        eps = line.noise(x + mean, s)
        if s_end == 0:
            yield x + mean - s * eps
            return

        def integrand(log_r: Any, t_end: float = t_end) -> Any:
            times = process.time_of_noise_level(np.exp(log_r))
            return np.exp(log_r + np.array([integral(float(r), t_end) for r in times.ravel()]).reshape(times.shape))

        moved = np.exp(integral(t, t_end)) * (1 - (t - t_end) * B(t)) * x
        x = moved + gauss(integrand, np.log(s), np.log(s_end)) * eps
        yield x + mean


def lambda_ddim(
    line: Line,
    *,
    shift: float = 0.0,
    B: str = "constant",
    skip: str = "none",
    sigma_data: float = 0.5,
    mean: float = 0.0,
) -> Iterator[Any]:
    """arXiv:2310.07894, lambda-DDIM: B = lambda, lambda beta(t) or lambda t; of one block I and the ones are one.

    B = optimal chooses lambda at each step by `best`.
    """
    if B == "optimal":
        yield from best_conjugate(line, sigma_data=sigma_data, mean=mean)
        return
    process = line.run.process

    def beta(t: float) -> float:
        return -2 * float(process.drift(np.array([t]))[0, 0, 0])

    def log_alpha(t: float) -> float:
        return float(np.log(process.alpha(np.array([t]))[0]))

    at, between = {
        "constant": (lambda t: shift, lambda t, end: shift * (t - end)),
        "beta": (lambda t: shift * beta(t), lambda t, end: 2 * shift * (log_alpha(end) - log_alpha(t))),
        "time": (lambda t: shift * t, lambda t, end: shift * (t**2 - end**2) / 2),
    }[B]
    yield from conjugate(line, at, between)


def best(process: Any, t: float, v: float) -> float:
    """The B that makes |B^2 + (L - K) B + M| least: the root nearest 0, or the vertex where there is none.

    On N(0, v) a conjugate Euler step with frozen noise eps = E z, E = sigma/V, V = v alpha^2 + sigma^2, misses the flow
    by -(h^2/2) times that bracket, with L = -a, K = L + N E, N = -alpha ds/dt, M = N (E K - dE/dt), a = d log alpha/dt:
    compare e^(h (L + B)) (1 - h B) + h N E with e^(h K), E and its derivative along the flow, to second order in h.
    """
    at = np.array([t])
    alpha, s = float(process.alpha(at)[0]), float(process.noise_level(at)[0])
    sigma, a = alpha * s, float(process.drift(at)[0, 0, 0])
    s_rate = float(process.diffusion(at)[0, 0, 0]) / (2 * sigma * alpha)  # G^2 = 2 alpha^2 s ds/dt
    sigma_rate = a * sigma + alpha * s_rate
    V, V_rate = v * alpha**2 + sigma**2, 2 * a * v * alpha**2 + 2 * sigma * sigma_rate
    E, E_rate = sigma / V, (sigma_rate * V - sigma * V_rate) / V**2
    L, N = -a, -alpha * s_rate
    K = L + N * E
    M = N * (E * K - E_rate)
    middle, square = (K - L) / 2, ((K - L) / 2) ** 2 - M
    if square < 0:
        return middle
    return min(middle - np.sqrt(square), middle + np.sqrt(square), key=abs)


def best_conjugate(line: Line, *, sigma_data: float, mean: float) -> Iterator[Any]:
    """arXiv:2310.07894 with the B of each step that makes its error of order h^2 on N(mean, sigma_data^2) least."""
    own = {float(t): best(line.run.process, float(t), sigma_data**2) for t in line.run.times[:-1]}

    def over(t: float, end: float) -> float:
        """The integral of the B of the step that ends at `end`."""
        n = int(np.flatnonzero(line.run.times == end)[0])
        return own[float(line.run.times[n - 1])] * (t - end)

    yield from conjugate(line, own.__getitem__, over, mean)


CLASSICAL: dict[str, Formula] = {
    "euler": euler,
    "heun": heun,
    "bs32": pair(BOGACKI_SHAMPINE),
    "dopri5": pair(DORMAND_PRINCE),
    "em": euler_maruyama,
    "stork-2": stork_2,
    "lambda-ddim-1": in_levels(lambda_ddim),
    "lambda-ddim-2": in_levels(lambda_ddim),
    "conjugate-optimal": in_levels(best_conjugate),
}
