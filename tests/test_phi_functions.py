"""phi functions, window integrals and covariances are exact to rounding, from 0 to infinite damping."""

from __future__ import annotations

from math import factorial

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.errors import InputError
from numtoolkit.phi_functions import (
    HIGHEST,
    covariance_integral,
    expm,
    matrix_window_integral,
    moment,
    phi,
    scaled_window_integral,
    window_integral,
)

ORDERS = range(HIGHEST + 1)

# Damped, critically damped (defective), oscillating, growing, slow beside fast, and far from normal.
MATRICES = {
    "mild": np.array([[0.2, 1.0], [-1.0, -0.5]]),
    "defective": 200 * np.array([[0.0, 1.0], [-1.0, -2.0]]),
    "stiff": np.array([[0.0, 1.0], [-62500.0, -500.0]]),
    "slow beside fast": np.diag([-500.0, -1e-3]),
    "tiny": 1e-6 * np.array([[0.0, 1.0], [-1.0, -2.0]]),
    "growing": np.array([[5.0, 2.0], [1.0, 3.0]]),
    "not normal": np.array([[-1.0, 1e2], [0.0, -2.0]]),
}
OSCILLATING = np.array([[-10.0, 500.0], [-500.0, 0.0]])
NOISES = {"velocity only": np.diag([0.0, 1.0]), "full": np.array([[2.0, 1.0], [1.0, 1.0]])}

weights = st.lists(st.integers(-32, 32).map(lambda n: n / 16), min_size=1, max_size=5)
ends = st.floats(-1.5, 1.5).map(lambda x: round(x, 9))  # no window so short that its width is not a normal float


def exact_phi(k, z):
    """phi_k by the confluent hypergeometric function with 60 digits."""
    with mpmath.workdps(60):
        z = mpmath.mpmathify(z)
        return mpmath.exp(z) if k == 0 else mpmath.hyp1f1(1, k + 1, z) / mpmath.factorial(k)


def relative_errors(values, exact):
    with mpmath.workdps(60):
        return np.array([float(abs(mpmath.mpmathify(v) / e - 1)) for v, e in zip(values, exact, strict=True)])


def to_mpmath(A):
    return mpmath.matrix([[mpmath.mpf(float(x)) for x in row] for row in A])


def to_numpy(M):
    return np.array(M.tolist(), dtype=float)


def magnitude(z, a, b, w):
    """The size of what a window integral adds up, hence of its rounding errors."""
    reach = max(abs(a), abs(a - b), abs(b), 1.0) * 2
    growth = max(1.0, float(np.exp(z * (b - a))))
    return growth * sum(abs(c) * reach**j for j, c in enumerate(w))


