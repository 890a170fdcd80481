"""The formulas of image space by name of scheme."""

from __future__ import annotations

from tests.oracles.cfg_plus_plus import CFG_PLUS_PLUS
from tests.oracles.classical import CLASSICAL
from tests.oracles.common import Formula
from tests.oracles.fitted import FITTED
from tests.oracles.multistep import MULTISTEP
from tests.oracles.runge_kutta import RUNGE_KUTTA
from tests.oracles.stochastic import STOCHASTIC

IMAGE_SPACE: dict[str, Formula] = {**CLASSICAL, **RUNGE_KUTTA, **MULTISTEP, **STOCHASTIC, **CFG_PLUS_PLUS, **FITTED}
