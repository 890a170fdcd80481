"""Other libraries beside ours: the best of them at each budget, and what is kept of them, with them and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from numtoolkit.errors import InputError
from numtoolkit.measure import error_curve
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import check, reproduce
from numtoolkit.reproduce.judging import Row
from numtoolkit.reproduce.peers import ALONE, USUAL, Peers, Place, _best
from tests.support.peer_libraries import VERSIONS, absent, installed

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

STARTS, SEED = 40, 7
OURS = Row(1, 99, "unipc(2)", "angle({s}, zero=1)")
PLACES = Place("on EDM", "edm", "ring"), Place("on a table", "linear", "ring")
PEERS = "sample_heun", "sample_euler", "DDIMScheduler", "EDMEulerScheduler", "PNDMScheduler"
FILE = """
kind = "peers"
title = "Where are others ahead?"
nfe = [4]
versions = { diffusers = "0.1", k-diffusion = "0.2" }
starts = 40
ours = [{ first = 1, last = 9, scheme = "unipc(2)", grid = "rho(7, zero=1)" }]
peers = ["sample_euler", "sample_heun"]
alone = ["sample_heun"]
subjects = [{ name = "ring", process = "edm", law = "ring" }]
"""


def peers(**own: Any) -> Peers:
    """Of the stand-ins, at two budgets."""
    told = {"peers": PEERS, "alone": ("sample_euler", "DDIMScheduler"), "starts": STARTS, "seed": SEED} | own
    return Peers("Ahead?", (4, 9), VERSIONS, PLACES, (OURS,), **told)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What they come to."""
    installed(monkeypatch)
    return peers().run(quick=False).data


def test_the_best_of_a_side_is_the_least_of_those_that_run(data):
    """For each subject, budget and quantity; what a library raises is said, and is the best of nothing."""
    assert {(b["subject"], b["nfe"], b["quantity"]) for b in data["best"]} == {
        (place.name, n, q) for place in PLACES for n in (4, 9) for q in ("error", "median", "law")
    }
    for best in data["best"]:
        for side in (USUAL, ALONE):
            own = [r for r in data["records"] if r["side"] == side and r["nfe"] == best["nfe"]
                   and r["subject"] == best["subject"] and best["quantity"] in r]  # fmt: skip
            floor = max((r["floor"] for r in own), default=0.0) if best["quantity"] == "law" else 0.0
            assert best[side]["error"] == min(max(r[best["quantity"]], floor) for r in own)
            assert best[side]["sampler"] in {r["sampler"] for r in own}
    run = {(r["subject"], r["side"], r["sampler"]) for r in data["records"]}
    assert ("on EDM", USUAL, "DDIMScheduler") not in run
    assert ("on a table", USUAL, "EDMEulerScheduler") not in run
    why = {r["why"] for r in data["records"] if "why" in r}
    assert why == {"ValueError: too few steps"}


def test_ours_and_an_integrator_alone_are_runs_of_ours(data):
    """With the errors of an error curve from the same starts, and the ratio of both, which lies in its interval."""
    for place in PLACES:
        scheme, grid = place.told(OURS)
        seeds = range(SEED, SEED + STARTS)
        curve = {s: {r["nfe"]: r for r in error_curve(s, place.process, place.law, grid, [4, 9], seeds)}
                 for s in (scheme, "ddim")}  # fmt: skip
        alone = "sample_euler" if place.process == "edm" else "DDIMScheduler"
        for record in data["records"]:
            if record["subject"] != place.name or (record["side"], record["sampler"]) not in (
                ("", f"{scheme} on {grid}"), (ALONE, alone)):  # fmt: skip
                continue
            own = curve["ddim" if record["side"] else scheme][record["nfe"]]
            for key in ("error", "low", "high", "median", "law", "floor"):
                assert record[key] == pytest.approx(own[key], rel=1e-5)
            if record["side"]:
                over = record["over"]
                assert over["rms"] == pytest.approx(curve[scheme][record["nfe"]]["error"] / own["error"], rel=1e-4)
                assert over["low"] < over["rms"] < over["high"]


