"""The independent formulas of phase space, by the name of the scheme.

A formula is called with a run and with what makes a scheme the member of its family that it is: the arguments of its
specification, and all its parameters as floats by name. It gives the states z, arrays (2, ...), after each step. Of a
run it reads

    process   the numbers that `Langevin.of` takes
    network   (z, t) -> its outputs: of the shape of z, the noise e with the score S = -L^-T e, L the lower Cholesky
              factor of the noise covariance; of the shape of a block, the data D
    start     the state at times[0]
    times     falling; the last may be 0
    normals   (step, draw of the step) -> standard normals like z; a noise is the lower factor of its covariance on them
    nfe       evaluations, or None for whole steps
"""

from __future__ import annotations

from tests.oracles.langevin_exact import EXACT
from tests.oracles.langevin_splittings import SPLITTINGS

PHASE_SPACE = SPLITTINGS | EXACT
