"""`list` says what each scheme is chosen by, from a committed table that is what is derived now."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from numtoolkit.files.storage import read_json
from numtoolkit.measure.facts import derive
from numtoolkit.schemes import catalogue as every_scheme
from numtoolkit.schemes import facts
from tests.support.checkout import ROOT
from tests.support.command_line import ORDERS
from tests.support.tiers import breadth


def test_list_names_every_scheme_with_what_is_claimed_and_derived(run, result):
    """In the order of the catalogue, each with its source, its processes, its cost and six orders of either kind."""
    records = result("list")
    assert [r["name"] for r in records] == [member.name for member in every_scheme()]
    for record, member in zip(records, every_scheme(), strict=True):
        assert {"name", "family", "kind", "processes", "nfe_per_step", "claimed", "reference"} <= record.keys()
        assert {"error_constant", "stable", "frozen", "clock", "aliases", "names_in_use"} <= record.keys()
        assert record["kind"] in ("ode", "sde")
        assert record["reference"] == member.source
        assert record["nfe_per_step"] == member.steps.inner.evaluations
        assert list(record["claimed"]) == list(record["derived"]) == ORDERS
        assert record["claimed"]["classical"] == member.claims.classical
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert all(re.search(rf"^{re.escape(member.spec)} ", out, re.MULTILINE) for member in every_scheme())


def test_list_gives_what_schemes_are_chosen_by(run, result, monkeypatch):
    """Order, error constant and stable extent, or nothing where they have no meaning; "any" where there is no bound."""
    monkeypatch.setenv("COLUMNS", "100")
    records = {record["name"]: record for record in result("list")}
    assert records["heun"]["error_constant"] == {"order": 3, "value": 0.3118, "square": "7/72"}
    assert records["heun"]["stable"] == {"h L = 0": 2.0, "h L = -1": 1.0, "PSLD step": 0.005445}
    assert records["sscs"]["stable"] == {"PSLD step": None}  # no bound
    assert (records["euler-ancestral"]["error_constant"], records["euler-ancestral"]["stable"]) == (None, {})
    out = run("list")[1]
    for row in (
        r"heun-edm +2 +2, stiff 1 1 2 +0\.312 h\^3 +2\.00, 1\.16 +arXiv:2206\.00364",
        r"euler-ancestral +1 +weak 1 +arXiv:2006\.11239",
        r"ipndm\(4\) +1 +1 +0 +0\.30, 0\.00 +arXiv:2204\.13902",
        r"sscs +1 +weak 1, strong 1 +1\.87 h\^2 +any +arXiv:2112\.07068",
    ):
        assert re.search(rf"^{row}$", out, re.MULTILINE), row


def test_list_tells_other_names(run, result):
    """Aliases and names in use elsewhere are told with what they stand for."""
    records = {record["name"]: record for record in result("list")}
    known = {"lms(k)": "deis-rhoab(k-1, ending=zero)", "ipndm-v(k)": "deis-rhoab(k-1)"}
    known |= {"lmsdiscretescheduler": "deis-rhoab(3, ending=zero)"}
    assert records["deis-rhoab"]["names_in_use"] == known
    assert records["res-2s"]["names_in_use"] == dict.fromkeys(("etd2rk", "exp-heun-2-x0"), "res-2s(c2=1)")
    out = " ".join(run("list")[1].split())
    for words in (
        "etd2rk = res-2s(c2=1)",
        "lms(k) = deis-rhoab(k-1, ending=zero)",
        "ddpm = euler-ancestral",
        "sps-d = rvv",
    ):
        assert words in out


def test_list_derives_nothing():
    """`list` reads the committed table: no proof engine, sympy, scipy or torch is loaded."""
    loaded = (
        "import sys; from numtoolkit.cli import main; main(['list']); print([m for m in HEAVY if m in sys.modules])"
    )
    heavy = ("sympy", "scipy", "torch", "numtoolkit.measure.stability", "numtoolkit.symbolic.verdict")
    done = subprocess.run([sys.executable, "-c", loaded.replace("HEAVY", repr(heavy))], cwd=ROOT, capture_output=True)
    assert done.stdout.decode().endswith("\n[]\n"), done.stderr


@pytest.mark.parametrize("columns", [80, 100, 120, 200, 260])
def test_list_keeps_to_the_terminal_and_says_more_on_a_wide_one(run, monkeypatch, columns):
    """Columns go one by one as the terminal narrows; no line is longer."""
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("list")[1]
    assert max(map(len, out.split("\n"))) <= columns
    head = out.split("---")[0]
    found = [word in head for word in ("kind", "reference", "freezes", "claimed", "error term")]
    assert found == [columns >= wide for wide in (120, 100, 200, 200, 260)]
    assert re.search(r"^res-2s .* 2, stiff 2 2 2 +0.26 h\^3 +2.00, 2.18", out, re.MULTILINE)


@pytest.mark.parametrize("member", breadth(every_scheme()), ids=lambda member: member.name)
def test_the_committed_table_is_what_is_derived_now(member):
    """The table that `list` reads is generated: it cannot differ from what the engines derive."""
    assert facts.facts()[member.name] == json.loads(json.dumps(derive(member))), (
        "numtoolkit/schemes/facts.json is out of date; run `numtoolkit list --refresh`"
    )


def test_the_committed_table_holds_the_catalogue_alone():
    """No scheme that is gone stays in the table, and none is missing."""
    assert list(facts.facts()) == [member.name for member in every_scheme()]


def test_list_refresh_writes_the_table(run, tmp_path, monkeypatch):
    """`list --refresh` derives every record anew, writes the table and prints it, not what was read before."""
    assert facts.facts()["ddim"]["derived"]["classical"] == 1
    monkeypatch.setattr(facts, "PATH", tmp_path / "facts.json")
    monkeypatch.setattr("numtoolkit.measure.facts.derive", lambda member: facts.UNKNOWN | {"derived": {"classical": 7}})
    try:
        code, out, _ = run("list", "--refresh")
        assert code == 0
        assert re.search(r"^ddim .* 7( |$)", out, re.MULTILINE)
        assert read_json(tmp_path / "facts.json")["ddim"]["derived"] == {"classical": 7}
    finally:
        facts.facts.cache_clear()
