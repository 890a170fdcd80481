"""`recommend` ranks pairs of scheme and grid as their exact errors do, and says what it cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.errors import InputError
from numtoolkit.laws import Rough
from numtoolkit.laws.proxies import proxy_of
from numtoolkit.measure import affine_map
from numtoolkit.measure.candidates import FURTHER, GRIDS, SPECTRUM, Pair, candidates, informed
from numtoolkit.measure.curves import SAMPLES
from numtoolkit.measure.flows import law_propagators
from numtoolkit.measure.own_networks import own_network
from numtoolkit.measure.recommendation import spectrum_file
from numtoolkit.measure.roughness import rough_law
from numtoolkit.sampling.pilot import Pilot

LAW = nt.law("natural(size=4)")
FEW = {"schemes": ["ddim", "dpmpp-2m", "ipndm(3)", "unipc(2)", "heun-edm"], "grids": ["log-snr", "rho(7)"]}
ROWS = np.random.default_rng(5).normal(size=(70, 6)) * np.geomspace(2, 0.05, 6) + 0.2


def exact_path_error(scheme, grid, nfe):
    """The relative RMS error along paths on LAW over all starts, without one: a run on a Gaussian law is linear."""
    process = nt.process("edm")
    program = nt.program_of(scheme, process, grid, nfe)
    run = affine_map(program, LAW)[0][:, 0, 0]
    flow = law_propagators(process, LAW, program.times[0], program.times[-1])[:, 0, 0]
    return np.sqrt(((run - flow) ** 2).sum() / (flow**2).sum())


def test_pairs_come_in_the_order_of_their_exact_errors_on_a_gaussian_law():
    """Errors over all starts, by the linear map of each run, are in the intervals of 256, and so are their ratios."""
    found = nt.recommend(LAW, "edm", 8, seeds=range(256), by="error", **FEW)
    table = found.table()
    exact = {(r["scheme"], r["grid"]): exact_path_error(r["scheme"], r["grid"], 8) for r in table}
    best = table[0]["scheme"], table[0]["grid"]
    assert [r["rank"] for r in table] == list(range(1, 11))
    for r in table:
        own = exact[r["scheme"], r["grid"]]
        assert r["error"] == pytest.approx(own, rel=0.15)
        assert 0.98 * r["ratio_low"] < own / exact[best] < 1.02 * r["ratio_high"]
        assert r["tied"] or own > exact[best]
    assert best == min(exact, key=exact.get)


def test_a_recommendation_is_the_error_curves_of_its_pairs(tmp_path):
    """Each record has the error, interval and median of `error_curve`, told the spectrum in a file."""
    law = nt.law("mixture(dim=3, components=4)")
    grids = ["rho(7, zero=1)", "spectral({spectrum})", "angle({s})"]
    found = nt.recommend(law, "edm", [5, 9], schemes=["ddim", "unipc(2)"], grids=grids, seeds=range(30))
    path = str(found.spectrum.save(tmp_path / "s.npz"))
    table = found.table(path)
    assert len(table) == 12
    for r in table:
        (same,) = nt.error_curve(r["scheme"], "edm", law, r["grid"], [r["nfe"]], range(30), metric="path")
        assert [r[key] for key in ("error", "low", "high", "median", "steps")] == [
            pytest.approx(same[key]) for key in ("error", "low", "high", "median", "steps")
        ]
    assert found.best(9, path) == next(r for r in table if r["nfe"] == 9)
    assert {r["grid"] for r in found.table()} >= {f"spectral({SPECTRUM})"}
    assert found.table(path) == nt.recommend(
        law, "edm", (5, 9), schemes=["ddim", "unipc(2)"], grids=grids, seeds=range(30)
    ).table(path), "the same again"


def test_what_cannot_be_told_apart_is_said():
    """One run by two names is tied with itself, at any error; a run that is much worse is not."""
    pairs = {"schemes": ["ddim", "exp-adams(1)", "dpmpp-2m"], "grids": ["rho(7)"]}
    table = nt.recommend("mixture(dim=2)", "edm", 8, seeds=range(20), by="error", **pairs).table()
    same = [r for r in table if r["scheme"] != "dpmpp-2m"]
    assert same[0]["error"] == pytest.approx(same[1]["error"], rel=1e-12)
    alone = nt.recommend(
        "mixture(dim=2)", "edm", 8, seeds=range(20), schemes=["ddim", "exp-adams(1)"], grids=["rho(7)"]
    )
    assert [r["tied"] for r in alone.table()] == [True, True]
    far = nt.recommend(LAW, "edm", 8, seeds=range(20), schemes=["ddim", "unipc(2)"], grids=["rho(7)"]).table()
    assert [r["tied"] for r in far] == [True, False]
    assert far[0]["scheme"] == "unipc(2)"


def test_a_network_is_called_by_its_pilot_run_alone():
    """24 evaluations of 64 samples; its outputs make the proxy law that pairs are judged on, and the spectrum."""
    law, calls = nt.law("mixture(dim=3, components=4)"), []

    def data(z, t):
        calls.append(len(z))
        return law.denoise(z, t)

    network = nt.Network(data, "data", shape=(3,), name="counted")
    found = nt.recommend(network, "edm", 6, dtype=np.float64, rough=False, **FEW)
    assert (calls, found.nfe_pilot) == ([64] * 24, 24)
    run = nt.pilot(network, "edm", dtype=np.float64)
    proxy = proxy_of(run.outputs)
    np.testing.assert_array_equal(found.law.means, proxy.means)
    assert found.spectrum.digest == run.spectrum().digest
    by_run, by_array = (nt.recommend(of, "edm", 6, **FEW).table() for of in (run, run.outputs))
    assert found.table() == by_run == by_array
    calls.clear()
    rough = nt.recommend(network, "edm", 6, dtype=np.float64, **FEW)
    assert rough.nfe_pilot == 48
    assert 0 <= sum(calls) - 64 * 48 <= 2, "a probe tells in which dtype it answers"
    assert rough.table() != found.table()


def test_a_proxy_is_as_rough_as_its_network():
    """What changes between two times close together is that of a field of known size, to what a field varies by."""
    process, samples = nt.process("edm"), LAW.sample(64, 0)
    law = proxy_of(samples)
    known = Rough(law, [0.001, 1.0, 90.0], [0.2, 0.2, 0.4], seed=3)

    def network_of(own):
        return own_network(nt.Network(own.denoise, "data", shape=LAW.shape, name="own"), process, dtype=np.float64)

    found, spent = rough_law(law, network_of(known), samples, 7)
    assert spent == 2 * len(found.levels)
    np.testing.assert_allclose(found.sizes, known.size(found.levels), rtol=0.35)
    assert rough_law(law, network_of(law), samples, 7)[0].sizes.max() < 1e-9


def test_of_samples_the_first_64_are_taken():
    """As a proxy of `count` has them."""
    first = nt.recommend(ROWS, "edm", 5, **FEW)
    assert first.table() == nt.recommend(ROWS[:64], "edm", 5, **FEW).table()
    assert first.law.means.shape == (64, 6)
    assert first.nfe_pilot == 0


def test_regret_is_the_error_of_the_choice_over_the_best():
    """1 on the law it was judged on, from the same starts; on another law as its error curves say."""
    law = nt.law("mixture(dim=3, components=4)")
    found = nt.recommend(law, "edm", [6], seeds=range(30), **FEW)
    (own,) = found.regret(law, seeds=range(30))
    assert (own["regret"], own["rank"], own["pairs"], own["low"]) == (1.0, 1, 10, 1.0)
    assert (own["spearman"], own["rms_spearman"]) == (pytest.approx(1), pytest.approx(1))
    (there,) = found.regret(LAW_3, seeds=range(30))
    errors = {
        (r["scheme"], r["grid"]): nt.error_curve(r["scheme"], "edm", LAW_3, r["grid"], [6], range(30))[0]["median"]
        for r in found.table()
    }
    best = min(errors, key=errors.get)
    assert (there["best_scheme"], there["best_grid"]) == best
    chosen = found.best(6)
    assert there["regret"] == pytest.approx(errors[chosen["scheme"], chosen["grid"]] / errors[best])
    assert there["low"] <= there["regret"] <= there["high"]
    network = nt.Network(lambda z, t: LAW_3.denoise(z, t), "data", shape=(3,), name="exact")
    (by_network,) = found.regret(network, seeds=range(30), dtype=np.float64)
    assert by_network["regret"] == pytest.approx(there["regret"], rel=1e-4)


LAW_3 = nt.law("anisotropic(dim=3, low=0.01)")


def test_regret_in_law_on_a_network_takes_starts_for_both_halves_of_its_floor():
    """Fewer are refused before any run of the network but the one call that asks what it is, in a sentence."""
    few = {"schemes": ["ddim"], "grids": ["quadratic"], "metric": "law", "seeds": range(40)}
    found = nt.recommend("mixture(dim=2)", "psld", [3], **few)

    called = []

    def data(z, t):
        called.append(t)
        return z[:, 0]

    with pytest.raises(InputError, match="30 samples are too few for sliced-wasserstein of ddim; give 40"):
        found.regret(nt.Network(data, "data", shape=(2,), name="own"), seeds=range(30))
    assert len(called) <= 1


@pytest.mark.parametrize(
    ("process", "dynamics", "schemes", "grids", "metric"),
    [
        ("psld", "ode", ["gddim(2)", "rvv"], ["quadratic", "spectral({spectrum})"], "sliced-wasserstein"),
        ("cld", "sde", ["sscs", "em"], ["quadratic", "angle({s})"], "sliced-wasserstein"),
        ("vp", "sde", ["euler-ancestral", "sde-dpmpp-2m"], ["uniform", "rho(7)"], "sliced-wasserstein"),
        ("flow", "ode", ["ddim", "unipc(2)"], None, "relative-rms"),
    ],
)
def test_every_process_and_dynamics_has_a_recommendation(process, dynamics, schemes, grids, metric):
    """In law where noise is drawn and in phase space, with the floor of two exact sets; along paths elsewhere."""
    law = nt.law("mixture(dim=2, components=3)")
    found = nt.recommend(law, process, 8, dynamics=dynamics, schemes=schemes, grids=grids, seeds=range(60))
    assert found.metric == metric
    table = found.table()
    own = "median" if found.by == "median" else "error"
    assert len(table) == len(candidates(nt.process(process), dynamics, schemes, grids))
    assert [r[own] for r in table] == sorted(r[own] for r in table)
    assert ("floor" in table[0]) == (metric == "sliced-wasserstein")
    assert all(r["ratio_low"] <= r["ratio"] <= r["ratio_high"] for r in table)


def test_candidates_are_the_catalogue_and_further_members():
    """Deterministic ones or those with noise, none that needs fitting, told what they ask for of the data."""
    own = nt.process("edm")
    pairs = candidates(own)
    schemes = {pair.scheme for pair in pairs}
    assert {"ddim", "unipc(2)", "ipndm(3)", "gframe-abm(2, sigma_data={s}, mean={m})"} <= schemes
    assert not {"iia-ddim", "ddim-cfgpp", "euler-ancestral"} & schemes
    assert len(pairs) == len(schemes) * len(GRIDS["scalar"])
    assert "euler-ancestral" in {pair.scheme for pair in candidates(own, "sde")}
    assert "trailing" in {pair.grid for pair in candidates(nt.process("vp"))}
    with spectrum_file(nt.spectrum_of(LAW)) as path:
        facts = {"{s}": "0.5", "{m}": "0", "{spectrum}": path}
        for kind, further in FURTHER.items():
            for text in further:
                member = nt.scheme(Pair(text, "").told(facts).scheme)
                assert (kind[1] == "ode") == (member.kind == "ode"), text
    assert informed(nt.scheme("gframe-ab(3)")) == "gframe-ab(3, sigma_data={s}, mean={m})"
    assert informed(nt.scheme("ddim")) == "ddim"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nt.recommend(LAW, "edm", 8, dynamics="flow"), "dynamics 'flow'"),
        (lambda: nt.recommend(LAW, "edm", 8, schemes=["em"]), "em draws noise; give dynamics='sde', or drop it"),
        (lambda: nt.recommend(LAW, "edm", 8, dynamics="sde", schemes=["ddim"]), "ddim draws no noise; give dynamics"),
        (lambda: nt.recommend(LAW, "edm", 8, schemes=["sscs"]), "sscs"),
        (lambda: nt.recommend(LAW, "edm", 8, schemes=["ddim"], grids=["ro(7)"]), "ro"),
        (lambda: nt.recommend(LAW, "edm", 8, schemes=[]), "no pair of a scheme and a grid"),
        (lambda: nt.recommend(LAW, "edm", 8, shape=3), "shape is of the pilot run of a network"),
        (lambda: nt.recommend(LAW, "edm", 3, schemes=["ddim"], grids=["ays(zero=2)"]), "zero"),
        (lambda: nt.recommend(LAW, "edm", 1, schemes=["ddim"], grids=["rho(zero=1)"]), "nothing was judged at 1"),
        (lambda: nt.recommend(LAW, "edm", []), "nfe names no budget"),
        (lambda: nt.recommend(LAW, "edm", 8, schemes=["ddim", "dimm"], grids=["rho(7)"]), "dimm"),
        (lambda: nt.recommend(np.zeros(3), "edm", 8), "make no proxy"),
        (lambda: nt.recommend(Pilot(np.zeros((4, 2)), 3, "own"), "edm", 8), "."),
        (lambda: nt.recommend(LAW, "edm", 8, **FEW).best(9), "nothing was judged at 9 evaluations; ask for one of 8"),
        (lambda: proxy_of(np.zeros((4, 2)), 1.5), "share = 1.5 is out of range"),
    ],
)
def test_what_cannot_be_recommended_is_refused(call, sentence):
    """One sentence each."""
    with pytest.raises(InputError, match=sentence):
        call()


def test_metrics_are_those_of_error_curves():
    """Starts as many as there."""
    assert len(nt.recommend(LAW_3, "edm", 5, schemes=["ddim"], grids=["rho(7)"]).found) == 1
    assert SAMPLES["relative-rms"] == 64
    law = nt.recommend(LAW_3, "edm", 5, metric="law", schemes=["ddim", "unipc(2)"], grids=["rho(7)"])
    assert law.metric == "wasserstein2"
    first, second = law.table()
    assert (first["low"], second["ratio_low"]) == (None, pytest.approx(second["error"] / first["error"]))
