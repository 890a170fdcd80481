"""Noise levels that others found by optimisation, as they published them: data, one JSON file.

`published_levels.json` holds for Align Your Steps (Sabour et al. 2404.14507) the 11 levels of each model, and for GITS
(Chen et al. 2405.11326, as in ComfyUI's node) the levels of a teacher grid and, for each coefficient and number of
steps 2 to 20, which of them are used.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from numtoolkit.arrays import Floats
from numtoolkit.errors import InputError
from numtoolkit.files.storage import read_json

PATH = Path(__file__).with_name("published_levels.json")
AYS_MODELS = ("sd1", "sdxl", "svd")
GITS_COEFFS = tuple(f"{0.8 + i / 20:.2f}" for i in range(15))


@cache
def _published() -> dict[str, Any]:
    published: dict[str, Any] = read_json(PATH)
    return published


def ays_levels(model: str) -> Floats:
    """The levels (11,) of Align Your Steps for one of AYS_MODELS, falling."""
    return np.array(_published()["ays"][model])


def gits_levels(coeff: float, steps: int) -> Floats:
    """The levels of GITS for that coefficient and number of steps, those of 20 for more, falling.

    raises   InputError for a coefficient or number of steps that is not published
    """
    key = f"{coeff:.2f}"
    if key not in GITS_COEFFS or abs(float(key) - coeff) > 1e-9:
        raise InputError(f"grid gits: coeff = {coeff:g} is not published; give {', '.join(GITS_COEFFS)}.")
    if steps < 2:
        raise InputError(f"grid gits with {steps} step is not published; ask for at least 2 steps.")
    table = _published()["gits"]
    return np.array(table["levels"])[table["used"][key][min(steps, 20) - 2]]
