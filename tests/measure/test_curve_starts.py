"""Error curves start where samples start."""

import numpy as np
import pytest

from numtoolkit.arrays import split
from numtoolkit.laws.named import mixture
from numtoolkit.measure import error_curve, exact_flow
from numtoolkit.measure.distances import relative_rms, sliced_wasserstein
from numtoolkit.measure.exact_networks import ExactNetwork
from numtoolkit.models.network import Network
from numtoolkit.problem.processes import PSLD, VP
from numtoolkit.sampling.runner import sample
from numtoolkit.sampling.state import origin
from numtoolkit.schemes import scheme


@pytest.mark.parametrize(
    ("process", "name"),
    [(VP(), "res-2s"), (VP(), "em"), (PSLD(), "cvv"), (PSLD(), "roba")],
    ids=lambda x: getattr(x, "name", x),
)
def test_an_error_curve_measures_the_samples_that_sample_returns_for_the_same_seeds(process, name):
    """Start and noise of both come from one place: with seeds 0..39 the error is that of the samples, to the digit."""
    law, member = mixture(dim=2, components=4), scheme(name)
    metric = "path" if member.kind == "ode" else "law"
    (record,) = error_curve(member, process, law, "uniform", [10], seeds=range(40), metric=metric)
    drawn = sample(
        member, network=Network.of(law), process=process, grid="uniform", nfe=10, seeds=range(40), dtype=np.float64
    )
    samples = split(drawn.samples, process.blocks)[0]
    if member.kind == "ode":
        start = origin(process, process.T, range(40), None, law.shape, np.float64, None).blocks(range(40))
        expected = relative_rms(samples, exact_flow(process, law, start, process.T, process.t_min)[0]).rms
    else:
        target = ExactNetwork(law, process).target(process.T, process.t_min, tuple(range(40)))
        expected = sliced_wasserstein(samples, target.samples).value
    assert record["error"] == expected
