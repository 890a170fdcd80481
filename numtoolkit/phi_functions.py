"""Stable phi functions, window integrals of exponentials and covariances of linear noise.

phi_0 = exp and phi_k(z) = int_0^1 e^{(1-r)z} r^{k-1}/(k-1)! dr = sum_m z^m/(m+k)! (Hochbruck and Ostermann
2010, Exponential integrators, section 2.1): whatever an exponential integrator multiplies a polynomial by is
one of these at z = hL.  A window integral is int_a^b e^{(b-s)z} w(s) ds with w(s) = sum_j weights[j] s^j,
for numbers z or for stacks of small matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.errors import InputError

HIGHEST = 8  # the highest k of phi_k; a weight has at most 8 coefficients, one for each of phi_1 ... phi_8


def phi(k: int, z: ArrayLike) -> Any:
    """phi_k(z) for k = 0..8, elementwise.

    The power series where |z| <= k + 1, for it cancels little there; beyond, phi_{j+1} = (phi_j - 1/j!)/z
    from expm1, which damps earlier errors by about (j+1)/|z| each time.  Largest relative errors against 60
    digits for |z| <= 700: 8e-16 for real z and for complex z left of the imaginary axis, 4e-15 right of it.

    z        number or array, read as complex128 if complex and as float64 if not; real -inf gives the limit 0
    returns  same shape, a number for a number; inf where e^z overflows (real z above 709.7)
    raises   InputError for a k that is not an integer from 0 to 8
    cost     about 2 (24 + 2k) array operations where |z| <= k + 1, 2k elsewhere

    >>> float(phi(1, 0.0)), float(phi(3, -np.inf))
    (1.0, 0.0)
    """
    _check_index("phi_k", "k", k, HIGHEST)
    x = _numbers(z)
    if k == 0:
        return np.exp(x)
    near = np.abs(x) <= k + 1
    out = np.empty_like(x)
    out[near], out[~near] = _series(k, x[near]), _recurrence(k, x[~near])
    return out[()]


def moment(j: int, z: ArrayLike) -> Any:
    """int_0^1 e^{(1-r)z} r^j dr = j! phi_{j+1}(z) for j = 0..7; arrays, accuracy and errors as in `phi`."""
    _check_index("a moment", "j", j, HIGHEST - 1)
    return factorial(j) * phi(j + 1, z)


def window_integral(z: ArrayLike, a: ArrayLike, b: ArrayLike, weights: Sequence[ArrayLike]) -> Any:
    """int_a^b e^{(b-s)z} w(s) ds for numbers z, all arguments broadcast together.

    With s = a + (b-a)r it is (b-a) sum_i c_i moment(i, (b-a)z), c_i the coefficients of w in r.  Each term is
    exact to rounding; only what w itself cancels on the window is lost.

    z        real or complex; real -inf gives the limit, 0, if b >= a
    a, b     the window on the clock of z, in either order; an empty one gives 0 for every z
    weights  one to eight coefficients of w, lowest degree first, each a number or an array
    raises   InputError for another count of weights, or for z = -inf on a window run backward

    >>> float(window_integral(0.0, 1.0, 2.0, [0.0, 2.0]))  # the integral of 2 s
    3.0
    """
    x, width = _over_window(z, a, b)
    return width * sum(c * moment(i, x) for i, c in enumerate(_on_unit_window(a, b, weights)))


def scaled_window_integral(z: ArrayLike, a: ArrayLike, b: ArrayLike, weights: Sequence[ArrayLike]) -> Any:
    """-z times `window_integral`, finite for all z < 0: at real z = -inf it is the limit w(b), and only that.

    It is what a step of y' = z (y - w(s)) adds to the decayed y.  z, a, b, `weights`, accuracy and errors as
    in `window_integral`; an empty window gives 0 at z = -inf too, as it does for every other z.

    >>> float(scaled_window_integral(-np.inf, 1.0, 2.0, [0.0, 2.0]))
    4.0
    """
    x, _ = _over_window(z, a, b)
    frozen = np.isneginf(x.real)
    x = np.where(frozen, -1.0, x)  # any finite number: these elements get their limit, 1, below
    parts = enumerate(_on_unit_window(a, b, weights))
    return sum(c * np.where(frozen, 1.0, -x * moment(i, x)) for i, c in parts)


def expm(A: ArrayLike) -> Any:
    """The exponential of each matrix of a stack (..., k, k), real or complex, by power series and squaring.

    Squares expm(X) beside F = expm(X) - I.  The second keeps the digits of what hardly moves, the first
    those of what is damped away.  Largest errors seen for |A| up to 10, relative to the largest entry:
    1e-14, against 3e-12 of scipy.linalg.expm; beyond, they grow like |A|.

    raises   InputError for matrices that are not square or not finite
    cost     about 16 + 2 log2|A| products of k x k matrices
    """
    stack = _matrices(A)
    if stack.shape[-1] == 1:
        return np.exp(stack)
    X, doublings = _shortened(_finite(stack))
    identity = np.eye(stack.shape[-1])
    F = X @ _matrix_series(1, X)
    F, E = _doubled(lambda F, E: [2 * F + F @ F, E @ E], doublings, F, identity + F)
    moving = identity + F
    return np.where(np.abs(moving).max((-1, -2), keepdims=True) > 0.1, moving, E)


def matrix_window_integral(A: ArrayLike, a: ArrayLike, b: ArrayLike, weights: Sequence[ArrayLike]) -> Any:
    """int_a^b expm((b-s)A) w(s) ds for stacked small matrices, w a scalar polynomial.

    As `window_integral`, with phi functions of the matrix H = (b-a)A: power series at 2^{-n} H, then n times
    the doubling phi_q(2X) = 2^{-q} (expm(X) phi_q(X) + sum_{j=1}^q phi_j(X)/(q-j)!) (Skaflestad and Wright
    2009, The scaling and modified squaring method).  Errors for |H| up to 500, relative to the largest entry
    of each term: 1e-15.  One exponential of [[H, I, 0], [0, 0, I], [0, 0, 0]] by scipy
    takes ten times as long and errs up to 1e-13.

    A        (..., k, k) real or complex, finite; for k = 1 it is `window_integral`, with its limit at -inf
    a, b, weights   as in `window_integral`, broadcasting with the leading axes of A
    returns  (..., k, k)
    raises   InputError as in `window_integral` and `expm`
    cost     about (16 + log2|H|) len(weights) products of k x k matrices
    """
    stack, width = _matrices(A), _numbers(b) - _numbers(a)
    if stack.shape[-1] == 1:
        return _lift(window_integral(stack[..., 0, 0], a, b, weights))
    coefficients = _on_unit_window(a, b, weights)
    phis = _matrix_phis(len(coefficients), _lift(width) * _finite(stack))
    terms = enumerate(zip(coefficients, phis, strict=True))
    return sum(_lift(width * factorial(i) * c) * P for i, (c, P) in terms)


def covariance_integral(A: ArrayLike, Q: ArrayLike, a: ArrayLike, b: ArrayLike) -> Any:
    """int_a^b expm((b-s)A) Q expm((b-s)A)^T ds, the covariance of dx = A x ds + Q^(1/2) dW from x(a) = 0.

    A short window by its power series, then doubling: S_2h = S_h + E_h S_h E_h^T with E_h = expm(hA).  For
    Q >= 0 it adds positive terms only, whereas the block exponential of Van Loan (1978) multiplies e^{-hA} by
    e^{hA} and loses all digits once A damps.  Errors for |A| (b - a) up to 500, relative to the largest
    entry: 2e-15, and 1e-14 for a nearly undamped oscillation.

    A        (..., k, k), finite; for k = 1, where phi_1 gives the closed form, also -inf, with the limit 0
    Q        (..., k, k), finite and exactly symmetric
    a, b     the window, in either order, broadcasting with the leading axes
    returns  (..., k, k), exactly symmetric
    raises   InputError for matrices that are not as said
    cost     about 40 + 4 log2(|A| (b - a)) products of k x k matrices
    """
    A, Q, width = _matrices(A), _finite(_matrices(Q)), _numbers(b) - _numbers(a)
    k = A.shape[-1]
    if Q.shape[-1] != k or not np.array_equal(Q, np.swapaxes(Q, -1, -2)):
        raise InputError(f"Q must be symmetric, of size {k} like A; give (Q + Q^T)/2 if it nearly is.")
    if k == 1:
        return _lift(window_integral(2 * A[..., 0, 0], a, b, [Q[..., 0, 0]]))
    X, doublings = _shortened(_lift(width) * _finite(A))

    def double(F: Any, S: Any) -> list[Any]:
        E = np.eye(k) + F
        return [2 * F + F @ F, S + _symmetrised(E @ S @ np.swapaxes(E, -1, -2))]

    term, power = np.ldexp(1.0, -doublings) * _lift(width) * Q, X
    F, S = power, term
    for n in range(2, 20):
        term, power = _symmetrised(X @ term) * (2 / n), X @ power / n
        F, S = F + power, S + term
    return _doubled(double, doublings, F, S)[1]


def _check_index(what: str, letter: str, value: int, highest: int) -> None:
    if not isinstance(value, int | np.integer) or not 0 <= value <= highest:
        raise InputError(f"{what} is known for {letter} = 0 to {highest}, not for {letter} = {value!r}.")


def _numbers(z: ArrayLike) -> NDArray[Any]:
    x = np.asarray(z)
    return x.astype(np.complex128 if np.iscomplexobj(x) else np.float64, copy=False)


def _matrices(A: ArrayLike) -> NDArray[Any]:
    stack = _numbers(A)
    if stack.ndim < 2 or stack.shape[-1] != stack.shape[-2]:
        raise InputError(f"a stack of square matrices has shape (..., k, k), not {stack.shape}.")
    return stack


def _finite(A: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(A).all():
        raise InputError("a matrix has an infinite or undefined entry; give finite ones or a shorter window.")
    return A


def _lift(x: Any) -> Any:
    """Numbers as factors of matrices: two axes of length one at the end."""
    return np.asarray(x)[..., None, None]


def _symmetrised(S: NDArray[Any]) -> Any:
    return (S + np.swapaxes(S, -1, -2)) / 2


def _matrix_phis(count: int, H: Any) -> list[Any]:
    """phi_1(H) ... phi_count(H) for a stack of matrices."""
    X, doublings = _shortened(H)

    def double(F: Any, *phis: Any) -> list[Any]:
        shifts = (sum(phis[j] / factorial(q - j) for j in range(q + 1)) for q in range(count))
        doubled = ((P + F @ P + M) / 2**q for q, (P, M) in enumerate(zip(phis, shifts, strict=True), start=1))
        return [2 * F + F @ F, *doubled]

    series = [_matrix_series(q, X) for q in range(1, 1 + count)]
    return _doubled(double, doublings, X @ series[0], *series)[1:]


def _matrix_series(k: int, X: Any) -> Any:
    """phi_k(X) for |X| <= 1/2, where the first of the terms left out is below 1e-18."""
    out = np.zeros_like(X)
    for m in reversed(range(16)):
        out = X @ out + np.eye(X.shape[-1]) / factorial(m + k)
    return out


def _shortened(H: Any) -> tuple[Any, Any]:
    """X = 2^{-n} H with |X| <= 1/2, whose power series fall like 1/n!, and n >= 0 of each matrix."""
    doublings = _lift(np.maximum(np.frexp(np.abs(H).sum(-1).max(-1))[1] + 1, 0))
    return np.ldexp(1.0, -doublings) * H, doublings


def _doubled(double: Callable[..., list[Any]], doublings: Any, *parts: Any) -> list[Any]:
    """The parts after `double`, as many times as each matrix of the stack needs.

    The first part is always F = expm(X) - I, which keeps the digits of a slow mode beside a fast one; expm(X)
    would not.
    """
    now = list(parts)
    for left in range(doublings.max(initial=0), 0, -1):
        now = [np.where(left <= doublings, new, old) for new, old in zip(double(*now), now, strict=True)]
    return now


def _series(k: int, z: NDArray[Any]) -> Any:
    # At |z| = k + 1 the first of the terms left out is below 1e-17 of phi_k, for every k up to 8.
    out = np.zeros_like(z)
    for m in reversed(range(24 + 2 * k)):
        out *= z
        out += 1 / factorial(m + k)
    return out


def _recurrence(k: int, z: NDArray[Any]) -> Any:
    out = np.expm1(z) / z
    for j in range(1, k):
        out -= 1 / factorial(j)
        out /= z
    return out


def _over_window(z: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """(b-a)z and b-a, where an empty window ends all damping, infinite damping too."""
    x, width = _numbers(z), _numbers(b) - _numbers(a)
    if np.any(np.isneginf(x.real) & (width < 0)):
        raise InputError("z = -inf grows without bound on a window with b < a; give b >= a or a finite z.")
    return np.where(width == 0, 0.0, x) * width, width


def _on_unit_window(a: ArrayLike, b: ArrayLike, weights: Sequence[ArrayLike]) -> list[Any]:
    """The coefficients in r of w(a + (b-a)r), by the binomial theorem."""
    count = len(weights)
    if not 1 <= count <= HIGHEST:
        raise InputError(f"a weight polynomial has 1 to {HIGHEST} coefficients, not {count}.")
    start, width, w = _numbers(a), _numbers(b) - _numbers(a), [_numbers(weight) for weight in weights]
    shifted = (sum(comb(j, i) * w[j] * start ** (j - i) for j in range(i, count)) for i in range(count))
    return [width**i * coefficient for i, coefficient in enumerate(shifted)]
