"""The package and the light commands start without heavy libraries."""

from __future__ import annotations

import subprocess
import sys

from tests.support.checkout import ROOT

HEAVY = {"matplotlib", "scipy", "sklearn", "sympy", "torch"}


COMMANDS = """
import runpy, sys
for word in ("--help", "list"):
    sys.argv = ["numtoolkit", word]
    try:
        runpy.run_module("numtoolkit", run_name="__main__")
    except SystemExit as stop:
        assert not stop.code, (word, stop.code)
print(*sys.modules, file=sys.stderr)
"""


def test_start_up_loads_no_heavy_library():
    """Importing, --help and list load no matplotlib, scipy, scikit-learn, sympy or torch."""
    run = subprocess.run([sys.executable, "-c", COMMANDS], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "numtoolkit" in run.stderr.split()
    assert HEAVY.isdisjoint(run.stderr.split())
