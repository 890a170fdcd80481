"""The formulas of image space by name of scheme."""

from __future__ import annotations

from tests.oracles.common import Formula
from tests.oracles.runge_kutta import RUNGE_KUTTA

IMAGE_SPACE: dict[str, Formula] = {**RUNGE_KUTTA}
