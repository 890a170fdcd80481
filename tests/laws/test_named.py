"""Laws by name say what they are and refuse parameters out of range."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.laws import NAMED, named

needs_data = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn's data are not here")


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_laws_say_what_they_are(name):
    """The name holds the parameters, and the scale is that of normalised data."""
    if name == "digits" and find_spec("sklearn") is None:
        pytest.skip("scikit-learn's data are not here")
    law = NAMED[name]()
    assert law.name.startswith(name + "(")
    assert 0.1 < math.sqrt(law.variance) < 1
    assert law.denoise(law.sample(2, 0), 0.5).shape == (2, *law.shape)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("gaussian", {"dim": 0}),
        ("gaussian", {"dim": 2.0}),
        ("gaussian", {"std": -0.1}),
        ("gaussian", {"mean": math.nan}),
        ("anisotropic", {"low": 2.0, "high": 1.0}),
        ("anisotropic", {"dim": True}),
        ("mixture", {"seed": -1}),
        ("mixture", {"components": "4"}),
        ("two-modes", {"weight": 1.1}),
        ("ring", {"modes": 0}),
        ("digits", {"count": 1798}),
    ],
)
def test_parameters_of_a_law_out_of_range_are_refused(name, parameters):
    """The sentence names the parameter: size, sign, type or an order of two."""
    with pytest.raises(InputError, match=next(iter(parameters))):
        NAMED[name](**parameters)


@needs_data
def test_digits_are_scikit_learns_without_importing_scikit_learn():
    """The 1797 images are read from its data file, scaled to [-1, 1]; no heavy library is loaded for them."""
    code = (
        "import sys; from numtoolkit.laws import NAMED; law = NAMED['digits'](); "
        "heavy = {'sklearn', 'scipy', 'torch', 'sympy'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    law = NAMED["digits"]()
    assert law.images.shape == (1797, 8, 8)
    assert (law.images.min(), law.images.max()) == (-1.0, 1.0)
    assert np.array_equal(8 * (law.images[0, 0] + 1), [0, 0, 5, 13, 9, 1, 0, 0])  # the first row of the file
    assert np.array_equal(NAMED["digits"](count=5).images, law.images[:5])


def test_digits_without_scikit_learn_names_the_extra(monkeypatch):
    """The sentence says which extra to install."""
    monkeypatch.setattr(named, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"numtoolkit\[data\]"):
        NAMED["digits"]()
