"""Command lines that tests share, a run in a process of its own, and the samples of a folder."""

from __future__ import annotations

import subprocess
import sys

from numtoolkit.files.storage import read_npz
from tests.support.checkout import ROOT

ORDERS = [
    "classical",
    "stiff_strong",
    "stiff_commuting",
    "stiff_weak",
    "sde_weak",
    "sde_marginal",
    "sde_strong",
    "companion",
]
CURVE = ["curve", "--process", "edm", "--law", "gaussian", "--grid", "rho(7)"]
SAMPLE = ["sample", "--law", "ring", "--scheme", "dpmpp-2m", "--nfe", "5", "--process", "edm", "--grid", "rho(7)"]


def fresh(*words, **options):
    """A run in a process of its own."""
    command = [sys.executable, "-m", "numtoolkit", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


def drawn(path):
    """Samples by seed of everything in a folder."""
    found = {}
    for file in path.glob("*.npz"):
        arrays = read_npz(file)
        found |= dict(zip(arrays["seeds"].tolist(), arrays["samples"], strict=True))
    return found
