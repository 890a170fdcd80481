"""A network of one output in phase space: the score of the momentum, all that the flow of CLD reads of a score."""

from __future__ import annotations

import numpy as np

from numtoolkit.problem.kinds import PHASE_SPACE
from numtoolkit.problem.predictions import DATA, Prediction


def _to_score(process, t):
    """The score of the data prediction that makes it, S = -Sigma^-1 (z - e D), D = (S_m + (Sigma^-1 z)_m) / a_m."""
    P, a = DATA.to_score(process, t)
    share = a / a[:, 1:]
    return P - share @ P[:, 1:], share


def _from_score(process, t):
    return np.zeros((len(t), 1, 2)), np.broadcast_to([[0.0, 1.0]], (len(t), 1, 2))


MOMENTUM = Prediction(
    "momentum", "the score of the momentum", lambda process: 1, _to_score, _from_score, (PHASE_SPACE,)
)
