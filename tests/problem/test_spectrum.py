"""The spectrum as an object: what it holds, how it is reduced, kept and read, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import write_npz
from numtoolkit.problem.spectrum import Spectrum, spectrum_from

BASIS, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))
VALUES = np.array([4.0, 2.0, 1.0, 0.5, 0.25, 0.25])
FULL = Spectrum(np.full((2, 3), 0.3), VALUES, None, BASIS, "six", 24)


def test_a_reduced_spectrum_keeps_the_leading_directions_and_the_mean_variance_of_the_rest():
    """Rank 2 of 6: two directions, four of the mean of their variances, and a deviation that stays."""
    found = FULL.reduced(2)
    assert (found.values.tolist(), found.multiplicity.tolist()) == ([4, 2, 0.5], [1, 1, 4])
    assert found.basis.tolist() == BASIS[:, :2].tolist()
    assert (found.deviation, found.directions) == (pytest.approx(FULL.deviation, rel=1e-15), 6)
    assert FULL.reduced(6) is FULL
    isotropic = FULL.reduced(0)
    assert (isotropic.values.tolist(), isotropic.multiplicity.tolist()) == ([VALUES.mean()], [6])
    assert isotropic.reduced(1) is isotropic
    with pytest.raises(InputError, match="a spectrum of groups has no 1 leading directions"):
        Spectrum(0.0, [1.0, 0.5], [2, 3]).reduced(1)
    with pytest.raises(InputError, match="rank = 7 is no whole number from 0 to 6"):
        FULL.reduced(7)


def test_a_spectrum_is_read_as_it_was_kept(tmp_path):
    """Bit by bit, words and all, under one digest; with the digest of another it is refused."""
    for own in (FULL, FULL.reduced(2), Spectrum(0.0, [1.0, 0.1], [0.5, 3.25])):
        again = Spectrum.load(own.save(tmp_path / "s.npz"), own.digest)
        assert (again.digest, again.source, again.nfe_pilot) == (own.digest, own.source, own.nfe_pilot)
        for name in ("mean", "values", "multiplicity"):
            np.testing.assert_array_equal(getattr(again, name), getattr(own, name))
        assert spectrum_from(str(tmp_path / "s.npz")).digest == own.digest
    with pytest.raises(StorageError, match=f"holds the spectrum {own.digest} now, not {FULL.digest}"):
        Spectrum.load(tmp_path / "s.npz", FULL.digest)


def test_whatever_a_grid_or_a_law_reads_of_a_spectrum_changes_its_digest():
    """Mean, values, multiplicities and basis; not the words beside them."""
    others = [
        Spectrum(np.full((2, 3), 0.2), VALUES, None, BASIS),
        Spectrum(np.full(6, 0.3), VALUES, None, BASIS),
        Spectrum(np.full((2, 3), 0.3), VALUES * 2, None, BASIS),
        Spectrum(np.full((2, 3), 0.3), VALUES, None, BASIS[:, ::-1]),
        Spectrum(np.full((2, 3), 0.3), VALUES),
        Spectrum(0.0, VALUES),
        Spectrum(0.0, VALUES, np.full(6, 2.0)),
    ]
    assert len({FULL.digest, *(own.digest for own in others)}) == 8
    assert Spectrum(np.full((2, 3), 0.3), VALUES, np.ones(6), BASIS, "other words").digest == FULL.digest


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ((0.0, [1.0, -1.0]), "values of a spectrum hold -1 to 1"),
        ((0.0, [1.0], [1.0, 2.0]), "differ in shape"),
        ((0.0, [1.0], [0.0]), "is 0 throughout; give at least one direction"),
        ((0.0, [[1.0]]), "differ in shape"),
        ((0.0, [np.nan]), "holds NaN"),
        ((0.0, []), "give real numbers"),
        ((0.0, ["a"]), "give real numbers"),
        ((np.zeros(3), [1.0, 1.0]), "has 3 coordinates, but its values stand for 2"),
        ((np.zeros(2), [1.0, 1.0], None, np.ones((2, 2))), "is not orthonormal"),
        ((np.zeros(3), [1.0, 1.0], [1, 2], np.eye(3)[:, :2]), r"basis of a spectrum has shape \(3, 2\)"),
        ((0.0, [1.0, 1.0], [0.5, 1.5], np.eye(2)), "give whole multiplicities"),
    ],
)
def test_what_is_no_spectrum_is_refused_when_it_is_made(given, sentence):
    """Negative or infinite values, shapes that do not fit, a basis that is none."""
    with pytest.raises(InputError, match=sentence):
        Spectrum(*given)


def test_files_that_hold_no_spectrum_are_refused_in_one_sentence(tmp_path):
    """Other keys, values that are none, another ending; and what is neither a spectrum nor names one."""
    with pytest.raises(StorageError, match="its keys are images; give one that"):
        Spectrum.load(write_npz(tmp_path / "a.npz", {"images": np.zeros((2, 2))}))
    bad = {"mean": np.zeros(()), "values": -np.ones(2), "multiplicity": np.ones(2)}
    with pytest.raises(StorageError, match=r"cannot read a spectrum .* hold -1 to -1"):
        Spectrum.load(write_npz(tmp_path / "a.npz", bad))
    with pytest.raises(InputError, match=r"is kept in an \.npz file"):
        FULL.save(tmp_path / "a.json")
    with pytest.raises(InputError, match="spectrum = 3 is no spectrum"):
        spectrum_from(3)


def test_the_face_of_a_spectrum_says_of_what_and_how_wide_it_is():
    """Directions, groups where they are fewer, the largest and the smallest deviation."""
    assert repr(FULL) == "<Spectrum of six: 6 directions, deviations 2 to 0.5>"
    assert repr(FULL.reduced(1)) == "<Spectrum of six: 6 directions in 2 groups, deviations 2 to 0.894>"
