"""Error curves of a network of one's own are those against its own flow, which is followed once."""

from __future__ import annotations

import numpy as np
import pytest

from numtoolkit import Network, error_curve, program_of, search
from numtoolkit.errors import InputError
from numtoolkit.files.user_cache import cache_folder
from numtoolkit.laws import Gaussian
from numtoolkit.laws.named import mixture
from numtoolkit.measure import exact_flow, own_networks
from numtoolkit.measure.distances import frechet, relative_rms, sliced_squares, sliced_wasserstein
from numtoolkit.measure.own_networks import own_network
from numtoolkit.problem.predictions import convert
from numtoolkit.problem.processes import EDM, PSLD, VP, RectifiedFlow
from numtoolkit.sampling.runner import sample
from numtoolkit.sampling.state import origin
from tests.support.gaussian_runs import ROTATED
from tests.support.tiers import breadth

LAW = mixture(dim=2, components=3)
HOW = {"dtype": np.float64}


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    """Nothing is remembered from one test to the next."""
    monkeypatch.setattr(own_networks, "_REMEMBERED", {})


class Opaque:
    """The exact network of a law as a stranger's: a function of (z, t) that predicts anything and counts its calls."""

    def __init__(self, law, process, predicts="data") -> None:
        self.law, self.process, self.predicts = law, process, predicts
        self.times: list[float] = []
        self.sizes: list[int] = []

    def __call__(self, z, t):
        self.times.append(t)
        self.sizes.append(len(z))
        blocks = [z] if self.process.blocks == 1 else [z[:, 0], z[:, 1]]
        data = self.law.denoise(*self.process.observe(blocks, t))
        P, Q = (block[0] for block in convert("data", self.predicts, self.process, np.array([t])))
        out = [sum(P[i, j] * block for j, block in enumerate(blocks)) + Q[i, 0] * data for i in range(len(P))]
        return out[0] if len(out) == 1 else np.stack(out, 1)

    @property
    def network(self) -> Network:
        return Network(self, self.predicts, time="float", shape=self.law.shape, name="opaque")


DISGUISES = [
    (VP(), "noise", "ddim", LAW),
    (PSLD(), "noise", "gddim(2)", ROTATED),
    (EDM(), "data", "dpmpp-2m", LAW),
    (EDM(), "data", "dpmpp-2m", ROTATED),
    (RectifiedFlow(), "flow", "dpmpp-2m", LAW),
    (PSLD(), "data", "rvv", LAW),
    (PSLD(), "noise-skip", "rvv", LAW),
]


@pytest.mark.parametrize(
    ("process", "predicts", "scheme", "law"),
    breadth(DISGUISES, lambda *case: case in DISGUISES[:2]),
    ids=lambda x: str(getattr(x, "name", x)),
)
def test_the_exact_network_in_disguise_has_the_curve_of_its_law(process, predicts, scheme, law):
    """The errors of all, to the stated tolerance of the flow, whatever the network predicts, and what that cost."""
    grid = "quadratic" if process.blocks > 1 else "log-snr"
    of = (grid, [16, 48], range(6))
    exact = error_curve(scheme, process, law, *of, metric="path")
    own = error_curve(scheme, process, Opaque(law, process, predicts).network, *of, metric="path", **HOW)
    for a, b in zip(exact, own, strict=True):
        # Relative to the ends, some ten steps of a tolerance of 1e-8 each.
        assert b["path"] == pytest.approx(a["path"], abs=1e-7)
        assert b["median"] == pytest.approx(a["median"], abs=1e-7)
        assert {k: b[k] for k in ("scheme", "nfe", "steps", "plan", "metric")} == {
            k: a[k] for k in ("scheme", "nfe", "steps", "plan", "metric")
        }
        assert b["reference_error"] < 1e-7
        assert 50 < b["reference_nfe"] < 1000
        assert ("why" in b) == (b["path"] < 10 * b["reference_error"])


