"""The package and the light commands start without heavy libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.checkout import ROOT

HEAVY = {"matplotlib", "scipy", "sklearn", "sympy", "torch"}


RUN_COMMAND = """
import runpy, sys
sys.argv = ["numtoolkit", {argument!r}]
try:
    runpy.run_module("numtoolkit", run_name="__main__")
except SystemExit as stop:
    assert not stop.code, stop.code
"""


@pytest.mark.parametrize(
    "code",
    ["import numtoolkit", RUN_COMMAND.format(argument="--help"), RUN_COMMAND.format(argument="list")],
    ids=["import", "--help", "list"],
)
def test_start_up_loads_no_heavy_library(code):
    """Importing, --help and list load no matplotlib, scipy, scikit-learn, sympy or torch."""
    report = "\nimport sys; print(*sys.modules, file=sys.stderr)"
    run = subprocess.run([sys.executable, "-c", code + report], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "numtoolkit" in run.stderr.split()
    assert HEAVY.isdisjoint(run.stderr.split())
