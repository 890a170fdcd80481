"""What releases have in common, bit by bit or to rounding: the noise of a seed, and ten short runs.

python -m tests.support.golden            prints it
python -m tests.support.golden --write    renews tests/sampling/golden.json, which a test compares
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit import Network, sample
from numtoolkit.fitting.least_squares import fit
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.sampling.noise import START, STEP, normals, words
from numtoolkit.schemes import scheme

FILE = Path(__file__).parents[1] / "sampling" / "golden.json"
DRAWS = ((0, START, 0), (1, START, 0), (0, STEP, 0), (0, STEP + 1, 3), (2**63 + 5, STEP, 999))  # seed, purpose, step
# scheme, process, grid, evaluations: one step, stages, history, noise, churn, phase space twice, frame, fitted
RUNS = (
    ("ddim", "vp", "log-snr", 6),
    ("heun-edm", "edm", "rho(7)", 9),
    ("res-3s", "flow", "angle", 9),
    ("unipc(3)", "vp-cosine", "log-snr", 8),
    ("deis-tab(3)", "vp", "quadratic", 8),
    ("sa-solver(2)", "edm", "rho(7)", 6),
    ("rvv", "psld", "quadratic", 12),
    ("roba", "cld", "quadratic", 8),
    ("gframe-abm(2, mean=1/10)", "psld", "angle", 7),
    ("iia-ddim", "edm", "rho(7)", 6),
)


def golden() -> dict[str, Any]:
    """Words and normals of the draws, and the samples of the runs, two seeds in two dimensions in float64."""
    network = Network.of(mixture(dim=2, components=3))
    runs = []
    for text, process, grid, nfe in RUNS:
        own = scheme(text)
        if own.fitted:
            own = own.with_table(fit(own, process, Gaussian([0.2, -0.1], [0.3, 0.05]), grid, nfe=nfe, seeds=None))
        drawn = sample(own, network=network, process=process, grid=grid, nfe=nfe, seeds=range(2), dtype=np.float64)
        runs.append({"run": [text, process, grid, nfe], "samples": drawn.samples.tolist()})
    return {
        "noise": [
            {
                "draw": list(draw),
                "words": words([draw[0]], *draw[1:], 4)[0].tolist(),
                "normals": normals([draw[0]], *draw[1:], 2)[0].tolist(),
            }
            for draw in DRAWS
        ],
        "runs": runs,
    }


if __name__ == "__main__":
    text = json.dumps(golden(), indent=1) + "\n"
    if sys.argv[1:] == ["--write"]:
        FILE.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