def test_in_law_nothing_below_the_distance_of_exact_sets_is_told_apart():
    """Neither error counts as less, and an interval takes both ends against one another."""
    ours = {"subject": "x", "side": "", "sampler": "a", "nfe": 5, "floor": 0.2}
    ours |= {"law": 0.1, "law_low": 0.05, "law_high": 0.3}
    peer = ours | {"side": USUAL, "sampler": "b", "law": 0.5, "law_low": 0.4, "law_high": 0.6}
    (line,) = (own for own in _best([ours, peer], "x") if own["quantity"] == "law")
    assert line["ours"]["error"] == 0.2
    assert line[USUAL]["over"] == pytest.approx([0.2 / 0.5, 0.2 / 0.6, 0.3 / 0.4])


def test_results_of_a_library_are_drawn_without_it_and_missing_ones_say_what_to_install(tmp_path: Path, monkeypatch):
    """Nor are they computed again to be checked; the version is that of the file, and the page counts both sides."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.toml").write_text(FILE, encoding="utf-8")
    where = tmp_path / "plans", tmp_path / "out"
    with monkeypatch.context() as there:
        installed(there)
        reproduce(*where)
    page = (tmp_path / "out" / "a.md").read_text(encoding="utf-8")
    assert "| RMS error along paths    | best peer as its users run it         |" in page
    assert "`sample_euler`" in page
    absent(monkeypatch)
    assert (tmp_path / "out" / "a.png") in reproduce(*where)
    assert [cell.data.get("sampler") for cell in check(*where, count=9).cells] == [None]
    changed = FILE.replace('k-diffusion = "0.2"', 'k-diffusion = "0.3"')
    (tmp_path / "plans" / "a.toml").write_text(changed, encoding="utf-8")
    with pytest.raises(InputError, match=r"this runs k-diffusion 0\.3, which is not installed; pip install"):
        reproduce(*where)


def test_a_comparison_that_cannot_be_made_is_refused_as_it_is_read():
    """A peer without a version, none that runs on a process, budgets without a row, too few starts."""
    peers()
    for own, sentence in [
        ({"peers": ()}, "peers is an empty list"),
        ({"peers": ("sample_dance",)}, "unknown peer"),
        ({"starts": 39}, "starts = 39"),
    ]:
        with pytest.raises(InputError, match=sentence):
            peers(**own)
    good = peers()
    for own, sentence in [
        ({"versions": {"diffusers": "0.1"}}, "is of k-diffusion, whose version is not given"),
        ({"subjects": (replace(PLACES[0], process="flow"),)}, "is on flow, where no peer runs"),
        ({"subjects": (replace(PLACES[0], process="psld"),)}, "is on psld, where no peer runs"),
        ({"ours": (replace(OURS, last=5),)}, "ours has 0 rows for 9 evaluations on laws"),
        ({"ours": (OURS, replace(OURS, first=9))}, "ours has 2 rows for 9 evaluations"),
        ({"ours": (replace(OURS, on="networks"),)}, "ours has 0 rows for 4 evaluations on laws"),
        ({"ours": (replace(OURS, on="mars"),)}, "unknown on 'mars'"),
        ({"ours": (replace(OURS, scheme="rvv"),)}, "rvv"),
    ]:
        with pytest.raises(InputError, match=sentence):
            replace(good, **own)


def test_a_result_computed_again_may_differ_by_what_single_precision_does():
    """And by no more: a millionth of an error, which is what states in float32 leave."""
    cell = next(iter(peers().cells(False, {})))
    kept = [{"nfe": 4, "error": 1e-3, "evaluations": 4}]
    assert not work.difference(cell, kept, [{"nfe": 4, "error": 1e-3 + 9e-7, "evaluations": 4}])
    assert work.difference(cell, kept, [{"nfe": 4, "error": 1e-3 + 2e-6, "evaluations": 4}])
    assert work.difference(cell, kept, [{"nfe": 4, "error": 1e-3, "evaluations": 5}])
