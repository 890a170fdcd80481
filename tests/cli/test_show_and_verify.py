"""`show` prints a declaration as page, LaTeX, data or run; `verify` proves it and exits with 1 where a claim fails."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from numtoolkit.schemes import catalogue as every_scheme
from tests.support import tableaus
from tests.support.command_line import ORDERS

# --- show


def test_show_prints_the_page_with_what_is_derived(run):
    """Orders, constants and extents stand on the page of a scheme, and on none with bound parameters."""
    code, out, err = run("show", "res-2s")
    assert (code, err) == (0, "")
    assert "derived      classical 2, stiff strong 2" in out
    assert "error constant 0.26 h^3; stable to 2 (h L = 0), 2.184 (h L = -1)" in " ".join(out.split())
    assert "Y1 = exp(c2*z) y + c2*h*phi1(c2*z)*N E0" in out
    # What holds for every c2 need not be all that holds for one: nothing is said of a bound scheme.
    assert "derived" not in run("show", "res-2s(c2=1/3)")[1]


def test_show_prints_latex(run, result):
    """`--latex` prints the LaTeX page, `--json` the same text as a record."""
    out = run("show", "res-2s", "--latex")[1]
    assert out.startswith("% res-2s, step")
    assert result("show", "res-2s", "--latex") == {"scheme": "res-2s", "latex": out.rstrip("\n")}


def test_show_gives_the_declaration_as_data(result):
    """The record holds parameters with their ranges, exact, and each row of each layout."""
    record = result("show", "res-2s(c2=1/3)")
    assert record["scheme"] == "res-2s(c2=1/3)"
    assert record["parameters"][0] | {"meaning": ""} == {
        "name": "c2", "value": "1/3", "low": "0", "high": "1", "meaning": "",
    }  # fmt: skip
    assert [row["name"] for row in record["layouts"]["step"]] == ["E0", "Y1", "E1", "y'"]


def test_show_prints_a_run_with_its_numbers(run, result):
    """With a budget the lowered program is shown, as text and as records of calls, rows and draws."""
    out = run("show", "heun-edm", "--nfe", 4, "--process", "edm", "--grid", "rho(7)")[1]
    assert out.startswith("heun-edm on edm, 4 evaluations of data: 2 steps of 2 evaluations\nstep 0: t = 80 -> ")
    record = result("show", "heun-edm", "--nfe", 4)
    assert (record["process"], record["nfe"], len(record["steps"])) == ("vp", 4, 2)
    assert {i["kind"] for i in record["steps"][0]["instructions"]} == {"call", "affine"}
    assert {i["kind"] for i in result("show", "em", "--nfe", 1)["steps"][0]["instructions"]} >= {"draw"}


def test_show_tells_the_two_outputs_of_an_evaluation_apart(run):
    """Both names stand before it, and the legend says which is which; no other page has that line."""
    out = " ".join(run("show", "ddim-cfgpp")[1].split())
    assert "E0, U0 = data(y)" in out
    assert "P = y + g*h*N(0) E0 - g*h*N(0) U0" in out
    assert "U0 is what the network predicts without guidance, E0 what it predicts with it" in out
    assert "without guidance" not in run("show", "ddim")[1]


# --- verify


def test_verify_says_that_orders_of_two_outputs_are_those_where_they_agree(run, result):
    """In a sentence beneath the table, and in the record; the claim is proved all the same."""
    code, out, _ = run("verify", "ddim-cfgpp")
    assert code == 0
    assert "follows no flow as steps fall, and guides the more the more steps it takes." in " ".join(out.split())
    assert result("verify", "ddim-cfgpp")[0]["where"]
    assert not result("verify", "ddim")[0]["where"]


@pytest.mark.check
def test_verify_proves_the_catalogue(run, result):
    """`verify --all` exits with 0 and gives every scheme a verdict, six orders and the residuals of one order."""
    records = result("verify", "--all")
    assert [r["scheme"] for r in records] == [member.spec for member in every_scheme()]
    for record in records:
        assert {"scheme", "claimed", "derived", "verdict", "residuals", "ok"} <= record.keys()
        assert list(record["claimed"]) == list(record["derived"]) == ORDERS
        assert record["verdict"] in ("proved", "refuted", "higher", "not analysed")
        assert record["ok"] is True
        assert all({"order", "tree", "value"} <= residual.keys() for residual in record["residuals"])
        assert len({residual["order"] for residual in record["residuals"]}) <= 1  # the first that fails
    code, out, err = run("verify", "--all")
    assert (code, err) == (0, "")
    assert "dpmpp-2s: local error of order 3" in out


def test_verify_shows_every_residual_of_one_scheme_in_the_width_of_the_terminal(run, result, monkeypatch):
    """A scheme asked for alone is shown whole, no residual left out, no line longer than the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    out = run("verify", "unipc")[1]
    assert max(map(len, out.split("\n"))) <= 80
    (record,) = result("verify", "unipc")
    assert all(residual["tree"] in out for residual in record["residuals"])
    assert "more; verify it alone" not in out


