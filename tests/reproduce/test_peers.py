"""Other libraries beside ours: the best of them at each budget, and what is kept of them, with them and without."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from numtoolkit.errors import InputError, StorageError
from numtoolkit.measure import error_curve
from numtoolkit.reproduce import work
from numtoolkit.reproduce.job import check, reproduce
from numtoolkit.reproduce.judging import Row, rule_of
from numtoolkit.reproduce.peer_tables import ALONE, TO_ZERO, USUAL, best_of, drawn, sides_of, tables
from numtoolkit.reproduce.peers import Peers, Place, Ruled
from tests.support.checkout import ROOT
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
    told = {"subjects": PLACES} | ({} if "rule" in own else {"ours": (OURS,)}) | told
    return Peers("Ahead?", (4, 9), VERSIONS, **told)


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
    """Neither error counts as less; without a paired interval both ends stand against one another."""
    ours = {"subject": "x", "side": "", "sampler": "a", "nfe": 5, "floor": 0.2}
    ours |= {"law": 0.1, "law_low": 0.05, "law_high": 0.3}
    peer = ours | {"side": USUAL, "sampler": "b", "law": 0.5, "law_low": 0.4, "law_high": 0.6}
    (line,) = (own for own in best_of([ours, peer], "x") if own["quantity"] == "law")
    assert (line["ours"]["error"], line["floor"]) == (0.2, 0.2)
    assert line[USUAL]["over"] == pytest.approx([0.2 / 0.5, 0.2 / 0.6, 0.3 / 0.4])
    paired = {"over": {"law": 0.2, "law_low": 0.1, "law_high": 0.4}}
    (line,) = best_of([ours, peer | paired], "x", draws=True)
    assert line[USUAL]["over"] == pytest.approx([0.4, 0.2, 0.8])  # of 0.1 / 0.5, which counts as 0.2 / 0.5
    below = peer | {"law": 0.08} | {"over": {"law": 1.25, "law_low": 1.1, "law_high": 1.4}}
    (line,) = best_of([ours, below], "x", draws=True)
    assert line[USUAL]["over"] == pytest.approx([1.0, 0.88, 1.12])


def test_samplers_that_draw_noise_meet_a_scheme_with_noise_in_law(monkeypatch):
    """Ours by the errors of an error curve, over theirs with a paired interval; the floor is drawn, and no path is."""
    installed(monkeypatch)
    how = {"peers": ("sample_euler_ancestral",), "alone": (), "subjects": (replace(PLACES[0], starts=64),)}
    noisy = replace(peers(), **how, dynamics="sde", ours=(Row(1, 99, "sde-dpmpp-2m", "rho(7, zero=1)"),))
    data = noisy.run(quick=False).data
    seeds = range(SEED, SEED + 64)
    curve = error_curve("sde-dpmpp-2m", "edm", "ring", "rho(7, zero=1)", [4, 9], seeds)
    ours, theirs = ([r for r in data["records"] if r["side"] == side] for side in ("", USUAL))
    for record, own in zip(ours, curve, strict=True):
        assert (record["law"], record["floor"]) == pytest.approx((own["law"], own["floor"]), rel=1e-5)
    for record, own in zip(theirs, ours, strict=True):
        assert "error" not in record
        assert record["over"]["law"] == pytest.approx(own["law"] / record["law"], rel=1e-4)
        assert record["over"]["law_low"] < record["over"]["law"] < record["over"]["law_high"]
    assert {b["quantity"] for b in data["best"]} == {"law"}
    assert sides_of(data["best"], True) == ["ours", "best peer as its users run it", "two exact sets"]
    exact = [r for r in drawn(data["best"], True) if r["side"] == "two exact sets"]
    assert [(r["error"], r["median"]) for r in exact] == [(None, own["floor"]) for own in ours]
    assert "errors in law of all as their users run them" in tables(data["records"], data["best"], True)
    with pytest.raises(InputError, match=r"unipc\(2\) is of kind ode; give one of sde"):
        replace(noisy, ours=(OURS,))


def test_ours_to_the_data_stands_beside_the_rule_where_it_is_told(monkeypatch):
    """At its budgets alone, over the best peer as its users run it; and the rule to the end of its grid likewise."""
    installed(monkeypatch)
    row = Row(5, 99, "unipc(2)", "rho(7, zero=1)")
    asked = peers(subjects=PLACES[:1], ours=(replace(OURS, grid="rho(7)"),), to_zero=(row,))
    data = asked.run(quick=False).data
    lines = {(b["nfe"], b["quantity"]): b for b in data["best"]}
    assert TO_ZERO not in lines[4, "error"]
    own, line = error_curve("unipc(2)", "edm", "ring", row.grid, [9], range(SEED, SEED + STARTS))[0], lines[9, "error"]
    assert line[TO_ZERO]["error"] == pytest.approx(own["error"], rel=1e-5)
    assert line[TO_ZERO]["over"][0] == pytest.approx(own["error"] / line[USUAL]["error"], rel=1e-5)
    ends = own["low"] / line[USUAL]["error"], own["high"] / line[USUAL]["error"]
    assert line[TO_ZERO]["over"][1] < ends[0] < ends[1] < line[TO_ZERO]["over"][2]
    assert lines[9, "median"][TO_ZERO]["over"][1:] == [None, None]
    to_end = error_curve("unipc(2)", "edm", "ring", "rho(7)", [9], range(SEED, SEED + STARTS))[0]
    assert line[ALONE]["ours"] == pytest.approx(to_end["error"], rel=1e-4)
    assert lines[9, "law"][ALONE]["over"] == [None, None, None]  # ours there is held to the law at t = 0
    assert sides_of(data["best"], False)[-2:] == ["ours, to the end of its grid", "ours, to t = 0"]
    assert "| ours, to t = 0 | best peer as its users run it" in tables(data["records"], data["best"])


def test_a_rule_is_that_of_the_judging_that_held_it(tmp_path: Path):
    """Row for row, and nothing else of its file is read; the comparisons that ship name the one judging."""
    rows = "[[groups]]\nname = 'g'\nrule = [{ first = 1, last = 9, scheme = 'unipc(2)', grid = 'rho(7)', on = 'laws' }]"
    (file := tmp_path / "judged.toml").write_text(rows, encoding="utf-8")
    assert rule_of(str(file), "g") == (Row(1, 9, "unipc(2)", "rho(7)", "laws"),)
    assert peers(rule=Ruled(str(file), "g")).rows == rule_of(str(file), "g")
    with pytest.raises(InputError, match="unknown group 'h'; known: g"):
        peers(rule=Ruled(str(file), "h"))
    with pytest.raises(StorageError, match="cannot read"):
        peers(rule=Ruled(str(tmp_path / "none.toml"), "g"))
    with pytest.raises(InputError, match="either a rule, that of a judging, or rows of ours"):
        peers(rule=Ruled(str(file), "g"), ours=(OURS,))
    for path in (ROOT / "experiments").glob("peers-*.toml"):
        assert 'rule = { file = "experiments/judging.toml", group = "image, ' in path.read_text(encoding="utf-8")


def test_results_of_a_library_are_drawn_without_it_and_missing_ones_say_what_to_install(tmp_path: Path, monkeypatch):
    """Nor are they computed again to be checked; the version is that of the file, and the page counts both sides."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "a.toml").write_text(FILE, encoding="utf-8")
    where = tmp_path / "plans", tmp_path / "out"
    with monkeypatch.context() as there:
        installed(there)
        reproduce(*where)
    page = (tmp_path / "out" / "a.md").read_text(encoding="utf-8")
    assert "| RMS error along paths    | ours    | best peer as its users run it         |" in page
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