def test_the_law_of_a_network_is_told_from_the_ends_of_its_flow():
    """The same starts on both sides; the floor is that of two halves, which hold half as much."""
    process, seeds = EDM(), range(60)
    (record,) = error_curve("ddim", process, Opaque(LAW, process).network, "rho(7)", [8], seeds, **HOW)
    run = sample("ddim", process, LAW, "rho(7)", 8, seeds=seeds, dtype=np.float64).samples
    start = origin(process, process.T, seeds, None, LAW.shape, np.float64, None).blocks(seeds)
    ends = exact_flow(process, LAW, start, process.T, process.t_min)[0]
    distance = sliced_wasserstein(run, ends)
    assert (record["law"], record["law_high"]) == pytest.approx((distance.value, distance.high), rel=1e-6)
    floor = sliced_wasserstein(ends[:30], ends[30:]).value
    assert record["floor"] == pytest.approx(floor / np.sqrt(2), rel=1e-6)
    assert record["frechet"] > 0
    assert record["frechet_floor"] > 0


def test_with_a_reference_the_law_is_told_by_other_starts():
    """Of the same floor for schemes with noise and without: the ends of the starts from those of the reference."""
    process, seeds, others = EDM(), range(60), range(100, 140)
    network = Opaque(LAW, process).network

    def ends(of):
        start = origin(process, process.T, of, None, LAW.shape, np.float64, None).blocks(range(len(of)))
        return exact_flow(process, LAW, start, process.T, process.t_min)[0]

    (record,) = error_curve("ddim", "edm", network, "rho(7)", [8], seeds, reference=others, **HOW)
    run = sample("ddim", process, LAW, "rho(7)", 8, seeds=seeds, dtype=np.float64).samples
    squares, exact = (sliced_squares(x, ends(others)) for x in (run, ends(seeds)))
    assert (record["law"], record["law_high"]) == pytest.approx((squares.root.value, squares.root.high), rel=1e-6)
    assert record["floor"] == pytest.approx(exact.root.value, rel=1e-6)
    excess = [record[key] for key in ("excess", "excess_low", "excess_high")]
    assert excess == pytest.approx(squares.beyond(exact)[:3], rel=1e-4)
    means = [(x.mean(0), np.cov(x.T)) for x in (ends(seeds), ends(others))]
    assert record["frechet_floor"] == pytest.approx(frechet(*means[0], *means[1]), rel=1e-4)
    few = [error_curve(s, "edm", network, "rho(7)", [8], seeds, reference=others, **HOW)[0] for s in ("em", "ddim")]
    assert few[0]["floor"] == few[1]["floor"]


def test_conditions_of_a_reference_follow_those_of_the_seeds():
    """The law is told by ends under their own labels: with one label throughout all is as with that network alone."""
    network = Network(shrunk, "data", shape=(2,), name="shrunk")
    how = {"reference": range(40, 60), **HOW}
    two, same = [-1.0] * 40 + [2.0] * 20, [-1.0] * 60
    apart, near = (error_curve("ddim", "edm", network, "rho(7)", [6], conditions=c, **how)[0] for c in (two, same))
    assert near["floor"] < 1 < 2.5 < apart["floor"]  # the means are 3 apart
    with pytest.raises(InputError, match=r"there are 59 conditions for 60 samples; give one a sample\."):
        error_curve("ddim", "edm", network, "rho(7)", [6], range(40), conditions=same[:59], **how)