def test_verify_keeps_free_parameters_symbolic_and_takes_bound_ones(result):
    """c2 stays a letter in the residuals of res-2s, and is put in where the specification binds it."""
    free, bound = result("verify", "res-2s", "res-2s(c2=2/3)")
    assert any("c2" in residual["value"] for residual in free["residuals"])
    assert not any("c2" in residual["value"] for residual in bound["residuals"])


def test_verify_says_both_orders_in_law(run, result):
    """Of the transition and of the marginal, of a step and of a run, and which one error curves show."""
    (record,) = result("verify", "heun-edm-churn")
    assert (record["derived"]["sde_weak"], record["derived"]["sde_marginal"]) == (1, 2)
    assert (record["run"], record["run_marginal"]) == (1, 2)
    out = " ".join(run("verify", "heun-edm-churn")[1].split())
    assert "weak 1, marg. 2 1, marg. 2 proved" in out
    assert (
        "marg., where that is another: of the marginal, from an exact one, on Gaussian laws, which error curves" in out
    )


def test_a_claim_of_which_nothing_is_derived_exits_with_1(run, monkeypatch):
    """It is not proved, which stderr says in words of its own; a claim recorded as one that fails passes."""
    from numtoolkit.schemes import one_step

    quantity = replace(one_step.UP, expansion=None)
    unread = replace(one_step.EULER_CHURN, quantities=(quantity,))
    monkeypatch.setattr("numtoolkit.cli.verify.schemes", lambda texts: [unread])
    code, out, err = run("verify", "euler-churn")
    assert code == 1
    assert "nothing is known of the step quantity a" in " ".join(out.split())
    assert err == "numtoolkit: nothing is proved of a claim of euler-churn.\n"
    recorded = replace(unread, claims=replace(unread.claims, refuted=("sde_weak",)))
    monkeypatch.setattr("numtoolkit.cli.verify.schemes", lambda texts: [recorded])
    assert run("verify", "euler-churn")[0] == 0


def test_a_failed_claim_exits_with_1(run, monkeypatch):
    """Exit code 1 is kept for a claim the engines refute, which is named on stdout and stderr."""
    from numtoolkit.schemes import one_step

    false = replace(one_step.DDIM, claims=replace(one_step.DDIM.claims, classical=3))
    monkeypatch.setattr("numtoolkit.cli.verify.schemes", lambda texts: [false])
    code, out, err = run("verify", "ddim")
    assert code == 1
    assert "NOT AS CLAIMED" in out
    assert err == "numtoolkit: a claim failed for ddim.\n"
    code, out, err = run("verify", "ddim", "--json")
    assert code == 1
    assert json.loads(out)[0]["ok"] is False


def test_verify_prints_and_gives_what_the_digits_leave_open(run, result, tmp_path):
    """One line says within what, and how well each order holds; the record has verdict, bits, bounds and zeros."""
    path = tmp_path / "tsit5.json"
    path.write_text(tableaus.book("tsit5", tableaus.TSIT5, 5).to_json())
    code, out, err = run("verify", path)
    assert (code, err) == (0, "")
    assert "within 2^-44" in out
    text = " ".join(out.split())
    assert "tsit5: what its digits leave open is below 2^-44 and taken for 0; order 1 to 1.7e-15, 2 to " in text
    assert "6 to 1.1e-04." in text
    (record,) = result("verify", path)
    assert (record["verdict"], record["within"], record["ok"]) == ("within", 44, True)
    assert list(record["tolerances"]) == ["1", "2", "3", "4", "5", "6"]
    assert record["zeros"][0] | {"value": ""} == {"order": 1, "tree": "N e", "value": ""}
