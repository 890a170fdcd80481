"""A contest: members are chosen where each side is best, judged elsewhere, and what is said of it follows."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from numtoolkit.errors import InputError
from numtoolkit.files.storage import read_json
from numtoolkit.laws import law_of
from numtoolkit.measure import error_curve
from numtoolkit.reproduce import work
from numtoolkit.reproduce.contest import QUANTITIES, Case, Contest, Field, Member, Side, summarised
from numtoolkit.reproduce.job import reproduce
from numtoolkit.reproduce.kinds import Found
from numtoolkit.reproduce.reading import read_experiments
from numtoolkit.schemes import catalogue, scheme
from tests.support.checkout import ROOT

pytest.importorskip("matplotlib")

REST = Side("rest", ("angle({s})", "angle({s}, power=1.4)"), ("ddim", "dpmpp-2m"))
FRAME = Side("frame", ("angle({s}, zero=1)",), ("gframe-ab(1, sigma_data={s}, mean={m})", "gframe-ab(2)"), misled=True)
ALONE = Side("k = 2", ("angle({s})",), ("gframe-ab(2, sigma_data={s}, mean={m})",), misled=True)
CONTEST = Contest(
    "Who wins?",
    (5, 9),
    ("mixture(dim=2)", "ring"),
    (Field("edm", (REST, FRAME, ALONE)),),
    (Case("a", "vp", "mixture(dim=2, seed=1)"), Case("b", "edm", "ring", 2.0), Case("c", "edm", "ring", 1.0, 0.1)),
)


def found_by(contest: Contest, steps: int = 9) -> tuple[Found, list[int]]:
    """All results of a contest, and how many cells were asked for in each round."""
    found: dict[Any, Any] = {}
    rounds = []
    while missing := [cell for cell in contest.cells(False, found) if cell not in found]:
        rounds.append(len(missing))
        found |= {cell: work.compute(cell) for cell in missing}
    return found, rounds


@pytest.fixture(scope="module")
def judged() -> tuple[Found, dict[str, Any]]:
    """The results of `CONTEST`, and its data."""
    found, _ = found_by(CONTEST)
    return found, CONTEST.result(False, found).data


def told(law: str, member: str, factor: float = 1.0) -> str:
    """What stands for {s} and {m}, computed from the law itself."""
    own = law_of(law)
    mean = float(np.mean(own.mean))
    total = own.variance + float(np.mean((own.mean - mean) ** 2))
    return member.format(s=f"{total**0.5 * factor:.4f}", m=f"{mean:.4f}")


def errors(process: str, law: str, own: str, grid: str, nfe: tuple[int, ...] = (5, 9)) -> list[float]:
    """Error of a scheme on a grid at each budget."""
    return [r["error"] for r in error_curve(own, process, law_of(law), grid, nfe)]


def test_the_member_of_a_side_is_the_best_on_the_tuning_laws(judged: tuple[Found, dict[str, Any]]) -> None:
    """The smallest geometric mean at each budget, and over all of them; found again by hand."""
    table = {}
    for own in REST.schemes:
        for grid in REST.grids:
            logs = [np.log(errors("edm", law, own, told(law, grid))) for law in CONTEST.tuning]
            table[f"{own} on {grid}".replace("({s})", "").replace("{s}, ", "")] = np.mean(logs, axis=0)
    best = [min(table, key=lambda name, j=j: table[name][j]) for j in (0, 1)]
    one = min(table, key=lambda name: table[name].mean())
    assert best[0] == one != best[1]  # else this would show little
    assert judged[1]["chosen"]["edm"]["rest"] == {"5": best[0], "9": best[1], "all": one}
    assert judged[1]["chosen"]["edm"]["k = 2"] == dict.fromkeys(("5", "9", "all"), "gframe-ab(2) on angle")


def test_cases_are_judged_with_what_each_side_is_told(judged: tuple[Found, dict[str, Any]]) -> None:
    """In a case with a wrong deviation the sides that are misled run with it, grid and scheme, the others do not."""
    records = {(r["case"], r["side"], r["nfe"]): r for r in judged[1]["records"]}
    assert len(records) == 3 * 3 * 2
    own = told("ring", ALONE.schemes[0], 2.0)
    wrong = errors("edm", "ring", own, told("ring", ALONE.grids[0], 2.0))
    assert [records["b", "k = 2", n]["error"] for n in (5, 9)] == pytest.approx(wrong, rel=1e-5)
    law = "mixture(dim=2, seed=1)"
    right = errors("vp", law, told(law, ALONE.schemes[0]), told(law, ALONE.grids[0]))
    assert [records["a", "k = 2", n]["error"] for n in (5, 9)] == pytest.approx(right, rel=1e-5)
    assert records["b", "rest", 9]["member"] == "dpmpp-2m on angle(power=1.4)"
    wanted = errors("edm", "ring", "dpmpp-2m", told("ring", "angle({s}, power=1.4)"))
    assert records["b", "rest", 9]["error"] == pytest.approx(wanted[1], rel=1e-5)
    assert records["b", "rest", 9]["error"] != records["c", "rest", 9]["error"]  # a network that is wrong


def test_cells_of_judging_follow_from_those_of_choosing() -> None:
    """Nothing is judged before all is chosen; a side of one member chooses nothing."""
    _, rounds = found_by(CONTEST)
    assert rounds[0] == 2 * 2 + 2 * 2
    assert len(rounds) == 2


def test_a_member_is_named_without_what_it_is_told() -> None:
    """Deviation and mean of the data are no choice of anybody's."""
    names = {
        ("gframe-abm(2, sigma_data={s}, mean={m})", "angle({s}, power=1.4)"): "gframe-abm(2) on angle(power=1.4)",
        ("lambda-ddim-1(B=optimal, sigma_data={s}, mean={m})", "rho(7)"): "lambda-ddim-1(B=optimal) on rho(7)",
        ("x(sigma_data={s})", "angle({s})"): "x on angle",
    }
    assert {key: str(Member(*key, False)) for key in names} == names


