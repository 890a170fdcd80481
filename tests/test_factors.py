"""Small blocks and factors of covariances, what is remembered, and which library an array is of."""

import numpy as np
import pytest

from numtoolkit.arrays import cholesky, eigen, host, inverse, library, lower_factor, principal_factor, remembered
from numtoolkit.errors import InputError, whole

SINGULAR = np.array([[[4.0, 2.0], [2.0, 1.0]], [[0.0, 0.0], [0.0, 9.0]], [[0.0, 0.0], [0.0, 0.0]]])


@pytest.mark.parametrize("factor", [lower_factor, principal_factor])
def test_a_factor_times_its_transpose_is_the_covariance_even_where_that_is_singular(factor):
    """Blocks of rank 2, 1 and 0 come back, without a NaN."""
    regular = np.array([[[2.0, -0.3], [-0.3, 0.5]]])
    covariance = np.concatenate([regular, SINGULAR])
    A = factor(covariance)
    np.testing.assert_allclose(A @ np.swapaxes(A, 1, 2), covariance, rtol=0, atol=1e-15)


@pytest.mark.parametrize("factor", [lower_factor, principal_factor])
def test_a_variance_that_rounding_left_below_zero_counts_as_zero(factor):
    """Neither a NaN nor a deviation of its size, 1e-9."""
    A = factor(np.array([[[4.0, 0.0], [0.0, -1e-18]]]))
    np.testing.assert_array_equal(A @ np.swapaxes(A, 1, 2), [[[4.0, 0.0], [0.0, 0.0]]])


def test_eigenvectors_of_equal_eigenvalues_are_the_same_on_every_processor(monkeypatch):
    """Whatever basis of their space the library gives: here one turned at random. Apart eigenvalues keep theirs."""
    rng = np.random.default_rng(2)
    axes, values = np.linalg.qr(rng.standard_normal((6, 6)))[0], np.array([0.0, 0.0, 1.0, 2.0, 2.0, 2.0])
    matrix = (axes * values) @ axes.T
    plain, (given, first) = np.linalg.eigh(matrix), eigen(matrix)
    np.testing.assert_allclose((first * given) @ first.T, matrix, atol=1e-14)
    np.testing.assert_array_equal(first[:, 2], plain.eigenvectors[:, 2])

    def turned(of):
        found = np.linalg.qr(rng.standard_normal((2, 2)))[0], np.linalg.qr(rng.standard_normal((3, 3)))[0]
        own = plain.eigenvectors
        return plain.eigenvalues, np.hstack([own[:, :2] @ found[0], own[:, 2:3], own[:, 3:] @ found[1]])

    monkeypatch.setattr(np.linalg, "eigh", turned)
    np.testing.assert_allclose(eigen(matrix)[1], first, atol=1e-13)


def test_the_lower_factor_is_that_of_cholesky_where_there_is_one():
    """Lower triangular, with a diagonal >= 0."""
    rng = np.random.default_rng(0)
    roots = rng.standard_normal((5, 3, 3))
    covariance = roots @ np.swapaxes(roots, 1, 2)
    np.testing.assert_allclose(lower_factor(covariance), np.linalg.cholesky(covariance), rtol=1e-12, atol=1e-14)


def test_the_columns_of_the_principal_factor_are_orthogonal():
    """A' A is diagonal, which is what `kl_factors` divides by."""
    A = principal_factor(np.array([[2.0, -0.3], [-0.3, 0.5]]))
    assert abs((A.T @ A)[0, 1]) < 1e-16


def test_an_array_is_of_numpy_of_torch_or_of_neither():
    """A list is of neither, and a subclass of a tensor is a tensor."""
    torch = pytest.importorskip("torch")
    tensors = torch.zeros(2), torch.nn.Parameter(torch.zeros(2))
    assert [library(x) for x in (np.zeros(2), *tensors, [0.0])] == [np, torch, torch, None]
    half = torch.tensor([0.5, 1.0], dtype=torch.bfloat16)
    assert host("x", half).tolist() == [0.5, 1.0]


@pytest.mark.parametrize("value", [0, 11, 2.0, True, "3", None])
def test_what_is_no_whole_number_in_its_bounds_is_refused_by_name_and_value(value):
    """One sentence with the name, the value and the bounds; numpy integers are whole numbers."""
    assert whole("batch", np.int64(10), 1, 10) == 10
    with pytest.raises(InputError, match=f"^batch = {value!r} is no whole number from 1 to 10; give one.$"):
        whole("batch", value, 1, 10)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_small_blocks_are_inverted_as_numpy_inverts_them(k):
    """To a hundred roundings of well-conditioned blocks; what is singular is refused in the same way."""
    blocks = np.eye(k) + 0.2 * np.random.default_rng(0).standard_normal((50, k, k))
    np.testing.assert_allclose(inverse(blocks), np.linalg.inv(blocks), rtol=0, atol=1e-14)
    blocks[7] = 0
    with pytest.raises(np.linalg.LinAlgError):
        inverse(blocks)


def test_cholesky_refuses_what_is_not_positive_definite():
    """A singular block, one with a negative variance, one that is not a number: any of them, as numpy does."""
    for block in (SINGULAR[0], -np.eye(2), np.full((2, 2), np.nan)):
        with pytest.raises(np.linalg.LinAlgError):
            cholesky(np.stack([np.eye(2), block]))


def test_what_is_remembered_is_found_by_the_object_and_the_values_of_the_times():
    """A changed array and an equal object are asked anew, the same values are not; answers cannot be changed."""
    asked = []

    @remembered
    def double(own, t):
        asked.append(own)
        return 2 * t

    one, other, t = [1], [1], np.array([1.0, 2.0])
    assert double(one, t) is double(one, t.copy())
    t[0] = 3.0
    assert double(one, t)[0] == 6.0
    assert double(other, t)[0] == 6.0
    assert [own is one for own in asked] == [True, True, False]
    with pytest.raises(ValueError, match="read-only"):
        double(one, t)[0] = 0.0
