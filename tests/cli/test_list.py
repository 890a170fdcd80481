"""`list` says what each scheme is chosen by, from a committed table that is what is derived now."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

import numtoolkit as nt
from numtoolkit.files.storage import read_json
from numtoolkit.measure.facts import derive
from numtoolkit.schemes import catalogue as every_scheme
from numtoolkit.schemes import facts
from tests.support.checkout import ROOT
from tests.support.command_line import ORDERS
from tests.support.own_files import MINE, mine
from tests.support.tiers import breadth

OWN_CLOCK = """
from dataclasses import replace

from numtoolkit.problem.clocks import CLOCKS

CLOCKED = replace(RES, name="my-clocked", clock=replace(CLOCKS["log-snr"], name="my-clock"))
"""


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


def test_list_derives_nothing_that_it_knows(result, monkeypatch, tmp_path):
    """The committed table and the user's cache are read: no proof engine, sympy, scipy or torch is loaded."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path))
    monkeypatch.setattr("numtoolkit.measure.facts.derive", lambda own: facts.UNKNOWN | {"holds": "before"})
    (before,) = result("list", "res-2s(c2=1/3)")
    loaded = (
        "import sys; from numtoolkit.cli import main; main(['list']); main(['list', 'res-2s(c2=1/3)', '--json']); "
        "print([m for m in HEAVY if m in sys.modules])"
    )
    heavy = ("sympy", "scipy", "torch", "numtoolkit.measure.stability", "numtoolkit.symbolic.verdict")
    done = subprocess.run([sys.executable, "-c", loaded.replace("HEAVY", repr(heavy))], cwd=ROOT, capture_output=True)
    assert done.stdout.decode().endswith("\n[]\n"), done.stderr
    assert before["holds"] == "before"
    assert json.dumps(before["scheme"]) in done.stdout.decode()
    assert '"holds": "before"' in done.stdout.decode()


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


def test_list_takes_names_parameters_and_files(run, result, tmp_path):
    """In the order given, each with what is derived of it: of bound parameters too, unknown to the catalogue."""
    path = tmp_path / "own.json"
    assert run("show", "res-2s(c2=1/3)", "--out", path)[0] == 0
    heun, bound, own = result("list", "heun", "res-2s(c2=1)", path)
    assert heun == {record["name"]: record for record in result("list")}["heun"]
    assert (bound["scheme"], own["scheme"]) == ("res-2s(c2=1)", "res-2s(c2=1/3)")
    assert bound["derived"]["stiff_strong"] == own["derived"]["stiff_strong"] == 2
    assert bound["error_constant"] == {"order": 3, "value": 0.3227, "square": "5/48"}
    out = run("list", "heun", "etd2rk")[1]
    rows = [line.split()[0] for line in out.split("\n\n")[0].split("\n")[3:]]
    assert rows == ["heun", "res-2s(c2=1)"]
    assert "Other names" in out
    assert "ddpm" not in out
    assert "Other names" not in run("list", "rk4")[1]


def test_list_keeps_schemes_by_process_family_and_order(run, result):
    """Those that run on the process, are of the family and have that order or more, of an SDE in law."""
    records = result("list")
    for words, kept in (
        (("--process", "psld(Gamma=0.02)"), lambda r: "phase space" in r["kinds"]),
        (("--family", "exponential"), lambda r: r["family"] == "exponential"),
        (("--order", "3"), lambda r: (r["derived"]["classical"] or r["derived"]["sde_weak"] or 0) >= 3),
        (
            ("--process", "edm", "--family", "exponential sde", "--order", "2"),
            lambda r: (
                "scalar" in r["kinds"] and r["family"] == "exponential SDE" and (r["derived"]["sde_weak"] or 0) >= 2
            ),
        ),
    ):
        found = result("list", *words)
        assert found == [record for record in records if kept(record)], words
        assert 0 < len(found) < len(records), words
    assert [r["name"] for r in result("list", "heun", "em", "ddim", "--order", "1")] == ["heun", "em", "ddim"]
    assert [r["name"] for r in result("list", "heun", "em", "sscs-midpoint", "--order", "2")] == [
        "heun",
        "sscs-midpoint",
    ]
    assert run("list", "heun", "--order", "9")[:2] == (0, "No scheme is all of this.\n")
    assert result("list", "heun", "--order", "9") == []


def test_what_is_derived_of_other_schemes_is_kept_in_the_users_cache(result, tmp_path, monkeypatch):
    """Once for each scheme, version and engine, outside the package; for what JSON cannot hold, every time."""
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "cache"))
    asked = []
    monkeypatch.setattr("numtoolkit.measure.facts.derive", lambda own: asked.append(own.spec) or derive(own))
    before = facts.PATH.read_bytes()
    own = mine(tmp_path)
    words = ["list", "ddim", "res-2s(c2=1/3)", f"{own}:RES", "--import"]
    first = result(*words)
    assert asked == ["res-2s(c2=1/3)", "my-res"]
    assert result(*words) == first
    own.write_text(f"# another file, the same scheme\n{MINE}", encoding="utf-8")
    assert result(*words)[2]["derived"] == first[2]["derived"]
    assert len(asked) == len(list((tmp_path / "cache").rglob("*.json"))) == 2
    with monkeypatch.context() as other:
        other.setattr(facts, "__version__", "9.9.9")
        result(*words)
    assert len(asked) == 4
    own.write_text(MINE.replace("phi(1) - nt.phi(2) / c2", "phi(1) - 2 * nt.phi(2) / c2"), encoding="utf-8")
    assert (result(*words)[2]["verdict"], asked[4:]) == ("refuted", ["my-res"])
    own.write_text(MINE + OWN_CLOCK, encoding="utf-8")
    with pytest.raises(nt.InputError, match="cannot be written as JSON"), nt.allow_imports():
        nt.scheme(f"{own}:CLOCKED").to_json()
    for _ in range(2):
        assert result("list", f"{own}:CLOCKED", "--import")[0]["derived"]["classical"] == 2
    assert asked[5:] == ["my-clocked"] * 2
    assert facts.PATH.read_bytes() == before
