"""Stable phi functions, window integrals of exponentials and covariances of linear noise.

phi_0 = exp and phi_k(z) = int_0^1 e^{(1-r)z} r^{k-1}/(k-1)! dr = sum_m z^m/(m+k)! (Hochbruck and Ostermann
2010, Exponential integrators, section 2.1): whatever an exponential integrator multiplies a polynomial by is
one of these at z = hL.  A window integral is int_a^b e^{(b-s)z} w(s) ds with w(s) = sum_j weights[j] s^j,
for numbers z or for stacks of small matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from numtoolkit.errors import InputError

HIGHEST = (
    8  # the highest k of phi_k, hence the most coefficients of a weight: one for each of phi_1 ... phi_8
)


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

    It is what a step of y' = z (y - w(s)) adds to the decayed y.  Arguments, accuracy and errors as in
    `window_integral`; an empty window gives 0 at z = -inf too, as it does for every other z.

    >>> float(scaled_window_integral(-np.inf, 1.0, 2.0, [0.0, 2.0]))
    4.0
    """
    x, _ = _over_window(z, a, b)
    frozen = np.isneginf(x.real)
    x = np.where(frozen, -1.0, x)  # any finite number: these elements get their limit, 1, below
    parts = enumerate(_on_unit_window(a, b, weights))
    return sum(c * np.where(frozen, 1.0, -x * moment(i, x)) for i, c in parts)


def expm(A: ArrayLike) -> Any:
    """The exponential of each matrix of a stack (..., k, k), real or complex, by scipy.linalg.expm.

    raises InputError for matrices that are not square or not finite
    """
    import scipy.linalg

    return scipy.linalg.expm(_finite(_matrices(A)))


def matrix_window_integral(A: ArrayLike, a: ArrayLike, b: ArrayLike, weights: Sequence[ArrayLike]) -> Any:
    """int_a^b expm((b-s)A) w(s) ds for stacked small matrices, w a scalar polynomial.

    The phi functions of H = (b-a)A are the top row of blocks of one exponential: phi_0, phi_1 and phi_2 of
    that of [[H, I, 0], [0, 0, I], [0, 0, 0]], and so on (Al-Mohy and Higham 2011, Theorem 2.1).  Errors for
    |H| up to 500, relative to the largest entry: 1e-15, and 3e-14 for a nearly undamped oscillation.

    A        (..., k, k) real or complex, finite
    a, b, weights   as in `window_integral`, broadcasting with the leading axes of A
    returns  (..., k, k)
    raises   InputError as in `window_integral` and `expm`
    cost     one exponential of size k (1 + len(weights)) for each matrix of the stack
    """
    width = _numbers(b) - _numbers(a)
    coefficients = _on_unit_window(a, b, weights)
    H = _lift(width) * _finite(_matrices(A))
    stack, k, count = H.shape[:-2], H.shape[-1], 1 + len(coefficients)
    blocks = np.zeros((*stack, count, k, count, k), H.dtype)
    blocks[..., 0, :, 0, :] = H
    for i in range(1, count):
        blocks[..., i - 1, :, i, :] = np.eye(k)
    top = expm(blocks.reshape(*stack, count * k, count * k)).reshape(blocks.shape)[..., 0, :, :, :]
    return sum(_lift(width * factorial(i) * c) * top[..., i + 1, :] for i, c in enumerate(coefficients))


def covariance_integral(A: ArrayLike, Q: ArrayLike, a: ArrayLike, b: ArrayLike) -> Any:
    """int_a^b expm((b-s)A) Q expm((b-s)A)^T ds, the covariance of dx = A x ds + Q^(1/2) dW from x(a) = 0.

    A short window by its power series, then doubling: S_2h = S_h + E_h S_h E_h^T with E_h = expm(hA).  For Q
    >= 0 it adds positive terms only, whereas the block exponential of Van Loan (1978) multiplies e^{-hA} by
    e^{hA} and loses all digits once A damps.  Errors for |A| (b - a) up to 500, relative to the largest
    entry: 1e-15, and 1e-14 for a nearly undamped oscillation.

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
    H = _lift(width) * _finite(A)
    doublings = _lift(np.maximum(np.frexp(np.abs(H).sum(-1).max(-1))[1] + 1, 0))
    h = np.ldexp(1.0, -doublings)
    X = h * H  # |X| <= 1/2, so that both series fall like 1/n!
    term, power = h * _lift(width) * Q, X
    S, F = term, X  # F = expm(X) - I keeps the digits of a slow mode beside a damped one
    for n in range(2, 20):
        term, power = _symmetrised(X @ term) * (2 / n), X @ power / n
        S, F = S + term, F + power
    for done in range(doublings.max(initial=0)):
        E = np.eye(k) + F
        doubled = S + _symmetrised(E @ S @ np.swapaxes(E, -1, -2)), 2 * F + F @ F
        S, F = (np.where(done < doublings, new, old) for new, old in zip(doubled, (S, F), strict=True))
    return S


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
        raise InputError(
            "a matrix has an infinite or undefined entry; give finite ones, or a shorter window."
        )
    return A


def _lift(x: Any) -> Any:
    """Numbers as factors of matrices: two axes of length one at the end."""
    return np.asarray(x)[..., None, None]


def _symmetrised(S: NDArray[Any]) -> Any:
    return (S + np.swapaxes(S, -1, -2)) / 2


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
