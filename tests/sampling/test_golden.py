"""The golden file: a seed gives the same noise, and a run the same samples, from one release to the next."""

import json

import numpy as np
import pytest

from tests.support.golden import DRAWS, FILE, RUNS, golden

RENEW = (
    "if this change is meant, run `python -m tests.support.golden --write` and say in CHANGELOG.md what gives other "
    "numbers than in the release before"
)


@pytest.fixture(scope="module")
def both():
    """What the file holds, and what the package gives now."""
    return json.loads(FILE.read_text(encoding="utf-8")), golden()


def test_the_noise_of_a_seed_is_that_of_the_release_before(both):
    """The words are the same integers; the normals agree to 4 units in the last place, which log and cos may differ
    by between two mathematical libraries."""
    kept, found = ([(n["draw"], n["words"]) for n in part["noise"]] for part in both)
    assert found == kept, RENEW
    assert [tuple(draw) for draw, _ in kept] == list(DRAWS), RENEW
    for one, other in zip(*(part["noise"] for part in both), strict=True):
        gap = np.abs(np.subtract(one["normals"], other["normals"])) / np.spacing(np.abs(one["normals"]))
        assert gap.max() <= 4, RENEW


@pytest.mark.parametrize("n", range(len(RUNS)), ids=[" ".join(map(str, run)) for run in RUNS])
def test_a_run_gives_the_samples_of_the_release_before(both, n):
    """To 1e-10 of the largest number: the roundings of another order of sums, or of another mathematical or linear
    algebra library, are some 1e-14 of it, and 4e-12 where coefficients are fitted by least squares."""
    kept, found = (part["runs"][n] for part in both)
    assert found["run"] == kept["run"], RENEW
    one, other = (np.array(part["samples"]) for part in (kept, found))
    np.testing.assert_allclose(other, one, rtol=0, atol=1e-10 * np.abs(one).max(), err_msg=RENEW)
