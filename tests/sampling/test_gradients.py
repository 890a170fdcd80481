"""A run is recorded where it is asked to be: gradients, torch.func, and tensors without numbers."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call, jvp, stack_module_state, vmap

from numtoolkit import InputError, Network, sample, start_noise
from numtoolkit.laws import NAMED
from tests.support.sampling_cases import EPS, GRIDS

CASES = pytest.mark.parametrize(
    ("own", "on"), [("ddim", "vp"), ("dpmpp-2m", "edm"), ("unipc", "flow"), ("heun-edm-churn", "edm"), ("sscs", "psld")]
)


def run(own, on, network, **changes):
    """Four steps in float64, recorded."""
    given = {"grid": GRIDS[on], "steps": 4, "seeds": range(3), "shape": 2, "dtype": torch.float64, "grad": True}
    return sample(own, on, network, **given | changes)


def start_of(on):
    return start_noise(on, range(3), 2, dtype=torch.float64)


def shrinking(weight):
    """D = (w + 0.1) z of a scalar process, of a phase space D = w x - m / 8: linear in the state."""
    return Network(lambda z, t: (weight + 0.1) * z if z.ndim == 2 else weight * z[:, 0] - z[:, 1] / 8, "data")


@CASES
def test_the_gradient_with_respect_to_a_weight_is_the_quotient_of_differences(own, on):
    """Central differences of step h = 1e-5: h^2 of the third derivative, and rounding / h, are below 1e-6 of it."""

    def loss(w, **how):
        return run(own, on, shrinking(w), **how).samples.square().sum()

    weight, h = torch.tensor(0.4, dtype=torch.float64, requires_grad=True), 1e-5
    loss(weight).backward()
    values = [float(loss(torch.tensor(0.4 + d, dtype=torch.float64), grad=False)) for d in (-h, h)]
    assert float(weight.grad) == pytest.approx((values[1] - values[0]) / (2 * h), rel=1e-6)
    assert run(own, on, shrinking(weight), batch=2).samples.requires_grad
    assert not run(own, on, shrinking(weight), grad=False).samples.requires_grad


@CASES
def test_the_gradient_with_respect_to_the_start_is_the_linear_map_of_the_run(own, on):
    """The network is linear, so what the run makes of a change of its start is the run from that change, less noise.

    Some hundred roundings of numbers as large as the largest.
    """
    weight = torch.tensor(0.4, dtype=torch.float64)
    start, change = start_of(on).requires_grad_(), torch.ones_like(start_of(on))
    how = {"shape": None, "dtype": None}
    ends = [run(own, on, shrinking(weight), start=x, **how).samples for x in (start, torch.zeros_like(start), change)]
    ends[0].sum().backward()
    exact = ends[2] - ends[1]  # of a change by one in every block
    slope = start.grad if on != "psld" else start.grad.sum(1)
    wanted = exact if on != "psld" else exact.sum(1)
    size = float(ends[2].abs().max() + ends[1].abs().max() + 1)
    np.testing.assert_allclose(slope, wanted.detach(), rtol=0, atol=100 * EPS * size)


@CASES
def test_a_recorded_run_has_the_bits_of_one_that_is_not(own, on):
    """With tiles, a callback and a trajectory too."""
    network = Network.of(NAMED["gaussian"](dim=2))
    how = {"batch": 2, "trajectory": True, "callback": lambda progress: progress.state}
    ours, theirs = (run(own, on, network, grad=grad, **how) for grad in (True, False))
    assert torch.equal(ours.samples, theirs.samples)
    assert torch.equal(ours.trajectory.states, theirs.trajectory.states)
    assert torch.equal(ours.finite, theirs.finite)


class Net(torch.nn.Module):
    """A small network of the state and the time."""

    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = torch.nn.Linear(3, 8).double(), torch.nn.Linear(8, 2).double()
        self.eval()

    def forward(self, z, t):
        return self.last(torch.tanh(self.first(torch.cat([z, t[:, None]], 1))))


NETS = [Net(0), Net(1), Net(2)]


def ends(parameters, own="dpmpp-2m", on="edm"):
    """The samples of a run as a function of the weights."""
    return run(own, on, Network(lambda z, t: functional_call(NETS[0], parameters, (z, t)), "noise")).samples


@pytest.mark.parametrize(("own", "on"), [("dpmpp-2m", "edm"), ("heun-edm-churn", "edm"), ("unipc", "vp")])
def test_a_run_is_mapped_over_the_weights_of_a_network(own, on):
    """vmap over three networks is three runs, to the rounding of batched products, magnified by noise levels to 80."""
    parameters, _ = stack_module_state(NETS)
    ours = vmap(lambda own_parameters: ends(own_parameters, own, on))(parameters)
    for mapped, net in zip(ours, NETS, strict=True):
        exact = ends(dict(net.named_parameters()), own, on)
        np.testing.assert_allclose(mapped.detach(), exact.detach(), rtol=0, atol=1e3 * EPS * 80)


@pytest.mark.check
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # which torch itself calls for it
def test_a_derivative_forward_along_the_weights_is_the_gradient_backward():
    """jvp of the sum along a direction is the product of that with the gradient: the same sum in another order."""
    parameters = {name: value.detach() for name, value in NETS[0].named_parameters()}
    along = {name: torch.ones_like(value) for name, value in parameters.items()}
    _, forward = jvp(lambda own: ends(own).sum(), (parameters,), (along,))
    leaves = {name: value.clone().requires_grad_() for name, value in parameters.items()}
    ends(leaves).sum().backward()
    backward = sum(value.grad.sum() for value in leaves.values())
    assert float(forward) == pytest.approx(float(backward), rel=1e-11)


def test_a_recorded_run_marks_what_is_not_finite():
    """It reads nothing back, so it cannot refuse."""
    result = run("ddim", "vp", Network(lambda z, t: z / (z[:, :1] > 0), "data"))
    assert result.finite.tolist() == result.samples.isfinite().all(1).tolist()
    assert not result.finite.all()


def shape_only(own, on, mode, **changes):
    """A run of a network that halves its state, where there are no numbers."""
    network = Network(lambda z, t: z * 0.5 if z.ndim == 2 else z[:, 0] * 0.5, "data")
    with mode:
        result = run(own, on, network, grad=False, **{"dtype": torch.float32} | changes)
    assert result.samples.shape == ((3, 2, 2) if on == "psld" else (3, 2))
    assert result.samples.dtype == torch.float32
    assert result.finite.shape == (3,)
    return result.samples


@pytest.mark.parametrize(
    ("own", "on", "batch"), [("unipc", "flow", None), pytest.param("sscs", "psld", 2, marks=pytest.mark.check)]
)
def test_a_run_on_meta_has_the_shape_of_its_samples(own, on, batch):
    """Drawn and given: dtype and device too."""
    start = torch.empty((3, 2, 2) if on == "psld" else (3, 2), device="meta")
    drawn = shape_only(own, on, nullcontext(), batch=batch, device="meta")
    given = shape_only(own, on, nullcontext(), batch=batch, start=start, shape=None, dtype=None)
    assert drawn.device.type == given.device.type == "meta"


@pytest.mark.check
@pytest.mark.parametrize(("own", "on", "batch"), [("unipc", "flow", None), ("sscs", "psld", 2)])
def test_a_run_among_fake_tensors_is_one(own, on, batch):
    """Its samples are fake, of their shape and dtype."""
    assert type(shape_only(own, on, FakeTensorMode(), batch=batch)).__name__ == "FakeTensor"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": np.float64}, "this one is in numpy"),
        ({"update": "fused"}, "'fused' sums in place"),
        ({"into": torch.zeros(3, 2, dtype=torch.float64)}, "into stores samples"),
    ],
)
def test_what_cannot_be_recorded_is_refused(changes, words):
    """In one sentence, before the network is called."""
    with pytest.raises(InputError, match=words):
        run("ddim", "vp", Network(lambda z, t: 1 / 0, "data"), **changes)
