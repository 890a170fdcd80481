"""Independent formulas: every scheme as its paper or its authors' code writes it, in plain numpy.

Nothing here reads a declaration, an entry or a program, and nothing is imported of the rooms that hold them: an oracle
knows a process by its functions of time, and a network as the data prediction D. A formula is a generator of the
states after each step; `states` runs one for a scheme of the catalogue.

    common        a run, quadrature, the orders of a multistep run, what a one-step run spends
    levels        x = z/alpha against the noise level, variation of constants, the steps that fill a budget
    runge_kutta, multistep, stochastic, cfg_plus_plus, classical, fitted   the formulas; all by name in `image_space`
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tests.oracles.common import Formula, Run
from tests.oracles.image_space import IMAGE_SPACE
from tests.oracles.phase_space import PHASE_SPACE

# By kind of process and name of scheme: (Run, parameters) -> the states after each step
ORACLES: dict[str, dict[str, Formula]] = {"scalar": IMAGE_SPACE, "phase space": PHASE_SPACE}


def arguments(scheme: Any) -> tuple[list[Any], dict[str, Any]]:
    """What makes a scheme the member of its family that it is, as the oracle of the family takes it."""
    positional = [_plain(value) for key, value in scheme.structure if not key]
    named = {key: _plain(value) for key, value in scheme.structure if key}
    return positional, named | {name: float(value) for name, value in scheme.parameters().items()}


def _plain(text: str) -> Any:
    """A number where the text is one: a whole one as int."""
    try:
        value = Fraction(text)
    except ValueError:
        return text
    return int(value) if value.denominator == 1 else float(value)


def states(scheme: Any, run: Run) -> list[Any]:
    """The states z after each step of a run of a scheme, by its independent formula."""
    positional, named = arguments(scheme)
    return list(ORACLES[run.process.kind.name][scheme.name](run, *positional, **named))
