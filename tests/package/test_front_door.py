"""The names of the package are there when they are asked for, and not loaded before."""

from __future__ import annotations

import subprocess
import sys


def test_the_package_loads_its_names_when_they_are_asked_for():
    code = (
        "import sys, numtoolkit; assert not {'numpy', 'torch'} & set(sys.modules); numtoolkit.sample; "
        "assert 'torch' not in sys.modules; assert set(numtoolkit.__all__) <= set(dir(numtoolkit)); "
        "[getattr(numtoolkit, name) for name in numtoolkit.__all__]; numtoolkit.absent"
    )
    run_ = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run_.stderr.endswith("AttributeError: module 'numtoolkit' has no attribute 'absent'\n")