@pytest.mark.parametrize("reference", [None, range(40, 80)])
def test_classes_that_take_turns_do_not_widen_the_interval_of_a_law(reference):
    """Run and flow end on the points that their labels are: whatever group is left out, they are two equal sets."""
    network = Network(told_alone, "data", shape=(2,), name="points")
    labels = [float((k + k // 40 * 3) % 5) for k in range(40 if reference is None else 80)]
    how = {"reference": reference, "conditions": labels, "metric": "law", **HOW}
    (record,) = error_curve("ddim", "edm", network, "rho(7, zero=1)", [6], **how)
    assert (record["floor"], record["error"], record["high"]) == pytest.approx((0, 0, 0), abs=1e-6)


def test_a_reference_that_tells_no_law_is_refused():
    """Samples that runs start from too, too few, and those of a law, which has its own."""
    network = Opaque(LAW, EDM()).network
    with pytest.raises(InputError, match="reference holds seed 39, which runs start from too; give other seeds"):
        error_curve("ddim", "edm", network, "rho(7)", [5], range(40), reference=range(39, 80), **HOW)
    with pytest.raises(InputError, match="reference has 19 seeds; give 20 or more"):
        error_curve("ddim", "edm", network, "rho(7)", [5], range(40), reference=range(40, 59), **HOW)
    with pytest.raises(InputError, match=r"reference = .* is of a network of your own, but law"):
        error_curve("ddim", "edm", LAW, "rho(7)", [5], range(40), reference=range(40, 80))


def test_a_scheme_that_takes_what_the_network_does_not_tell_says_so():
    """In its record, so that the curves of others go on: CFG++ on a network without guidance."""
    (record,) = error_curve("ddim-cfgpp", "edm", Opaque(LAW, EDM()).network, "rho(7)", [5], range(4), **HOW)
    assert record["error"] is None
    assert "takes the unguided prediction too, which network opaque does not tell apart" in record["why"]


def test_a_stochastic_scheme_on_a_network_is_judged_in_law():
    """Forty samples tell it and its floor, fewer are refused; what comes second is left out instead."""
    network = Opaque(LAW, EDM()).network
    few, many = (error_curve("em", "edm", network, "rho(7)", [n], range(60), **HOW)[0] for n in (3, 60))
    assert few["metric"] == many["metric"] == "sliced-wasserstein"
    assert few["low"] > 2 * few["floor"]
    assert many["error"] < 2 * many["floor"]
    assert (few["path"], few["law"]) == (None, few["error"])
    assert few["reference_error"] < 1e-7
    assert few["reference_nfe"] == many["reference_nfe"] > 50
    with pytest.raises(InputError, match=r"39 samples are too few for sliced-wasserstein of em; give 40\."):
        error_curve("em", "edm", network, "rho(7)", [3], range(39), **HOW)
    (record,) = error_curve("ddim", "edm", network, "rho(7)", [3], range(39), **HOW)
    assert (record["law"], record["path"] > 0) == (None, True)


# --- what is kept


def curve(asked: Opaque, **more):
    """One budget, path alone, and what it cost beside the runs: evaluations of the flow and of who the network is."""
    before = len(asked.times)
    (record,) = error_curve("ddim", "edm", asked.network, "rho(7)", [5], range(12), metric="path", **HOW, **more)
    return record, len(asked.times) - before


def test_a_flow_is_followed_once_and_kept_by_what_the_network_answers(monkeypatch):
    """A second process of the same network asks it who it is and runs; another network starts anew under its name."""
    asked = Opaque(LAW, EDM())
    first, cost = curve(asked)
    assert cost > first["reference_nfe"] > 100
    again, cheap = curve(asked)
    assert again == first
    probes = 2 * own_networks.PROBES + 1  # twice each time, and once in which dtype it answers
    assert cheap == probes + 5
    monkeypatch.setattr(own_networks, "_REMEMBERED", {})  # as in another process
    assert curve(asked) == (first, cheap)
    for path in (cache_folder() / "flows").iterdir():
        path.write_bytes(path.read_bytes()[:-30])
    monkeypatch.setattr(own_networks, "_REMEMBERED", {})
    assert curve(asked) == (first, cost)
    other = Opaque(mixture(dim=2, components=3, seed=1), EDM())
    assert curve(other)[1] > 100
    assert curve(asked, tolerance=1e-5)[1] > cheap


def test_without_a_folder_a_flow_is_remembered(monkeypatch, tmp_path):
    """As a search needs it, which asks for the same flow at each value."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "file"))
    asked = Opaque(LAW, EDM())
    first, cost = curve(asked)
    again, cheap = curve(asked)
    assert again == first
    assert cheap < cost / 5
    monkeypatch.setattr(own_networks, "KEPT", 1)
    curve(asked, tolerance=1e-5)
    assert len(own_networks._REMEMBERED) == 1


def test_a_flow_that_was_interrupted_goes_on_where_it_was(monkeypatch):
    """Tiles that were complete are kept: killed in the third of three, the next call follows that one alone."""

    class Killed(BaseException):
        pass

    asked = Opaque(LAW, EDM())
    whole, cost = curve(asked, tile=4)
    tile = len([n for n in asked.sizes if n == 4]) // 3
    for path in (cache_folder() / "flows").iterdir():
        path.unlink()
    monkeypatch.setattr(own_networks, "_REMEMBERED", {})
    asked.sizes.clear()

    def denoise(y, sigma):
        if len([n for n in asked.sizes if n == 4]) > 2.5 * tile:
            raise Killed
        return LAW.denoise(y, sigma)

    monkeypatch.setattr(asked, "law", type("law", (), {"denoise": staticmethod(denoise), "shape": LAW.shape}))
    with pytest.raises(Killed):
        curve(asked, tile=4)
    monkeypatch.setattr(asked, "law", LAW)
    monkeypatch.setattr(own_networks, "_REMEMBERED", {})
    again, rest = curve(asked, tile=4)
    assert again == whole
    assert rest < cost / 1.5


# --- how well it is known


def test_an_error_that_the_reference_blurs_says_so():
    """At a coarse tolerance the reference is known to its estimate: the record says so where ten times it is more."""
    asked = Opaque(LAW, EDM()).network
    of = ("unipc(3)", "edm", asked, "rho(7)", [60], range(8))
    (fine,), (coarse,) = (error_curve(*of, metric="path", tolerance=x, **HOW) for x in (1e-9, 1e-2))
    assert "why" not in fine
    assert coarse["why"] == (
        f"the path error is below 10 times that of the reference, {coarse['reference_error']:.2g}, which blurs it; "
        "give a smaller tolerance."
    )
    assert fine["reference_error"] < 1e-8 < coarse["reference_error"]
    # What it says of itself is how far it is from the better one, to the size of an estimate.
    assert abs(coarse["path"] - fine["path"]) < 5 * coarse["reference_error"]
    assert coarse["reference_nfe"] < fine["reference_nfe"] / 2


def test_a_network_that_is_rougher_than_the_tolerance_is_named(monkeypatch):
    """It is not followed for ever; the sentence says where it is and what helps."""
    monkeypatch.setattr(own_networks, "MOST", 40)
    with pytest.raises(InputError, match=r"takes more than 40 evaluations at tolerance 1e-08 and is at t = \d"):
        curve(Opaque(LAW, EDM()))


def test_a_network_with_chance_in_it_has_no_flow():
    """Two answers to one question, as dropout gives, are found before anything is followed."""
    rng = np.random.default_rng(0)
    network = Network(lambda z, t: 0.1 * z + 1e-3 * rng.standard_normal(z.shape), "data", shape=(2,), name="dropout")
    with pytest.raises(InputError, match=r"network dropout gives two answers .* as model\.eval\(\) does"):
        error_curve("ddim", "edm", network, "rho(7)", [5], range(4), **HOW)


# --- where it starts and ends, in which numbers


def test_at_noise_level_0_a_network_is_not_asked():
    """The flow ends by the data prediction at t_min, which is where every scheme's last step tends to."""
    asked = Opaque(LAW, EDM())
    curve_to_0 = error_curve("heun-edm", "edm", asked.network, "rho(7, zero=1)", [19, 79], range(6), **HOW)
    assert min(asked.times) == pytest.approx(EDM().t_min)
    assert curve_to_0[1]["path"] < curve_to_0[0]["path"] / 8
    own = own_network(Opaque(LAW, EDM(), "noise").network, EDM(), **HOW)
    flow, end = (own.ends(80.0, t, (0, 1, 2)).data for t in (0.002, 0.0))
    np.testing.assert_allclose(end, LAW.denoise(flow, 0.002), rtol=1e-12)


@pytest.mark.parametrize("process", [EDM(), PSLD()], ids=["edm", "psld"])
def test_a_grid_that_starts_below_T_starts_on_the_flow_of_the_network(process):
    """Where the flow from the prior is by then, up or down from there."""
    asked = Opaque(ROTATED, process)
    own, seeds, t = own_network(asked.network, process, **HOW), (0, 1, 2), process.T / 4
    prior = origin(process, process.T, seeds, None, ROTATED.shape, np.float64, None).blocks(range(3))
    for found, exact in zip(own.start(t, seeds), exact_flow(process, ROTATED, prior, process.T, t), strict=True):
        np.testing.assert_allclose(found, exact, atol=1e-6 * process.T)
    there = exact_flow(process, ROTATED, prior, process.T, t / 2)[0]
    np.testing.assert_allclose(own.ends(t, t / 2, seeds).data, there, atol=1e-6 * process.T)
    down, up = ([t, t / 2], [t / 2, t])
    for points in (down, up):
        grid = np.linspace(*points, 41)
        (record,) = error_curve("euler", process, asked.network, grid, [40], range(4), metric="path", **HOW)
        assert record["path"] < 0.2


def test_the_network_sees_a_tile_at_a_time_which_decides_nothing():
    """Tiles of 5 and 12 samples: the same errors to the tolerance; no call has more."""
    asked = Opaque(LAW, EDM())
    (small, _), (large, _) = (curve(asked, tile=size) for size in (5, 12))
    assert max(asked.sizes) == 12
    assert small["path"] == pytest.approx(large["path"], abs=1e-7)


def test_a_torch_module_runs_in_its_own_numbers():
    """A float32 module, wrapped or not, leaves the state in float64; its reference is as good as float32 allows."""
    torch = pytest.importorskip("torch")

    class Module(torch.nn.Module):
        def __init__(self, dtype) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.inner = torch.nn.Linear(2, 2).to(dtype)
            self.eval()

        def forward(self, z, t):
            return 0.3 * torch.tanh(self.inner(z / (1 + t[:, None] ** 2).sqrt()))

    found = {}
    for dtype in (torch.float64, torch.float32):
        own = own_network(Network(Module(dtype), "data", shape=(2,)), EDM())
        assert (own.inner, own.like.dtype) == (dtype, torch.float64)
        assert own.tolerance == pytest.approx(1e-8 if dtype is torch.float64 else 16 * 2**-23)
        (found[dtype],) = error_curve("ddim", "edm", own.network, "rho(7)", [8], range(6), metric="path")
    rough, fine = found[torch.float32], found[torch.float64]
    assert rough["path"] == pytest.approx(fine["path"], abs=2e-5)
    assert fine["reference_error"] < 1e-7 < rough["reference_error"] < 2e-5
    half = own_network(Network(Module(torch.bfloat16), "data", shape=(2,), time="bfloat16"), EDM())
    assert (half.inner, half.tolerance) == (torch.bfloat16, own_networks.COARSEST)
    module = Module(torch.float32)
    closed = Network(lambda z, t: module(z, t), "data", shape=(2,))  # whose dtype nothing says
    assert own_network(closed, EDM()).inner == torch.float32
    wrapped = own_network(Network(module, "data", shape=(2,), dtype=torch.bfloat16), EDM())
    assert wrapped.tolerance == own_networks.COARSEST
    with pytest.raises(RuntimeError):
        own_network(Network(lambda z, t: z @ torch.ones(3, 2), "data", shape=(2,)), EDM())


def test_what_a_network_cannot_use_is_refused():
    """Each in one sentence: what is of a network beside a law, a tolerance out of range, a shape nobody says."""
    network = Opaque(LAW, EDM()).network
    for name, value in (("shape", (2,)), ("dtype", np.float64), ("tolerance", 1e-3), ("tile", 4)):
        with pytest.raises(InputError, match=rf"{name} = .* is of a network of your own, but law .* was given"):
            error_curve("ddim", "edm", LAW, "rho(7)", [5], **{name: value})
    for tolerance in (0.0, 1.0):
        with pytest.raises(InputError, match="must satisfy 0 < tolerance < 1"):
            error_curve("ddim", "edm", network, "rho(7)", [5], tolerance=tolerance, **HOW)
    with pytest.raises(InputError, match="shape of a sample is unknown"):
        error_curve("ddim", "edm", Network(lambda z, t: z, "data"), "rho(7)", [5], **HOW)
    with pytest.raises(InputError, match="not defined on process edm"):
        error_curve("ddim", "edm", Network(lambda z, t: z, "noise-r", shape=(2,)), "rho(7)", [5], **HOW)


# --- a search


def test_a_search_on_a_network_makes_its_own_error_least():
    """The stage of res-2s that is best for a law is best for its network in disguise."""
    of = ("rho(7)", [8], "c2")
    (exact,) = search("res-2s", "edm", LAW, *of, seeds=range(8), metric="path")
    (own,) = search("res-2s", "edm", Opaque(LAW, EDM()).network, *of, seeds=range(8), **HOW)
    assert own["objective"] == exact["objective"] == "relative-rms"
    assert own["value"] == pytest.approx(exact["value"], abs=1e-4)
    assert own["error"] == pytest.approx(exact["error"], abs=1e-7)
    assert own["error"] < own["default_error"]


def test_a_search_along_paths_in_phase_space_is_by_samples_of_the_path():
    """Where the law would lead: the objective is what was asked for."""
    (record,) = search("cse", "psld", LAW, "quadratic", [8], "shift", bounds=(0.0, 1.0), seeds=range(4), metric="path")
    (curve,) = error_curve(record["scheme"], "psld", LAW, "quadratic", [8], range(4), metric="path")
    assert (record["objective"], record["error"]) == ("relative-rms", curve["path"])


def shrunk(z, t, label):
    """The exact data prediction of N(label, 1/4) in each coordinate, on EDM."""
    return label[:, None] + (z - label[:, None]) / (1 + 4 * t[:, None] ** 2)


def told_alone(z, t, label):
    """The data prediction of a law of one point a label."""
    return z * 0 + label[:, None]


def test_a_network_that_is_told_conditions_is_measured_under_them():
    """Each sample against the flow of its own label, in every tile: the errors are those of its Gaussian."""
    network, labels = Network(shrunk, "data", shape=(2,), name="shrunk"), [0.5, -1.0, 0.5, 2.0, 0.0]
    for told, tile in ((labels, 64), (labels, 2), ([*labels[:2], 3.0, *labels[3:]], 64)):
        ends, exact = [], []
        for seed, label in enumerate(told):
            law = Gaussian(np.full(2, label), np.full(2, 0.25))
            start = origin(EDM(), 80.0, [seed], None, (2,), np.float64, None).blocks([0])
            exact += exact_flow(EDM(), law, start, 80.0, 0.002)
            ends.append(sample("ddim", "edm", law, "rho(7)", 6, seeds=[seed], dtype=np.float64).samples)
        how = {"conditions": told, "metric": "path", "tile": tile, **HOW}
        (record,) = error_curve("ddim", "edm", network, "rho(7)", [6], **how)
        expected = relative_rms(np.concatenate(ends), np.concatenate(exact)).rms
        assert record["path"] == pytest.approx(expected, rel=1e-6)


def test_conditions_of_a_curve_are_one_a_seed_and_of_a_network_alone():
    """Their number; a law that has none; objects by which no flow could be kept."""
    network = Network(shrunk, "data", shape=(2,))
    run = ("edm", network, "rho(7)", [6])
    with pytest.raises(InputError, match=r"there are 2 conditions for 3 samples; give one a sample\."):
        error_curve("ddim", *run, range(3), conditions=[0.5, 1.0], **HOW)
    with pytest.raises(InputError, match="is of a network of your own, but law"):
        error_curve("ddim", "edm", LAW, "rho(7)", [6], conditions=[0.5, 1.0])
    with pytest.raises(InputError, match="conditions hold objects that nothing tells from others"):
        error_curve("ddim", *run, conditions=[object(), object()], metric="path", **HOW)


@pytest.mark.parametrize("metric", [None, "path", "law"])
def test_a_program_is_measured_as_the_names_it_was_made_of_are(metric):
    """One record, of a law and of a network in its own prediction; what it fixes may not be given beside it."""
    seeds = range(40)
    program = program_of("heun-edm", "edm", "rho(7)", 6)
    (named,) = error_curve("heun-edm", "edm", LAW, "rho(7)", [6], seeds, metric=metric)
    (own,) = error_curve(program, network=LAW, seeds=seeds, metric=metric)
    assert own == named
    with pytest.raises(InputError, match="fixes nfe already; leave nfe out"):
        error_curve(program, network=LAW, nfe=[6])
    with pytest.raises(InputError, match="fixes process already; leave process out"):
        error_curve(program, "edm", network=LAW)
    noise = program_of("heun-edm", "edm", "rho(7)", 6, predicts="noise")
    with pytest.raises(InputError, match="is for a network that predicts 'noise', not 'data'"):
        error_curve(noise, network=LAW)
    (theirs,) = error_curve(noise, network=Opaque(LAW, EDM(), "noise").network, seeds=range(6), metric="path", **HOW)
    (exact,) = error_curve(program, network=LAW, seeds=range(6), metric="path")
    assert theirs["path"] == pytest.approx(exact["path"], abs=1e-7)