@pytest.mark.parametrize("process", ["edm", "psld"])
def test_a_side_of_the_catalogue_has_every_deterministic_scheme_that_needs_no_fitting(process: str) -> None:
    """On its kind of process, without the families left out, told what it asks for, and before those that are named."""
    side = Side("all", ("log-snr",), ("exp-adams(5)",), catalogue=True, without=("Gaussian frame",))
    *own, last = (member.scheme for member in CONTEST.members(Field(process, ()), side))
    known = [s for s in catalogue() if s.kind == "ode" and not s.fitted and process in s.processes]
    assert [text.split("(")[0] for text in own] == [s.name for s in known if s.family != "Gaussian frame"]
    assert last == "exp-adams(5)"
    asking = {s.name for s in known if {"sigma_data", "mean"} & {p.name for p in s.params}} - {
        "gframe-ab",
        "gframe-abm",
    }
    assert {text.split("(")[0] for text in own if "={s}" in text} == asking


def test_a_summary_counts_cases_and_means_ratios() -> None:
    """Geometric mean of first over other; an error below the floor is the floor, and one that is absent is left out."""
    rows = [("a", 4.0, 1.0), ("b", 1.0, 4.0), ("c", 8.0, 1.0), ("d", None, 1.0), ("e", 1e-15, 1e-14)]
    records = [
        {"case": case, "side": side, "nfe": 5, "error": error}
        for case, *own in rows
        for side, error in zip(("rest", "frame"), own, strict=True)
    ]
    (line,) = summarised(records, ("rest", "frame"), "error")
    assert line == {
        "quantity": "error",
        "side": "frame",
        "of": 5,
        "nfe": [5],
        "gain": [round(8**0.25, 5)],
        "worse": [1],
    }


