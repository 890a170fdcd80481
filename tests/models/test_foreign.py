"""Networks of other people's code say in our words what they say in theirs, convention by convention."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from numtoolkit import InputError, Network, process, sample
from numtoolkit.models.by_reference import foreign_network_of
from numtoolkit.models.calls import parameter_of
from numtoolkit.models.checkpoints import read_checkpoint, shipped_path
from numtoolkit.models.foreign import CONVENTIONS, foreign_network, with_weights
from numtoolkit.problem.predictions import to_score

MU, DEVIATION, SHAPE = 0.3, 0.6, (2, 2, 2)  # of a Gaussian law of the data; (C, H, W)
EPS = 2.0**-52


def kernel(on, t):
    """(e, Sigma) at the time t, (k,) and (k, k)."""
    return (part[0] for part in on.kernel(np.array([t])))


def score(on, blocks, t):
    """-V^-1 (z - e mu), V the covariance of the state, block by block."""
    e, sigma = kernel(on, t)
    back = np.linalg.inv(sigma + DEVIATION**2 * np.outer(e, e))
    return [-sum(back[i, j] * (z - e[j] * MU) for j, z in enumerate(blocks)) for i in range(len(e))]


def mean(y, s):
    """The posterior mean of x_0 for y = x_0 + s n."""
    return (DEVIATION**2 * y + s**2 * MU) / (DEVIATION**2 + s**2)


class Image:
    """A network of image space in some layout: `answer` of a state, its time and what the paper's letters are there."""

    def __init__(self, on, clock, answer):
        self.on, self.clock, self.answer = on, clock, answer

    def __call__(self, z, t):
        (t,) = {self.clock(float(own)) for own in t}
        e, sigma = kernel(self.on, t)
        alpha, std = e[0], sigma[0, 0] ** 0.5
        x0 = mean(z / alpha, std / alpha)
        return self.answer(alpha, std, x0, (z - alpha * x0) / std)


def raw_edm(x, noise):
    """F of EDM's table 1 for sigma_data = 0.5, of the exact denoiser."""
    (s,) = {np.exp(4 * float(own)) for own in noise}
    total = s**2 + 0.25
    y = x * total**0.5
    return (mean(y, s) - y * 0.25 / total) / (s * 0.5 / total**0.5)


def channels(on, answer):
    """A network of phase space with position and momentum on the channels; L the lower Cholesky factor of Sigma."""

    def net(u, t):
        (t,) = {float(own) for own in t}
        z = u.chunk(2, 1)
        return torch.cat(answer(kernel_of(on, t), z, score(on, z, t)), 1)

    return net


def kernel_of(on, t):
    """(Sigma_xx, Sigma_xm, Sigma_mm) at the time t."""
    _, sigma = kernel(on, t)
    return sigma[0, 0], sigma[0, 1], sigma[1, 1]


def both(sigma, s):
    """The noises e of S = -L^-T e."""
    xx, xm, mm = sigma
    l11, l21, l22 = xx**0.5, xm / xx**0.5, (mm - xm**2 / xx) ** 0.5
    return [-(l11 * s[0] + l21 * s[1]), -l22 * s[1]]


def skipped(sigma, z, s):
    """What a score is with -z / Sigma_mm taken out."""
    return [own + block / sigma[2] for own, block in zip(s, z, strict=True)]


VP, DDPM, FLOW = process("vp"), process("ddpm"), process("flow")
PSLD, CLD = process("psld(Gamma=0.02, nu=4.02)"), process("cld")
LAYOUTS = {
    "edm": (process("edm"), lambda x, s: mean(x, s[:, None, None, None])),
    "edm-raw(sigma_data=0.5)": (process("edm"), raw_edm),
    "psld": (PSLD, channels(PSLD, lambda sigma, z, s: both(sigma, s))),
    "psld-mixed": (PSLD, channels(PSLD, lambda sigma, z, s: both(sigma, skipped(sigma, z, s)))),
    "cld": (CLD, channels(CLD, lambda sigma, z, s: both(sigma, s)[1:])),
    "cld-mixed": (CLD, channels(CLD, lambda sigma, z, s: both(sigma, skipped(sigma, z, s))[1:])),
    "diffusers(v_prediction)": (
        DDPM,
        lambda z, timestep: (Image(DDPM, lambda t: t + 1, lambda a, s, x, n: a * n - s * x)(z, timestep),),
    ),
    "data": (VP, Image(VP, lambda t: t, lambda a, s, x, n: x)),
    "noise(clock=1024)": (VP, Image(VP, lambda t: t / 1024, lambda a, s, x, n: n)),
    "noise(offset=-1)": (DDPM, Image(DDPM, lambda t: t + 1, lambda a, s, x, n: n)),
    "score": (VP, Image(VP, lambda t: t, lambda a, s, x, n: -n / s)),
    "velocity": (VP, Image(VP, lambda t: t, lambda a, s, x, n: a * n - s * x)),
    "flow": (FLOW, Image(FLOW, lambda t: t, lambda a, s, x, n: n - x)),
}


@pytest.mark.parametrize("convention", LAYOUTS)
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_a_law_in_the_layout_of_a_convention_has_its_score(convention, share):
    """In float64 to rounding of the largest term of the score, at times near the data, in the middle and near noise."""
    on, net = LAYOUTS[convention]
    network = foreign_network(net, convention, process=on)
    t = float(round(share * on.T * 64) / 64 if on.T <= 1 else round(share * on.T))
    draw = torch.Generator().manual_seed(0)
    e, sigma = kernel(on, t)
    spread = np.sqrt(np.diag(sigma) + DEVIATION**2 * e**2)
    blocks = [torch.randn((3, *SHAPE), generator=draw, dtype=torch.float64) * own for own in spread]
    out = network.on(on)(blocks, t)
    P, Q = (part[0] for part in to_score(network.predicts, on, np.array([t])))
    for i, exact in list(enumerate(score(on, blocks, t)))[-1 if convention.startswith("cld") else 0 :]:
        terms = [c * z for c, z in [*zip(P[i], blocks, strict=True), *zip(Q[i], out, strict=True)]]
        size = max(float(abs(term).max()) for term in [*terms, exact])
        # The answer of the layout is some ten roundings from exact, and so are the factors of the kernel.
        assert float(abs(sum(terms) - exact).max()) < 40 * EPS * size * condition(on, t)


