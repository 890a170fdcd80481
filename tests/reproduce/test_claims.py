"""The claims of papers: lists of nothing but what is claimed, checks that decide, and the page that shows them."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import pytest

from numtoolkit.cli.command_line import main
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.result_store import Cell, Store
from numtoolkit.files.storage import plain, read_json
from numtoolkit.reproduce.asked import answer, asked_cell
from numtoolkit.reproduce.claims import CLOSED, KINDS_OF_CLAIMS, Check, Claims, page, summary
from numtoolkit.reproduce.reading import read_experiments
from numtoolkit.reproduce.work import compute, difference
from tests.support.checkout import ROOT
from tests.support.tiers import breadth

NAME = "claims"
SECONDS = {"stable-steps", "error-constants", "theorem", "slopes", "same-levels", "normal-equations"}  # take some
EVERY = 6  # of the other cells in closed form `make test` computes again; `make check` does all


@pytest.fixture(scope="module")
def shipped() -> Claims:
    """The experiment of the repository."""
    (plan,) = read_experiments(ROOT / "experiments", [NAME])
    assert isinstance(plan.experiment, Claims)
    return plan.experiment


@pytest.fixture(scope="module")
def kept(shipped: Claims) -> dict[Cell, Any]:
    """Its results that are kept."""
    store = Store(ROOT / "figures" / "cells", {})
    found = {cell: store.find(cell) for cell in shipped.cells(False, {})}
    assert [cell for cell, own in found.items() if own is None] == []
    return {cell: own.data for cell, own in found.items() if own is not None}


def closed_cells() -> list[tuple[int, Cell]]:
    """The cells of what is derived or in closed form, numbered."""
    (plan,) = read_experiments(ROOT / "experiments", [NAME])
    return list(enumerate(plan.experiment.cells(True, {})))


def is_quick(number: int, cell: Cell) -> bool:
    """Whether `make test` computes it again."""
    return cell.kind == "asked" and cell.data["question"] not in SECONDS and number % EVERY == 0


def test_the_lists_hold_the_claims_of_four_papers_and_no_verdict(shipped: Claims) -> None:
    """More than 120 rows of the kinds there are; what is blocked says by what, and nothing else needs a file."""
    claims = [claim for paper in shipped.papers for claim in paper.claims]
    assert [paper.paper for paper in shipped.papers] == ["2310.07894", "2402.07211", "2308.02157", "2304.11328"]
    assert len(claims) >= 250
    assert {claim.kind for claim in claims} == set(KINDS_OF_CLAIMS)
    assert all(bool(claim.needs) == (claim.kind == "needs weights") for claim in claims)
    words = b" ".join(shipped.texts.values()).decode().lower()
    assert not re.findall(r"^(?:verdict|ours|check)\b", words, re.MULTILINE)


def test_kept_results_make_the_verdicts_that_are_committed(shipped: Claims, kept: dict[Cell, Any]) -> None:
    """`figures/claims.json` is what the cells say now."""
    record = read_json(ROOT / "figures" / f"{NAME}.json")
    assert plain(shipped.result(False, kept).data) == record["data"]


def test_the_page_of_the_papers_is_made_of_the_kept_results() -> None:
    """`paper_repro.md` is what its script writes, to the byte."""
    script = runpy.run_path(str(ROOT / "analysis" / "paper_repro.py"))
    assert script["text"]() == (ROOT / "paper_repro.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "cell"), breadth(closed_cells(), is_quick))
def test_what_is_derived_or_in_closed_form_is_found_again(number: int, cell: Cell, kept: dict[Cell, Any]) -> None:
    """Each such cell, computed again, holds what is kept."""
    assert difference(cell, kept[cell], plain(compute(cell))) == ""


def test_every_command_of_the_page_is_one(shipped: Claims, capsys: pytest.CaptureFixture[str]) -> None:
    """The parser takes it, and stops at the slip that is put behind it."""
    commands = {check.command for check in shipped.checks} - {""}
    assert {"verify", "conditions", "derive", "curve", "show"} <= {shlex.split(command)[1] for command in commands}
    for command in commands:
        assert main([*shlex.split(command)[1:], "--no-such-option"]) == 2
        assert "unrecognized arguments: --no-such-option;" in capsys.readouterr().err, command


@pytest.mark.check
def test_a_command_of_the_page_shows_the_value(capsys: pytest.CaptureFixture[str], shipped: Claims) -> None:
    """The errors that a curve prints are those of the claim."""
    check = next(own for own in shipped.checks if own.claim == "conjugate-beats-euler")
    assert main([*shlex.split(check.command)[1:], "--json"]) == 0
    errors = {row["scheme"]: row["error"] for row in json.loads(capsys.readouterr().out)}
    assert errors["euler"] > 3 * errors["ddim"]


# --- how verdicts come about

LINE = {"x": [0, 1, 2], "y": [1.0, 3.0, 5.0]}  # slope 2, start 1


def check_of(**given: Any) -> Check:
    return Check("steep", "line", LINE, **given)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        ({"near": {"slope": 2.1}, "within": 0.1}, "reproduced"),
        ({"near": {"slope": 2.1}, "within": 0.01}, "not reproduced"),
        ({"near": {"slope": 2.1}, "within": 0.01, "instead": "x"}, "not reproduced"),
        ({"near": {"slope": 2.1}, "within": 0.01, "contradiction": "x"}, "contradicted"),
        ({"near": {"slope": 2.0}, "deviation": "x"}, "with deviation"),
        ({"near": {"slope": 2.0, "text": "b"}}, "not reproduced"),
        ({"near": {"slope": 2.0, "text": "a"}}, "reproduced"),
        ({"below": {"slope": 2.0}}, "not reproduced"),
        ({"above": {"slope": 2.0}}, "not reproduced"),
        ({"below": {"slope": 2.1}, "above": {"slope": 1.9}}, "reproduced"),
        ({"rising": ("start", "slope")}, "reproduced"),
        ({"rising": ("start", "slope"), "by": 1.9}, "reproduced"),
        ({"rising": ("start", "slope"), "by": 2.0}, "not reproduced"),
        ({"rising": ("slope", "start")}, "not reproduced"),
        ({"rising": ("start", "slope", "lost")}, "reproduced"),
        ({"below": {"lost": 1e300}}, "not reproduced"),
    ],
)
def test_a_verdict_follows_from_values(given: dict[str, Any], verdict: str) -> None:
    """Near, below, above and in order, all of them; what is not finite is above any number."""
    assert check_of(**given).verdict({"slope": 2.0, "start": 1.0, "text": "a", "lost": None}) == verdict


@pytest.fixture
def toy(tmp_path: Path) -> Any:
    """A maker of an experiment on a list of four claims, of its checks."""
    rows = {"steep": "closed form", "drawn": "simulated", "open": "derived", "far": "needs weights"}
    text = ['paper = "1"', 'title = "T"']
    for name, kind in rows.items():
        needs = 'needs = "a file"' if name == "far" else ""
        text += ["[[claims]]", f'id = "{name}"', 'place = "p"', f'kind = "{kind}"', 'says = "a|b*"', needs]
    path = tmp_path / "list.toml"
    path.write_text("\n".join([*text, "numbers = { 5 = 2.5 }"]), encoding="utf-8")
    return lambda *checks: Claims("T?", (str(path),), checks)


def test_a_claim_has_the_verdict_of_its_worst_check_or_is_blocked_or_open(toy: Any) -> None:
    """Two checks of one, of which one fails; none of others; the page has a row each, and escapes what is Markdown."""
    questions = toy(
        check_of(near={"slope": 2.0}, within=1e-9),
        check_of(above={"slope": 3.0}, contradiction="it is 2"),
        Check("drawn", "reduction", {"before": 4.0, "after": 3.0}, near={"less": 0.25}),
    )
    result = questions.run(quick=False)
    assert [row["verdict"] for row in result.data["claims"]] == [
        "contradicted",
        "reproduced",
        "not yet judged",
        "blocked",
    ]
    text = page(result.data, "T?", "a\nb", "make it")
    assert text.count(r"a\|b\*") == 4
    assert "**contradicted**: it is 2" in text
    assert "**blocked**: lacking a file | [with the files]" in text
    assert "| 5: 2.5 |" in text
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines() if line.startswith(r"| a\|b")} == {10}
    assert summary(result.data["claims"]) == result.table


def test_a_quick_run_judges_what_takes_seconds(toy: Any) -> None:
    """Claims that are simulated are left open by it."""
    questions = toy(
        check_of(near={"slope": 2.0}, within=1e-9),
        Check("drawn", "reduction", {"before": 4.0, "after": 3.0}, near={"less": 0.25}),
    )
    assert len(questions.cells(True, {})) == 1
    verdicts = {row["kind"]: row["verdict"] for row in questions.run(quick=True).data["claims"]}
    assert verdicts["simulated"] == "not yet judged"
    assert verdicts[CLOSED[1]] == "reproduced"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (Check("step", "line", LINE, near={"slope": 2}), "unknown claim 'step'; did you mean steep"),
        (Check("steep", "lines", LINE, near={"slope": 2}), "unknown question 'lines'; did you mean line"),
        (
            Check("steep", "line", {"x": [1]}, near={"slope": 2}),
            "question 'line' cannot be asked so: missing a required",
        ),
        (Check("steep", "line", LINE), "the check of steep says no value"),
        (Check("steep", "errors", {"scheme": "ddim"}, near={"a": 1}), "unknown key 'scheme'; did you mean schemes"),
        (Check("steep", "orders", {"schemes": ["dim"]}, near={"a": 1}), "unknown scheme 'dim'; did you mean ddim"),
    ],
)
def test_a_check_that_asks_nothing_is_refused(toy: Any, check: Check, words: str) -> None:
    """Before anything is computed: other claims, questions, names and schemes."""
    with pytest.raises(InputError, match=words):
        toy(check)


def test_a_value_that_an_answer_has_not_is_refused(toy: Any) -> None:
    """When it is there: no claim is judged by a name that is nowhere."""
    questions = toy(check_of(near={"slop": 2.0}))
    with pytest.raises(InputError, match="unknown value of claim steep 'slop'; did you mean slope"):
        questions.run(quick=False)


def test_a_list_that_is_none_is_refused(tmp_path: Path) -> None:
    """A path that leads nowhere, and a file that is not TOML."""
    with pytest.raises(StorageError, match="cannot read a list of claims"):
        Claims("T?", (str(tmp_path / "none.toml"),), ())
    (tmp_path / "bad.toml").write_bytes(b"\xff")
    with pytest.raises(StorageError, match="cannot read a list of claims"):
        Claims("T?", (str(tmp_path / "bad.toml"),), ())


# --- what is asked


def test_an_answer_is_of_the_scheme_and_network_that_were_asked_about() -> None:
    """A declaration or a checkpoint with another digest is refused; a cell names every parameter of a law."""
    cell = asked_cell("fits", {"schemes": ["ddim"], "process": "edm", "law": "network:digits-image", "grid": "rho(7)",
                               "steps": 2, "substeps": 1, "samples": 1})  # fmt: skip
    assert cell.data["networks"].keys() == {"network:digits-image"}
    assert len(cell.data["declared"]["ddim"]) == 64
    with pytest.raises(InputError, match="scheme 'ddim' has changed since"):
        answer("evaluations", {"schemes": ["ddim"]}, {"ddim": "0" * 64})
    with pytest.raises(InputError, match="law 'network:digits-image' has changed since"):
        answer("evaluations", {"schemes": ["ddim"]}, networks={"network:digits-image": "0" * 64})
    told = asked_cell("fits", cell.data["given"] | {"law": "ring"}).data["given"]["law"]
    assert told == "ring(modes=8, radius=0.7, width=0.05)"


def test_error_constants_are_relative() -> None:
    """That of DDIM is L / 4 N, whatever the variance; exponential-iia.md 6.3."""
    for variance in (0.01, 0.25):
        found = answer("error-constants", {"schemes": ["ddim"], "steps": 800, "order": 1, "variance": variance})
        assert found["ddim"] == pytest.approx(0.25, rel=0.02)  # the next term is of size L / N = 1.3 %


def test_processes_are_told_apart_and_their_constants_are_those_they_are_given() -> None:
    """CLD is PSLD without noise in the position; with another damping it is neither it nor critical."""
    assert answer("same-process", {"one": "psld(Gamma=0, nu=4)", "other": "cld", "t": [0.5]}) == {"digits": 12}
    assert answer("same-process", {"one": "psld", "other": "cld", "t": [0.5]})["digits"] < 4
    assert answer("phase-space", {"process": "psld"}) == {"1/M": 4.0, "critical": True, "digits": 12}
    with pytest.raises(InputError, match="process 'vp' has no mass"):
        answer("phase-space", {"process": "vp"})


def test_runs_of_one_scheme_share_all_digits_and_of_two_few() -> None:
    """Deterministic and stochastic ones, of which the laws alone are compared."""
    about = {"process": "psld", "grid": "quadratic", "steps": 4}
    for one, other in (("ddim", "lambda-ddim-1(0)"), ("roba", "roba(lambda_s=1)")):
        assert answer("same-run", {"one": one, "other": other, **about}) == {"digits": 12}
    for one, other in (("ddim", "lambda-ddim-1(1)"), ("roba", "noba")):
        assert answer("same-run", {"one": one, "other": other, **about})["digits"] < 6