@pytest.mark.parametrize("k", ORDERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_phi_of_real_numbers_is_exact_to_a_few_ulp(k, sign):
    """From 1e-12 to 700 of either sign, across the edge between series and recurrence."""
    edge = k + 1.0  # where the series hands over to the recurrence, and where both are at their worst
    z = sign * np.concatenate(
        [np.logspace(-12, np.log10(700), 150), edge * np.linspace(0.5, 2, 100), np.nextafter(edge, [0, 99])]
    )
    # Nine half ulp: the recurrence rounds twice for each k, the series a little less; worst seen 6e-16.
    assert relative_errors(phi(k, z).tolist(), [exact_phi(k, x) for x in z]).max() <= 1e-15


@pytest.mark.parametrize("k", ORDERS)
def test_phi_of_complex_numbers_loses_no_digits(k):
    """Around the half circle at eight radii, against 60 digits."""
    angle, radius = np.meshgrid(np.linspace(0, np.pi, 13), [1e-9, 0.3, 1.1, 2.9, k + 0.99, k + 1.01, 12, 300])
    z = (radius * np.exp(1j * angle)).ravel()
    errors = relative_errors(phi(k, z).tolist(), [exact_phi(k, x) for x in z.tolist()])
    # Right of the imaginary axis the recurrence cancels up to a factor 5, left of it next to nothing.
    assert errors[z.real <= 0].max() <= 1e-15
    assert errors.max() <= 4e-15


def test_phi_1_keeps_its_digits_next_to_its_zeros():
    """Where (e^z - 1) / z is 1e-9, relative accuracy still holds."""
    z = np.array([2j, -2j, 6j]) * np.pi * (1 + 1e-9) - 1e-9
    assert relative_errors(phi(1, z).tolist(), [exact_phi(1, x) for x in z.tolist()]).max() <= 1e-15


@pytest.mark.parametrize("k", ORDERS)
def test_phi_at_zero_and_at_minus_infinity_is_its_limit(k):
    """phi_k is 1 / k! at 0 and 0 at minus infinity, real or complex."""
    assert phi(k, 0.0) == 1 / factorial(k)
    assert phi(k, -np.inf) == 0
    assert phi(k, complex(-np.inf, 0)) == 0


def test_phi_of_an_array_is_phi_of_its_elements():
    """Shape, dtype and bits are kept, and a number gives a float."""
    z = np.linspace(-12, 12, 49).reshape(7, 7)
    for k in ORDERS:
        values = phi(k, z)
        assert values.shape == z.shape
        assert [[phi(k, x) for x in row] for row in z.tolist()] == values.tolist()
    assert isinstance(phi(2, 1), float)
    assert phi(2, np.zeros((0, 3))).shape == (0, 3)
    assert phi(1, [1, 2]).dtype == np.float64
    assert phi(1, [1j]).dtype == np.complex128


@given(st.integers(0, HIGHEST - 1), st.floats(-600, 600))
def test_neighbouring_phi_satisfy_their_recurrence(k, z):
    """phi_k - z phi_{k+1} = 1 / k! at random arguments.

    Three roundings and two values of 1e-15 each, relative to the largest of the three terms.
    """
    left, right = phi(k, z), z * phi(k + 1, z)
    assert abs(left - right - 1 / factorial(k)) <= 4e-15 * max(abs(left), abs(right), 1 / factorial(k))


@pytest.mark.parametrize("j", range(HIGHEST))
@pytest.mark.parametrize("z", [-80.0, -3.0, 0.0, 1e-7, 2.5])
def test_moment_is_its_defining_integral(j, z):
    """int_0^1 e^((1 - r) z) r^j dr by quadrature with 30 digits."""
    with mpmath.workdps(30):
        exact = mpmath.quad(lambda r: mpmath.exp((1 - r) * z) * r**j, [0, 0.5, 0.9, 1])
    assert moment(j, z) == pytest.approx(float(exact), rel=2e-15)  # phi, its product with j!, and the literal


@given(st.floats(-40, 5), ends, ends, weights)
def test_window_integral_is_its_defining_integral(z, a, b, w):
    """int_a^b e^((b - s) z) w(s) ds by Gauss quadrature, for random windows and weights."""
    nodes, masses = np.polynomial.legendre.leggauss(80)  # exact to rounding for e^{120} of entire functions
    s = (a + b) / 2 + (b - a) / 2 * nodes
    exact = (b - a) / 2 * np.sum(masses * np.exp((b - s) * z) * np.polynomial.polynomial.polyval(s, w))
    # The quadrature rounds (b - s)z, hence e^{(b-s)z} by up to |z| ulp of it: 120 of them and as much again.
    assert window_integral(z, a, b, w) == pytest.approx(exact, abs=6e-14 * magnitude(z, a, b, w))


def test_window_integral_agrees_with_forty_digits():
    """Stiff, tiny and growing arguments, where cancellation would show."""
    cases = [(-500.0, 0.25, 1.0, [1, -2, 3]), (-1e-9, -1.0, 0.5, [0, 1, 1, 1]), (30.0, 0.0, 1.0, [1, 1])]
    for z, a, b, w in cases:
        with mpmath.workdps(40):
            grid = mpmath.linspace(a, b, 41)
            exact = mpmath.quad(lambda s, z=z, b=b, w=w: mpmath.exp((b - s) * z) * mpmath.polyval(w[::-1], s), grid)
        assert window_integral(z, a, b, w) == pytest.approx(float(exact), rel=4e-15)
        assert scaled_window_integral(z, a, b, w) == pytest.approx(float(-z * exact), rel=4e-15)


@given(st.floats(-30, 3), ends, ends, ends, weights)
def test_windows_in_a_row_add_up(z, a, b, c, w):
    """The integral from a to c is that from a to b, carried on, and that from b to c."""
    whole = window_integral(z, a, c, w)
    parts = np.exp((c - b) * z) * window_integral(z, a, b, w) + window_integral(z, b, c, w)
    size = np.exp((c - b) * z) * magnitude(z, a, b, w) + magnitude(z, b, c, w) + magnitude(z, a, c, w)
    assert whole == pytest.approx(parts, abs=3e-14 * size)  # (c - b) z up to 90 is rounded before exp


@given(st.floats(-1e6, -1e-6), ends, ends, weights)
def test_scaled_window_integral_is_minus_z_times_the_integral(z, a, b, w):
    """The two functions agree over twelve decades of damping."""
    a, b = min(a, b), max(a, b)
    size = magnitude(z, a, b, w) * min(1.0, -z * (b - a))
    expected = -z * window_integral(z, a, b, w)
    assert scaled_window_integral(z, a, b, w) == pytest.approx(expected, abs=1e-14 * size)


@given(ends, st.floats(0.01, 2), weights)
def test_infinite_damping_freezes_the_weight_at_the_end(a, length, w):
    """The integral is 0 and -z times it w(b), approached like 1 / z."""
    b = a + length
    end = np.polynomial.polynomial.polyval(b, w)
    assert window_integral(-np.inf, a, b, w) == 0
    assert scaled_window_integral(-np.inf, a, b, w) == pytest.approx(end, abs=1e-14 * magnitude(0, a, b, w))
    # The next term of the limit is w'(b)/z.
    slope = magnitude(0, a, b, w) * len(w) ** 2
    assert scaled_window_integral(-1e9, a, b, w) == pytest.approx(end, abs=1e-8 * slope / length)


def test_scaled_window_integral_does_not_overflow():
    """z = -1e300 gives the limit, the weight at the end."""
    assert scaled_window_integral(-1e300, 0, 2, [3.0]) == 3.0
    assert scaled_window_integral(-1e300, 0, 2, [1.0, 1.0]) == 3.0


def test_an_empty_window_gives_zero_for_every_damping():
    """Also for infinite damping, where the limits are taken in this order."""
    z = np.array([-np.inf, -2.0, 0.0, 5.0])
    assert not window_integral(z, 0.3, 0.3, [1.0, 2.0]).any()
    assert not scaled_window_integral(z, 0.3, 0.3, [1.0, 2.0]).any()


def test_window_integral_broadcasts_all_its_arguments():
    """Damping, ends and each weight, element by element."""
    z, a = np.array([-np.inf, -3.0, 0.5])[:, None], np.array([0.0, 0.5])
    b, w = a + 1, [2.0, np.array([1.0, -1.0])]
    values = window_integral(z, a, b, w)
    each = [[window_integral(y, a[i], b[i], [2.0, w[1][i]]) for i in range(2)] for y in z[:, 0]]
    assert values.tolist() == each


def test_diagonal_matrices_agree_with_numbers():
    """Entry by entry from -600 to 6, and zeros beside them."""
    z, a, b, w = np.array([-600.0, -30.0, -1e-3, 0.0, 6.0]), 0.2, 1.3, [1.0, -0.5, 2.0]
    value = matrix_window_integral(np.diag(z), a, b, w)
    # An ulp for each of the 11 doublings at most, and for each of the three terms.
    np.testing.assert_allclose(np.diag(value), window_integral(z, a, b, w), rtol=3e-15)
    np.testing.assert_array_equal(value, np.diag(np.diag(value)))


def test_one_by_one_matrices_are_numbers():
    """A matrix of one entry has the number's integral bit for bit, at infinite damping too."""
    z, a, b, w = np.array([-np.inf, -60.0, 6.0]), 0.2, 1.3, [1.0, -0.5, 2.0]
    value = matrix_window_integral(z[:, None, None], a, b, w)
    np.testing.assert_array_equal(value[:, 0, 0], window_integral(z, a, b, w))


def test_rotations_agree_with_complex_numbers():
    """A damped rotation has the integral of its complex number, as a real matrix and as a complex diagonal."""
    z, w = -3.0 + 40.0j, [1.0, -0.5, 2.0]
    number = window_integral(z, 0.2, 1.3, w)
    value = matrix_window_integral(np.array([[z.real, -z.imag], [z.imag, z.real]]), 0.2, 1.3, w)
    expected = [[number.real, -number.imag], [number.imag, number.real]]
    # The phase, 44, is known to 44 half ulp.
    np.testing.assert_allclose(value, expected, rtol=0, atol=5e-15 * abs(number))
    diagonal = matrix_window_integral(np.diag([z, z.conjugate()]), 0.2, 1.3, w)
    np.testing.assert_allclose(np.diag(diagonal), [number, number.conjugate()], rtol=0, atol=5e-15 * abs(number))


@pytest.mark.parametrize("name", MATRICES)
def test_expm_agrees_with_forty_digits(name):
    """Damped, defective, stiff, growing and far from normal, to rounding of the largest entry."""
    A = MATRICES[name]
    with mpmath.workdps(40):
        exact = to_numpy(mpmath.expm(to_mpmath(A), method="taylor"))
    # An ulp of A changes the exponential by about |A| ulp of its largest entry, more if A is far from normal.
    tolerance = 1e-15 * (1 + 10 * np.abs(A).max()) * np.abs(exact).max()
    np.testing.assert_allclose(expm(A), exact, rtol=0, atol=tolerance)


def test_expm_of_a_stack_of_jordan_blocks():
    """e^a (1, 1; 0, 1) from -700 to 3, as a stack and one by one."""
    a = np.array([-700.0, -20.0, -1.0, 0.0, 3.0])
    stack = a[:, None, None] * np.eye(2) + np.array([[0.0, 1.0], [0.0, 0.0]])
    value, exact = expm(stack), np.exp(a)[:, None, None] * np.array([[1.0, 1.0], [0.0, 1.0]])
    # An error of half an ulp doubles with each squaring, 2 |a| times in all.
    for i in range(len(a)):
        np.testing.assert_allclose(value[i], exact[i], rtol=4e-16 * (1 + abs(a[i])))
        np.testing.assert_array_equal(value[i], expm(stack[i]))


def test_expm_keeps_the_digits_of_a_slow_mode_beside_a_fast_one():
    """Doubling must not wash out 1e-3 beside 500."""
    np.testing.assert_allclose(np.diag(expm(np.diag([-500.0, -1e-3]))), np.exp([-500.0, -1e-3]), atol=2e-16, rtol=0)


def test_expm_of_numbers_is_exp():
    """expm of one entry is numpy's exp bit for bit, with 0 at minus infinity."""
    z = np.array([-np.inf, -3.0, 2.0])
    np.testing.assert_array_equal(expm(z[:, None, None])[:, 0, 0], np.exp(z))


@pytest.mark.parametrize("name", MATRICES)
def test_matrix_window_integral_agrees_with_forty_digits(name):
    """The integral with a polynomial weight is a block of an augmented exponential.

    [[A, v], [0, J]] with J shifting s^j/j! carries the polynomial from s = 0, where the window starts.
    """
    A, w = MATRICES[name], [1.0, -2.0, 3.0]
    with mpmath.workdps(40):
        blocks = mpmath.zeros(8)
        blocks[:2, :2] = to_mpmath(A)
        for i in range(6):
            blocks[i, i + 2] = 1
        top = mpmath.expm(blocks, method="taylor")[:2, :]
        exact = sum((to_numpy(top[:, 2 * j + 2 : 2 * j + 4]) * factorial(j) * c for j, c in enumerate(w)))
    # Relative to the largest entry: an ulp or two for each doubling that still matters, and for each term.
    tolerance = 2e-15 * np.abs(exact).max()
    np.testing.assert_allclose(matrix_window_integral(A, 0, 1, w), exact, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", MATRICES)
def test_matrix_window_integral_shifts_its_weight_to_the_window(name):
    """A window elsewhere is one from 0 with other numbers.

    With s = 1/2 + u/2 the window [1/2, 1] of 2A and 3 - 4s + 8s^2 is [0, 1] of A and 3 + 2u + 2u^2, halved.
    """
    A = MATRICES[name]
    half = matrix_window_integral(2 * A, 0.5, 1.0, [3.0, -4.0, 8.0])
    whole = matrix_window_integral(A, 0, 1, [3.0, 2.0, 2.0]) / 2
    np.testing.assert_allclose(half, whole, rtol=0, atol=2e-15 * np.abs(whole).max())


def test_matrix_window_integral_of_a_stack_is_that_of_its_matrices():
    """A stack is computed matrix by matrix, bit for bit, and an empty one is empty."""
    A = np.stack([MATRICES["mild"], MATRICES["growing"], MATRICES["tiny"]])
    a, b, w = np.array([0.0, 0.1, 0.2]), 1.0, [np.array([1.0, 2.0, 3.0]), 0.5]
    stacked = matrix_window_integral(A, a, b, w)
    for i in range(3):
        np.testing.assert_array_equal(stacked[i], matrix_window_integral(A[i], a[i], b, [w[0][i], 0.5]))
    assert matrix_window_integral(np.zeros((0, 2, 2)), 0, 1, [1, 2]).shape == (0, 2, 2)


def exact_covariance(A, Q, width):
    """The block exponential of Van Loan (1978) with digits enough for e^{500} times e^{-500}, and 30 more."""
    k = len(A)
    with mpmath.workdps(500):
        blocks = mpmath.zeros(2 * k)
        blocks[:k, :k], blocks[:k, k:], blocks[k:, k:] = -to_mpmath(A), to_mpmath(Q), to_mpmath(A.T)
        E = mpmath.expm(width * blocks, method="taylor")
        return to_numpy(E[k:, k:].T * E[:k, k:])


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("name", MATRICES)
def test_covariance_agrees_with_five_hundred_digits(name, noise):
    """Van Loan's block exponential, for every matrix and noise."""
    A, Q = MATRICES[name], NOISES[noise]
    exact = exact_covariance(A, Q, 1)
    # Every term added has the sign of Q: an ulp or two for each doubling that still matters.
    tolerance = 2e-15 * np.abs(exact).max()
    np.testing.assert_allclose(covariance_integral(A, Q, 0.25, 1.25), exact, rtol=0, atol=tolerance)


def test_an_undamped_oscillation_loses_what_its_phase_must():
    """The covariance errs by no more than the rounding of the phase of the oscillation.

    The phase, 500, is known to 500 half ulp: 6e-14.
    """
    Q = NOISES["full"]
    exact = exact_covariance(OSCILLATING, Q, 1)
    assert np.abs(covariance_integral(OSCILLATING, Q, 0, 1) - exact).max() <= 6e-14 * np.abs(exact).max()


def test_covariance_keeps_the_digits_of_small_entries():
    """A free particle driven for h = 1e-4 has every entry to a few ulp.

    Noise on the velocity reaches the position as h^3/3 and h^2/2: relative, not absolute, accuracy.
    """
    h = 1e-4
    value = covariance_integral(np.array([[0.0, 1.0], [0.0, 0.0]]), np.diag([0.0, 1.0]), 0, h)
    np.testing.assert_allclose(value, [[h**3 / 3, h**2 / 2], [h**2 / 2, h]], rtol=4e-16)


@given(st.lists(st.floats(-300, 2), min_size=4, max_size=4), ends, ends)
def test_covariance_balances_drift_and_noise(entries, a, b):
    """Symmetric, not negative, and the solution of its Lyapunov equation.

    A S + S A^T + Q = E Q E^T, the derivative of the integral along the window.
    """
    a, b = min(a, b), max(a, b)
    A = np.array(entries).reshape(2, 2)
    A = -(A @ A.T) / 300
    Q = NOISES["full"]
    S, E = covariance_integral(A, Q, a, b), expm((b - a) * A)
    np.testing.assert_array_equal(S, S.T)
    assert np.linalg.eigvalsh(S).min() >= -1e-15 * np.abs(S).max()
    size = np.abs(A).max() * np.abs(S).max() + 3
    assert np.abs(A @ S + S @ A.T + Q - E @ Q @ E.T).max() <= 2e-13 * size  # expm: 600 x 3 ulp at most


def test_covariance_of_numbers_is_the_closed_form():
    """2 (e^2z - 1) / 2z, and its limits at 0 and minus infinity."""
    z = np.array([-np.inf, -400.0, -1e-9, 0.0, 0.7])
    value = covariance_integral(z[:, None, None], [[2.0]], 0.5, 1.5)[:, 0, 0]
    exact = [0.0, 2 / 800, 2.0, 2.0, 2 * np.expm1(1.4) / 1.4]
    np.testing.assert_allclose(value, exact, rtol=2e-9)  # 1e-9 of the third is its drift
    diagonal = covariance_integral(np.diag(z[1:]), 2 * np.eye(4), 0.5, 1.5)
    np.testing.assert_allclose(np.diag(diagonal), value[1:], rtol=2e-15)


def test_covariance_of_a_stack_is_that_of_its_matrices():
    """A stack is computed matrix by matrix, bit for bit, and an empty one is empty."""
    A, Q = np.stack([*MATRICES.values()]), NOISES["full"]
    b = np.linspace(0.5, 1, len(A))
    stacked = covariance_integral(A, Q, 0, b)
    for i in range(len(A)):
        np.testing.assert_array_equal(stacked[i], covariance_integral(A[i], Q, 0, b[i]))
    assert covariance_integral(np.zeros((0, 2, 2)), Q, 0, 1).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phi(9, 0.0), "k = 9"),
        (lambda: phi(1.0, 0.0), "k = 1.0"),
        (lambda: moment(8, 0.0), "j = 8"),
        (lambda: moment(-1, 0.0), "j = -1"),
        (lambda: window_integral(0.0, 0, 1, []), "not 0"),
        (lambda: window_integral(0.0, 0, 1, [1.0] * 9), "not 9"),
        (lambda: window_integral(-np.inf, 1, 0, [1.0]), "b >= a"),
        (lambda: scaled_window_integral([-1.0, -np.inf], 1, 0, [1.0]), "b >= a"),
        (lambda: expm([1.0, 2.0]), r"\(2,\)"),
        (lambda: expm(np.diag([np.nan, 0])), "undefined"),
        (lambda: matrix_window_integral(np.diag([-np.inf, 0]), 0, 1, [1.0]), "infinite"),
        (lambda: covariance_integral(np.eye(2), np.eye(3), 0, 1), "size 2"),
        (lambda: covariance_integral(np.eye(2), [[1.0, 2.0], [0.0, 1.0]], 0, 1), "symmetric"),
        (lambda: covariance_integral(np.diag([-np.inf, 0]), np.eye(2), 0, 1), "infinite"),
    ],
)
def test_phi_functions_refuse_what_cannot_be_used_by_name(call, message):
    """Orders, weights, windows, shapes and symmetry: the sentence has the value."""
    with pytest.raises(InputError, match=message):
        call()