def condition(on, t):
    """By how much the inverse of the kernel's covariance may enlarge roundings."""
    _, sigma = kernel(on, t)
    scale = np.sqrt(np.diag(sigma))
    return np.linalg.cond(sigma / np.outer(scale, scale))


def test_every_convention_is_held_against_a_law():
    """The table of layouts has each row of the conventions."""
    assert {re.match(r"[\w-]+", name)[0] for name in LAYOUTS} == set(CONVENTIONS)


def test_the_network_inside_a_shipped_one_is_a_raw_network_of_edm():
    """`digits-image` with its preconditioning taken off and put on again has the same samples."""
    facts, _ = read_checkpoint(shipped_path("digits-image"))
    own = Network.shipped("digits-image", dtype="float64")
    inside = own.function.raw

    def raw(x, noise):
        return inside(x[:, None], noise, None)[:, 0]

    convention = f"edm-raw(sigma_data={facts['blueprint']['deviation']:.17f})"
    run = {"seeds": range(3), "shape": (8, 8), "dtype": torch.float64}
    ours = sample("ddim", "edm", own, "rho(7)", 3, **run).samples
    theirs = sample("ddim", "edm", foreign_network(raw, convention), "rho(7)", 3, **run).samples
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-13)


class Noise(torch.nn.Module):
    """Predicts a share of the state, on C or 2 C channels, in its own dtype."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.share = torch.nn.Parameter(torch.tensor(0.5, dtype=dtype))

    def forward(self, z, t):
        return z * self.share


@pytest.mark.parametrize("convention", ["noise", "psld", "edm", "edm-raw"])
def test_a_module_computes_in_its_own_dtype_behind_every_convention(convention):
    """The state stays in float64, and the parameters are found whatever they are wrapped in."""
    network = foreign_network(Noise(), convention, process={"noise": "vp"}.get(convention))
    assert network.dtype == torch.float32
    on = network.process or process("edm")
    z = torch.ones((2, *([2] if on.blocks == 2 else []), *SHAPE), dtype=torch.float64)
    assert network(z, 0.5).dtype == torch.float64


def test_what_a_run_was_given_as_weights_stands_in_its_result(tmp_path):
    """The name, digest and part of the file, in the network, a wrapper of it and the provenance of a run."""
    path = tmp_path / "net.pt"
    torch.save({"ema": {"share": torch.tensor(0.25)}}, path)
    network = foreign_network(Noise(), "noise", path, process="vp")
    assert network.weights == {"file": "net.pt", "sha256": network.weights["sha256"], "part": "ema"}
    run = sample("ddim", "vp", network.clipped(), "log-snr", 2, seeds=[0], shape=SHAPE)
    assert run.provenance["weights"] == network.weights
    own = Network(Noise(), "noise", process="vp", clock=lambda t: 1000 * t)
    again = with_weights(own, path, sha256=network.weights["sha256"])
    assert (again.weights, again.clock, float(again.function.share.detach())) == (network.weights, own.clock, 0.25)
    shipped = sample("ddim", "edm", "network:digits-image", "rho(7)", 2, seeds=[0]).provenance["weights"]
    assert shipped["file"] == "digits-image.safetensors"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: foreign_network(3), "an int is no network; give a torch module"),
        (lambda: foreign_network(Noise(), "edn"), "unknown convention 'edn'; did you mean edm"),
        (lambda: foreign_network(Noise(), "noise"), "convention noise does not say on which process"),
        (lambda: foreign_network(Noise(), "edm(sigma_data=0.5)"), "convention edm has no parameter 'sigma_data'"),
        (lambda: foreign_network(Noise(), "edm-raw(0)"), "sigma_data = 0.0 is the deviation of a point"),
        (lambda: foreign_network(Noise(), "velocity", process="psld"), None),
        (lambda: foreign_network(Noise(), "diffusers(epsilom)", process="sd"), "unknown prediction 'epsilom'"),
        (lambda: with_weights("net", "x.pt"), "a str is not one network with weights"),
        (lambda: with_weights(Network(lambda z, t: z, "noise"), "x.pt"), "a function has no weights"),
    ],
)
def test_a_convention_that_is_none_is_refused(make, said):
    """By the thing and its remedy; a prediction that a process has not, when it is run there."""
    if said is None:
        with pytest.raises(InputError, match="'velocity' is not defined on process psld"):
            make().on(process("psld"))
        return
    with pytest.raises(InputError, match=said):
        make()


def test_clock_and_offset_of_a_convention_go_together():
    """The network is told clock t + offset."""
    told = []

    def net(z, t):
        told.append(t.tolist())
        return z

    foreign_network(net, "noise(clock=10, offset=-1)", process="vp")(torch.zeros(1, 2), 0.5)
    assert told == [[4.0]]


def test_the_weights_of_a_network_that_ships_go_to_the_device_that_is_named():
    """At once, without a second reading of their file; to the CPU where none is named."""
    for device in (None, "meta"):
        network = foreign_network_of("network:digits-image", device=device)
        assert parameter_of(network).device.type == (device or "cpu")