def test_a_budget_that_a_member_cannot_spend_is_never_its_best(judged: tuple[Found, dict[str, Any]]) -> None:
    """Where an error is absent on one of the tuning laws another member is sent; for all budgets it counts as lost."""
    best = CONTEST.chosen(False, judged[0])["edm"]["rest"].each[5].scheme
    (other,) = set(REST.schemes) - {best}
    found = copy.deepcopy(dict(judged[0]))
    cell = next(cell for cell in found if cell.data["scheme"] == best and len(cell.data["grids"]) == 2)
    for curve in found[cell]["curves"]:
        curve["error"][0] = None
    chosen = CONTEST.chosen(False, found)["edm"]["rest"]
    assert chosen.each[5].scheme == chosen.one.scheme == other
    assert chosen.each[9].scheme == CONTEST.chosen(False, judged[0])["edm"]["rest"].each[9].scheme
    found = copy.deepcopy(dict(judged[0]))
    cell = next(cell for cell in found if cell.data["scheme"] == other and len(cell.data["grids"]) == 2)
    for curve in found[cell]["curves"]:
        del curve["error"]  # of a member that can spend no budget at all
    assert CONTEST.chosen(False, found)["edm"]["rest"].each[9].scheme == best


def test_pages_show_members_errors_and_how_they_compare(judged: tuple[Found, dict[str, Any]]) -> None:
    """A table of members, and one for each quantity that ends with the comparison."""
    table = CONTEST.result(False, judged[0]).table
    assert all(f"### {title}" in table for title in ("Chosen", *QUANTITIES["path"].values()))
    assert re.search(r"\| NFE +\| edm, rest +\| edm, frame +\|", table)  # a side that chose nothing is not in it
    assert len(re.findall(r"\| \*\*rest over frame, geometric mean\*\*", table)) == len(QUANTITIES["path"])
    r = next(r for r in judged[1]["records"] if (r["case"], r["side"], r["nfe"]) == ("a", "rest", 5))
    assert re.search(rf"\| a +\| {r['error']:.1e} / ", table)


def test_pictures_have_a_panel_for_each_case(judged: tuple[Found, dict[str, Any]]) -> None:
    """Mean and median of each side, and one legend."""
    figure = CONTEST.result(False, judged[0]).figure()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in panels] == ["a", "b", "c"]
    assert [len(ax.get_lines()) for ax in panels] == [6, 6, 6]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["rest", "frame", "k = 2"]


TEXT = """
kind = "contest"
title = "Who?"
nfe = [5]
tuning = ["ring"]
[[fields]]
process = "edm"
[[fields.sides]]
name = "rest"
schemes = ["ddim", "res-2m"]
grids = ["log-snr"]
[[fields.sides]]
name = "frame"
schemes = ["gframe-ab(2, sigma_data={s})"]
grids = ["angle({s})"]
[[cases]]
name = "a"
process = "edm"
law = "ring"
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[5]", "[]", "nfe = .. holds no budgets"),
        ('["ring"]', '["ringg"]', "unknown law 'ringg'; did you mean ring"),
        ('["ring"]', "[]", "tuning is an empty list"),
        ('"ddim"', '"dddim"', "unknown scheme 'dddim'; did you mean ddim"),
        ('"ddim"', '"nse"', "nse is not defined on process 'edm'"),
        ('["log-snr"]', '["log-snrr"]', "unknown grid 'log-snrr'"),
        ('["log-snr"]', "[]", "side 'rest' has no members on edm; give it schemes and grids"),
        ('law = "ring"', 'law = "rang"', "unknown law 'rang'; did you mean ring"),
        ('process = "edm"\nlaw', 'process = "psld"\nlaw', "case 'a': no field is of the kind of process psld"),
        ('law = "ring"', 'law = "ring"\nfactor = 0', "factor = 0.0 is no finite number"),
        ('law = "ring"', 'law = "ring"\nnetwork_error = 2', "network_error = 2.0 is no finite number"),
        ('name = "frame"', 'name = "rest"', "sides holds rest twice"),
        ('"gframe-ab(2, sigma_data={s})"', '"gframe-ab(2, sigma_data={x})"', "cannot read the value '{x}'"),
    ],
)
def test_a_contest_that_cannot_be_held_is_refused_when_it_is_read(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    """In one sentence that names the file."""
    assert old in TEXT
    (tmp_path / "x.toml").write_text(TEXT)
    read_experiments(tmp_path)
    (tmp_path / "x.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(InputError, match=words) as caught:
        read_experiments(tmp_path)
    assert "x.toml" in str(caught.value)


def test_a_contest_is_run_as_other_experiments_are(tmp_path: Path) -> None:
    """Data, picture and page; the index shows the picture and links the page."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/x.toml").write_text(TEXT)
    reproduce(tmp_path / "plans", tmp_path / "out", quick=True)
    assert {p.name for p in (tmp_path / "out").glob("x.*")} == {f"x.{end}" for end in ("json", "md", "png", "svg")}
    assert {line["side"] for line in read_json(tmp_path / "out/x.json")["data"]["summary"]} == {"frame"}
    assert "![Who?](x.png)\n\nTables: [x.md](x.md). Data: [x.json](x.json)" in (tmp_path / "out/README.md").read_text()


def test_a_contest_from_nothing_keeps_no_result_of_judging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what judging follows from was incomplete; results of other experiments stay."""
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/x.toml").write_text(TEXT)
    reproduce(tmp_path / "plans", tmp_path / "out")
    results = set((tmp_path / "out/cells/curve").iterdir())
    other = tmp_path / "out/cells/curve/other.json"
    other.touch()
    tuning = read_experiments(tmp_path / "plans")[0].experiment.cells(False, {})
    (tmp_path / "out/cells" / tuning[0].address).unlink()
    own, calls = work.WORK["curve"], []
    monkeypatch.setitem(work.WORK, "curve", work.Work(lambda **data: calls.append(data) or own.run(**data)))
    reproduce(tmp_path / "plans", tmp_path / "out", ["x"], from_nothing=True)
    assert len(calls) == len(results) > len(tuning)
    assert set((tmp_path / "out/cells/curve").iterdir()) == results | {other}


# --- the one that is shipped


@pytest.mark.check
def test_the_shipped_contest_is_blind_and_complete() -> None:
    """No case is a tuning law; the rest is every deterministic scheme that needs no fitting and is no double."""
    (plan,) = read_experiments(ROOT / "experiments", ["gframe"])
    contest = plan.experiment
    assert isinstance(contest, Contest)
    seen = {law_of(law).name for law in contest.tuning}
    assert not seen & {law_of(case.law).name for case in contest.cases}
    assert len(contest.cases) == 15
    for field in contest.fields:
        rest, frame, *_ = field.sides
        names = {scheme(m.told("ring")[0]).name for m in contest.members(field, rest)}
        own = [s for s in catalogue() if s.kind == "ode" and not s.fitted and field.process in s.processes]
        assert names == {s.name for s in own if s.family not in ("Gaussian frame", "CFG++")}
        assert {scheme(m.told("ring")[0]).name for m in contest.members(field, frame)} == {"gframe-ab", "gframe-abm"}


def test_the_page_says_of_the_shipped_contest_what_was_found() -> None:
    """Its table and the members it names are those of the kept data, to the digits that it prints."""
    page = (ROOT / "docs/judgements.md").read_text(encoding="utf-8")
    data = read_json(ROOT / "figures/gframe.json")["data"]
    found = {(line["quantity"], line["side"]): line for line in data["summary"]}

    def shown(quantity: str, side: str = "frame", key: str = "gain") -> list[str]:
        values = found[quantity, side][key]
        return [f"{v:.1f}" if key == "gain" and v < 10 else f"{v:.0f}" for v in values]

    rows = [shown("error"), shown("median"), shown("error", key="worse"),
            shown("error of one"), shown("median of one"), shown("error of one", "k = 2")]  # fmt: skip
    lines = page.partition("\n| evaluations | ")[2].splitlines()
    assert [cell.strip() for cell in lines[0].split("|")[:-1]] == list(map(str, found["error", "frame"]["nfe"]))
    assert [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines[2:8]] == rows
    for process in ("edm", "psld"):
        for side in ("frame", "rest"):
            own, grid = data["chosen"][process][side]["all"].split(" on ")
            assert f"`{own}` on `{grid}`" in re.sub(r"\s+", " ", page)


def test_the_page_says_of_phase_space_what_was_found_in_law() -> None:
    """Who is ahead above the floors of the kept contest, and how far the splittings are with twice the evaluations."""
    page = re.sub(r"\s+", " ", (ROOT / "docs/judgements.md").read_text(encoding="utf-8"))
    contest = read_json(ROOT / "figures/gframe-phase-space.json")["data"]
    error = {(r["case"], r["side"], r["nfe"]): max(r["error"], r.get("floor") or 0.0) for r in contest["records"]}
    pairs = [(error[case, "frame", n], e) for (case, side, n), e in error.items() if side == "rest"]
    ahead, behind = sum(own < e for own, e in pairs), sum(own > e for own, e in pairs)
    told = (
        f"of {len(pairs)} comparisons it is ahead in {ahead} and behind in {behind}, and {len(pairs) - ahead - behind}"
    )
    assert told in page
    law = {
        (r["scheme"], r["nfe"]): r["law"] for r in read_json(ROOT / "figures/errors-gaussian-phase-space.json")["data"]
    }
    splittings = ("nse", "rse", "nvv", "rvv", "rvv-unshifted", "cse", "cvv")
    off = [min(law[name, 2 * n] for name in splittings) / law["gframe-abm(2)", n] for n in (12, 24, 48, 96)]
    assert f"still {min(off):.1f} to {max(off):.0f} times as far off in law" in page


def test_a_contest_in_law_is_chosen_and_judged_by_it_with_its_floors() -> None:
    """Errors are those in law, exact of a Gaussian, beside the floor of samples elsewhere; there are no medians."""
    cases = (Case("exact", "edm", "gaussian(dim=2)"), Case("sampled", "edm", "mixture(dim=2, seed=1)"))
    question = replace(CONTEST, metric="law", nfe=(5,), tuning=("anisotropic(dim=2)",), cases=cases)
    found, _ = found_by(question)
    result = question.result(False, found)
    assert [line["quantity"] for line in result.data["summary"]] == ["error", "error", "error of one", "error of one"]
    assert "median" not in result.table
    assert len(result.figure().axes) == len(cases)
    for r in result.data["records"]:
        case = next(case for case in cases if case.name == r["case"])
        member = question.chosen(False, found)["edm"][r["side"]].each[5]
        (own,) = error_curve(*_told(member, case), [5], metric="law")
        assert (r["error"], r["floor"]) == (
            pytest.approx(own["law"], rel=1e-5),
            pytest.approx(own["floor"], rel=1e-5) if r["case"] == "sampled" else None,
        )


def _told(member: Member, case: Case) -> tuple[str, str, Any, str]:
    own, grid = member.told(case.law)
    return own, case.process, law_of(case.law), grid


def test_an_error_in_law_below_its_floor_counts_as_that() -> None:
    """Where samples tell no more nobody is ahead, and the exact error of a Gaussian has no floor but rounding."""
    records = [
        {"case": case, "side": side, "nfe": 5, "error": error, "floor": floor}
        for case, own, floor in (("sampled", (0.02, 0.01), 0.05), ("exact", (0.04, 0.01), None))
        for side, error in zip(("rest", "frame"), own, strict=True)
    ]
    (line,) = summarised(records, ("rest", "frame"), "error")
    assert (line["gain"], line["worse"]) == ([2.0], [0])
    with pytest.raises(InputError, match="metric"):
        replace(CONTEST, metric="both")
