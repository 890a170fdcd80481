"""The command line: what each command prints and writes, exit codes, and one sentence for every bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numtoolkit.cli import COMMANDS, main
from numtoolkit.cli.output import numbers
from numtoolkit.files.storage import read_json, read_npz
from numtoolkit.laws import law_of
from numtoolkit.measure.facts import derive
from numtoolkit.schemes import catalogue as every_scheme
from numtoolkit.schemes import facts, scheme

ROOT = Path(__file__).resolve().parents[1]
ORDERS = ["classical", "stiff_strong", "stiff_commuting", "stiff_weak", "sde_weak", "sde_strong"]
CURVE = ["curve", "--process", "edm", "--law", "gaussian", "--grid", "rho(7)"]
SAMPLE = ["sample", "--law", "ring", "--scheme", "dpmpp-2m", "--nfe", "5", "--process", "edm", "--grid", "rho(7)"]


@pytest.fixture
def run(capsys):
    """Run a command line; its exit code, what it printed, and what it said on stderr."""

    def run(*words):
        code = main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def result(run):
    """Run a command line with --json that must succeed; its result."""

    def result(*words):
        code, out, err = run(*words, "--json")
        assert code == 0, err
        return json.loads(out)

    return result


def fresh(*words, **options):
    """A run in a process of its own."""
    command = [sys.executable, "-m", "numtoolkit", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, **options)


# --- list


def test_list_names_every_scheme_with_what_is_claimed_and_derived(run, result):
    records = result("list")
    assert [r["name"] for r in records] == [member.name for member in every_scheme()]
    for record, member in zip(records, every_scheme(), strict=True):
        assert {"name", "family", "kind", "processes", "nfe_per_step", "claimed", "reference"} <= record.keys()
        assert {"error_constant", "stable", "frozen", "clock", "aliases", "names_in_use"} <= record.keys()
        assert record["kind"] in ("ode", "sde")
        assert record["reference"] == member.source
        assert record["nfe_per_step"] == member.step.evaluations
        assert list(record["claimed"]) == list(record["derived"]) == ORDERS
        assert record["claimed"]["classical"] == member.claims.classical
    code, out, err = run("list")
    assert (code, err) == (0, "")
    assert all(re.search(rf"^{re.escape(member.spec)} ", out, re.MULTILINE) for member in every_scheme())


def test_list_gives_what_schemes_are_chosen_by(run, result, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    records = {record["name"]: record for record in result("list")}
    assert records["heun"]["error_constant"] == {"order": 3, "value": 0.3118, "square": "7/72"}
    assert records["heun"]["stable"] == {"h L = 0": 2.0, "h L = -1": 1.0, "PSLD step": 0.005445}
    assert records["sscs"]["stable"] == {"PSLD step": None}  # no bound
    assert (records["euler-ancestral"]["error_constant"], records["euler-ancestral"]["stable"]) == (None, {})
    out = run("list")[1]
    for row in (
        r"heun-edm +2 +2, stiff 1 1 2 +0\.312 h\^3 +2\.00, 3\.16 +arXiv:2206\.00364",
        r"euler-ancestral +1 +weak 1 +arXiv:2006\.11239",
        r"ipndm\(4\) +1 +1 +0 +0\.30, 0\.32 +arXiv:2204\.13902",
        r"sscs +1 +weak 1, strong 1 +1\.87 h\^2 +any +arXiv:2112\.07068",
    ):
        assert re.search(rf"^{row}$", out, re.MULTILINE), row


def test_list_tells_other_names(run, result):
    records = {record["name"]: record for record in result("list")}
    assert records["deis-rhoab"]["names_in_use"] == {"lms(k)": "deis-rhoab(k-1)", "ipndm-v(k)": "deis-rhoab(k-1)"}
    assert records["res-2s"]["names_in_use"] == {"etd2rk": "res-2s(c2=1)"}
    out = " ".join(run("list")[1].split())
    for words in ("etd2rk = res-2s(c2=1)", "lms(k) = deis-rhoab(k-1)", "ddpm = euler-ancestral", "sps-d = rvv"):
        assert words in out


def test_list_derives_nothing():
    loaded = (
        "import sys; from numtoolkit.cli import main; main(['list']); print([m for m in HEAVY if m in sys.modules])"
    )
    heavy = ("sympy", "scipy", "torch", "numtoolkit.measure.stability", "numtoolkit.symbolic.verdict")
    done = subprocess.run([sys.executable, "-c", loaded.replace("HEAVY", repr(heavy))], cwd=ROOT, capture_output=True)
    assert done.stdout.decode().endswith("\n[]\n"), done.stderr


@pytest.mark.parametrize("columns", [80, 100, 120, 200, 260])
def test_list_keeps_to_the_terminal_and_says_more_where_there_is_room(run, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    out = run("list")[1]
    assert max(map(len, out.split("\n"))) <= columns
    head = out.split("---")[0]
    found = [word in head for word in ("kind", "reference", "freezes", "claimed", "error term")]
    assert found == [columns >= wide for wide in (120, 100, 200, 200, 260)]
    assert re.search(r"^res-2s .* 2, stiff 2 2 2 +0.26 h\^3 +2.00, 2.18", out, re.MULTILINE)


@pytest.mark.parametrize("member", every_scheme(), ids=lambda member: member.name)
def test_the_committed_table_is_what_is_derived_now(member):
    assert facts.facts()[member.name] == json.loads(json.dumps(derive(member))), (
        "numtoolkit/schemes/facts.json is out of date; run `numtoolkit list --refresh`"
    )


def test_the_committed_table_holds_the_catalogue_alone():
    assert list(facts.facts()) == [member.name for member in every_scheme()]


def test_refresh_writes_the_table(run, tmp_path, monkeypatch):
    monkeypatch.setattr(facts, "PATH", tmp_path / "facts.json")
    monkeypatch.setattr("numtoolkit.measure.facts.derive", lambda member: facts.UNKNOWN | {"derived": {"classical": 7}})
    try:
        code, out, _ = run("list", "--refresh")
        assert code == 0
        assert re.search(r"^ddim .* 7( |$)", out, re.MULTILINE)
        assert read_json(tmp_path / "facts.json")["ddim"]["derived"] == {"classical": 7}
    finally:
        facts.facts.cache_clear()


# --- show


def test_show_prints_the_page_with_what_is_derived(run):
    code, out, err = run("show", "res-2s")
    assert (code, err) == (0, "")
    assert "derived      classical 2, stiff strong 2" in out
    assert "error constant 0.26 h^3; stable to 2 (h L = 0), 2.184 (h L = -1)" in " ".join(out.split())
    assert "Y1 = exp(c2*z) y + c2*h*phi1(c2*z)*N E0" in out
    # What holds for every c2 need not be all that holds for one: nothing is said of a bound scheme.
    assert "derived" not in run("show", "res-2s(c2=1/3)")[1]


def test_show_prints_latex(run, result):
    out = run("show", "res-2s", "--latex")[1]
    assert out.startswith("% res-2s, step")
    assert result("show", "res-2s", "--latex") == {"scheme": "res-2s", "latex": out.rstrip("\n")}


def test_show_gives_the_declaration_as_data(result):
    record = result("show", "res-2s(c2=1/3)")
    assert record["scheme"] == "res-2s(c2=1/3)"
    assert record["parameters"][0] | {"meaning": ""} == {
        "name": "c2", "value": "1/3", "low": "0", "high": "1", "meaning": "",
    }  # fmt: skip
    assert [row["name"] for row in record["layouts"]["step"]] == ["E0", "Y1", "E1", "y'"]


def test_show_prints_a_run_with_its_numbers(run, result):
    out = run("show", "heun-edm", "--nfe", 4, "--process", "edm", "--grid", "rho(7)")[1]
    assert out.startswith("heun-edm on edm, 4 evaluations of data: 2 steps of 2 evaluations\nstep 0: t = 80 -> ")
    record = result("show", "heun-edm", "--nfe", 4)
    assert (record["process"], record["nfe"], len(record["steps"])) == ("vp", 4, 2)
    assert {i["kind"] for i in record["steps"][0]["instructions"]} == {"call", "affine"}
    assert {i["kind"] for i in result("show", "em", "--nfe", 1)["steps"][0]["instructions"]} >= {"draw"}


# --- verify


def test_verify_proves_the_catalogue(run, result):
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
    monkeypatch.setenv("COLUMNS", "80")
    out = run("verify", "unipc")[1]
    assert max(map(len, out.split("\n"))) <= 80
    (record,) = result("verify", "unipc")
    assert all(residual["tree"] in out for residual in record["residuals"])
    assert "more; verify it alone" not in out


def test_verify_keeps_free_parameters_symbolic_and_takes_bound_ones(result):
    free, bound = result("verify", "res-2s", "res-2s(c2=2/3)")
    assert any("c2" in residual["value"] for residual in free["residuals"])
    assert not any("c2" in residual["value"] for residual in bound["residuals"])


def test_a_failed_claim_exits_with_1(run, monkeypatch):
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


# --- curve


def test_curve_gives_errors_that_fall(result):
    records = result(*CURVE, "--schemes", "ddim,res-2s(c2=1/3)", "--nfe", "10,20,40")
    assert [(r["scheme"], r["nfe"], r["steps"]) for r in records] == [
        ("ddim", 10, 10), ("ddim", 20, 20), ("ddim", 40, 40),
        ("res-2s(c2=1/3)", 10, 5), ("res-2s(c2=1/3)", 20, 10), ("res-2s(c2=1/3)", 40, 20),
    ]  # fmt: skip
    assert all({"scheme", "nfe", "steps", "metric", "error", "median"} <= r.keys() for r in records)
    ddim = [r["error"] for r in records[:3]]
    # First order: each doubling halves the error, up to the next order.
    assert ddim[0] / ddim[1] == pytest.approx(2, rel=0.1)
    assert ddim[1] / ddim[2] == pytest.approx(2, rel=0.1)
    assert all(second["error"] < first / 10 for first, second in zip(ddim, records[3:], strict=True))


def test_curve_says_how_a_budget_is_spent(run, result):
    records = result(*CURVE, "--schemes", "heun-edm", "--nfe", "5,6")
    assert [record["plan"] for record in records] == ["2 steps of 2 evaluations, 1 of 1", None]
    assert all(record["error"] > 0 for record in records)
    assert "1 of 1" in run(*CURVE, "--schemes", "heun-edm", "--nfe", "5,6")[1]
    assert "plan" not in run(*CURVE, "--schemes", "heun-edm", "--nfe", "6")[1]


def test_curve_says_why_nothing_was_measured_and_goes_on(run, result):
    phase = [*CURVE, "--process", "psld", "--grid", "quadratic(zero=1)", "--nfe", "5"]
    records = result(*phase, "--schemes", "ddim,gframe-ab")
    assert (records[0]["error"] > 0, records[1]["error"]) == (True, None)
    assert records[1]["why"] == (
        "scheme gframe-ab(2) has no step to t = 0 on process psld, whose noise is singular there; end the grid at a "
        "time above 0."
    )
    code, out, err = run(*phase, "--schemes", "gframe-ab")
    assert (code, out) == (2, "")
    assert err == f"numtoolkit: nothing was measured: {records[1]['why']}\n"


def test_curve_draws_the_seeds_it_is_told(result):
    words = [*CURVE, "--schemes", "ddim", "--nfe", "5"]
    eight = result(*words, "--samples", 8)
    assert eight == result(*words, "--seeds", "0-7") == result(*words, "--seeds", "0,1-3,4-7")
    assert eight != result(*words, "--seeds", "1-8")


@pytest.mark.parametrize("ending", [".json", ".csv", ".png", ".svg", ".pdf", ".PNG"])
def test_curve_writes_what_it_prints(run, tmp_path, ending):
    path = tmp_path / "new" / f"x{ending}"
    code, out, err = run(*CURVE, "--schemes", "ddim,em", "--nfe", "5,9", "--out", path, "--json")
    assert sorted(file.suffix for file in path.parent.iterdir()) == sorted(
        {ending, ".csv" if ending == ".csv" else ".json"}
    )
    assert (code, err) == (0, f"wrote {path}\n")
    records = json.loads(out)
    if ending == ".csv":
        lines = path.read_text().splitlines()
        assert lines[0].startswith("scheme,nfe,steps,metric,error,median")
        assert [line.split(",")[4] for line in lines[1:]] == [str(r["error"]) for r in records]
        return
    sidecar = read_json(path.with_suffix(".json"))
    assert sidecar["data"] == records
    assert sidecar["command"].startswith("numtoolkit curve --process edm --law gaussian --grid 'rho(7)' --schemes")
    assert sidecar["versions"].keys() >= {"numtoolkit", "numpy"}
    first = path.read_bytes()
    run(*CURVE, "--schemes", "ddim,em", "--nfe", "5,9", "--out", path)
    assert path.read_bytes() == first.replace(b" --json", b"")


# --- stability


def test_stability_draws_and_tells_how_far(run, result, tmp_path):
    records = result("stability", "ddim", "res-2s(c2=1/3)", "rvv", "--out", tmp_path / "x.png")
    assert [r["scheme"] for r in records if r["on"] == "h L = 0"] == ["ddim", "res-2s(c2=1/3)"]
    # Euler's method is stable on [-2, 0].
    assert records[0] == {"scheme": "ddim", "on": "h L = 0", "of": "w in [-extent, 0]", "extent": pytest.approx(2)}
    assert next(r["on"] for r in records if r["scheme"] == "rvv").startswith("psld")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert read_json(tmp_path / "x.json")["data"] == records


def test_stability_says_where_there_is_no_bound(run, tmp_path):
    code, out, err = run("stability", "sscs", "--out", tmp_path / "x.svg")
    assert (code, err) == (0, f"wrote {tmp_path / 'x.svg'}\n")
    assert "no bound" in out


# --- sample


def drawn(path):
    """Samples by seed of everything in a folder."""
    found = {}
    for file in path.glob("*.npz"):
        arrays = read_npz(file)
        found |= dict(zip(arrays["seeds"].tolist(), arrays["samples"], strict=True))
    return found


def test_results_never_replace_fitted_coefficients(run, tmp_path):
    table, words = tmp_path / "t.json", ["--law", "gaussian", "--nfe", "3", "--grid", "rho(7)", "--process", "edm"]
    assert run("fit", "--scheme", "iia-ddim", *words, "--out", table)[0] == 0
    before = table.read_bytes()
    for command in (
        ["curve", *words, "--schemes", "ddim", "--out", tmp_path / "t.png"],
        ["curve", *words, "--schemes", "ddim", "--out", table],
        ["stability", "ddim", "--out", tmp_path / "t.svg"],
    ):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert "t.json' holds fitted coefficients" in err
    assert table.read_bytes() == before
    assert run("fit", "--scheme", "iia-ddim(one)", *words, "--out", table)[0] == 0


def test_sample_denoises_with_its_last_evaluation(result, tmp_path):
    import numtoolkit

    words = ["sample", "--law", "ring", "--scheme", "rvv", "--process", "psld", "--grid", "quadratic", "--nfe", "6"]
    record = result(*words, "--denoise", "--seeds", "0-3", "--out", tmp_path)
    assert record["plan"] == "2 steps of 2 evaluations, 1 of 1, 1 to denoise"
    direct = numtoolkit.sample(
        numtoolkit.Network.of(law_of("ring")),
        "rvv",
        process="psld",
        grid="quadratic",
        nfe=6,
        seeds=range(4),
        dtype=np.float64,
        batch=64,
        denoise=True,
    )
    assert direct.nfe == 6
    np.testing.assert_array_equal(np.stack([drawn(tmp_path)[i] for i in range(4)]), direct.samples)


def test_sample_writes_what_the_runner_returns(result, tmp_path):
    import numtoolkit

    record = result(*SAMPLE, "--seeds", "0-9,40", "--out", tmp_path)
    assert (record["samples"], record["new"], record["nfe"], record["plan"]) == (11, 11, 5, "5 steps of 1 evaluation")
    network = numtoolkit.Network.of(law_of("ring"))
    seeds = [*range(10), 40]
    direct = numtoolkit.sample(
        network, "dpmpp-2m", process="edm", grid="rho(7)", nfe=5, seeds=seeds, dtype=np.float64, batch=64
    ).samples
    found = drawn(tmp_path)
    assert sorted(found) == seeds
    for seed, row in zip(seeds, direct, strict=True):
        np.testing.assert_array_equal(found[seed], row)


def test_sample_goes_on_where_it_stopped(run, result, tmp_path):
    words = [*SAMPLE, "--law", "digits(count=100)"]  # its matrix products round differently in batches of other sizes
    result(*words, "--seeds", "5-300", "--out", tmp_path / "once")
    first = result(*words, "--seeds", "5,9-12", "--out", tmp_path / "twice")
    kept = (tmp_path / "twice" / first["files"][0]).read_bytes()
    second = result(*words, "--seeds", "5-300", "--out", tmp_path / "twice")
    assert (first["new"], second["new"]) == (5, 291)
    assert (tmp_path / "twice" / first["files"][0]).read_bytes() == kept
    once, twice = drawn(tmp_path / "once"), drawn(tmp_path / "twice")
    assert all(np.array_equal(once[seed], twice[seed]) for seed in range(5, 301))


def test_sample_refuses_a_folder_of_another_run(run, tmp_path):
    assert run(*SAMPLE, "--seeds", "0", "--out", tmp_path)[0] == 0
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    code, out, err = run(*SAMPLE, "--seeds", "0", "--out", tmp_path, "--dtype", "float32")
    assert (code, out) == (2, "")
    assert "holds samples with dtype 'float64', not 'float32'" in err
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_sample_of_a_file_knows_its_content(run, tmp_path):
    law, out = tmp_path / "law.npz", tmp_path / "out"
    words = ["sample", "--law", law, "--scheme", "ddim", "--nfe", "2", "--seeds", "0-3", "--out", out]
    np.savez(law, means=np.zeros((1, 2)), covariances=np.ones((1, 2)))
    assert run(*words)[0] == 0
    np.savez(law, means=np.ones((1, 2)), covariances=np.ones((1, 2)))
    code, _, err = run(*words)
    assert code == 2
    assert "law_sha256" in err


def test_sample_draws_a_picture_of_image_laws(run, tmp_path):
    words = ["sample", "--law", "digits(count=20)", "--scheme", "rvv", "--nfe", "4", "--seeds", "0-10"]
    code, _, err = run(*words, "--out", tmp_path, "--image")
    assert code == 0
    assert err == f"wrote {tmp_path / 'samples.png'}\n"
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    assert next(iter(drawn(tmp_path).values())).shape == (2, 8, 8)  # phase space: the data part is drawn


def test_sample_runs_in_torch_when_given_a_device(result, tmp_path):
    result(*SAMPLE, "--seeds", "0-3", "--out", tmp_path / "numpy")
    result(*SAMPLE, "--seeds", "0-3", "--out", tmp_path / "torch", "--device", "cpu")
    ours, theirs = drawn(tmp_path / "numpy"), drawn(tmp_path / "torch")
    # The loop is the same to the bit, the normals and the law's softmax to rounding.
    assert all(np.allclose(ours[seed], theirs[seed], rtol=1e-9, atol=1e-12) for seed in range(4))


# --- reproduce


def test_reproduce_runs_the_experiments_of_a_folder(run, result, tmp_path, monkeypatch):
    import numtoolkit.reproduce.job

    asked = []

    def reproduce(experiments, out, quick, progress):
        asked.append((experiments, out, quick))
        progress("1/1 x")
        return [out / "x.png"]

    monkeypatch.setattr(numtoolkit.reproduce.job, "reproduce", reproduce)
    assert run("reproduce") == (0, "figures/x.png\n", "1/1 x\n")
    assert result("reproduce", "--quick", "--experiments", "e", "--out", "o") == {"files": ["o/x.png"]}
    assert asked == [(Path("experiments"), Path("figures"), False), (Path("e"), Path("o"), True)]


# --- the command line itself


def test_version_names_the_packages(run):
    code, out, _ = run("--version")
    assert code == 0
    assert re.match(r"numtoolkit \d+\.\d+\.\d+\npython 3\.\d+", out)
    assert {"numpy", "sympy", "torch"} <= {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_is_a_result(run, words):
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out.startswith("usage: numtoolkit")


BAD = [
    ("", "name a command"),
    ("lst", "unknown command 'lst'; did you mean list"),
    ("list extra", "unrecognized arguments: extra"),
    ("list --bogus", "unrecognized arguments: --bogus"),
    ("list --js", "unrecognized arguments: --js"),
    ("show", "the following arguments are required: SCHEME"),
    ("show res2s", "unknown scheme 'res2s'; did you mean res-2s"),
    ("show res-2s(c2=0)", "res-2s: c2 = 0 is out of range; it must satisfy 0 < c2 <= 1"),
    ("show res-2s(c2=1+1)", "cannot read the value '1+1'"),
    ("show ddim --grid uniform", "add --nfe N"),
    ("show ddim --nfe 0", "--nfe 0 is out of range; give whole numbers from 1 to"),
    ("show ddim --nfe 1e3", "--nfe '1e3' is not one whole number; give one from 1 to"),
    ("show ddim --nfe 5,6", "--nfe '5,6' is not one whole number"),
    ("show ddim --nfe 99999999999999999999999999", "is out of range"),
    ("show rvv --nfe 4 --process vp", "scheme rvv is not defined on process 'vp'; it runs on psld"),
    ("verify", "name schemes, or give --all alone"),
    ("verify ddim --all", "name schemes, or give --all alone"),
    ("verify nonsense", "unknown scheme 'nonsense'"),
    ("curve --process vp", "the following arguments are required: --law, --schemes, --grid, --nfe"),
    ("curve {curve} --process vpp", "unknown process 'vpp'; did you mean vp"),
    ("curve {curve} --process vp(T=1e9)", "process vp(T=1000000000.0): somewhere"),
    ("curve {curve} --law rng", "unknown law 'rng'; did you mean ring"),
    ("curve {curve} --law absent.npz", "cannot read 'absent.npz': it is not a file"),
    ("curve {curve} --law /etc/hostname", "cannot read '/etc/hostname'"),
    ("curve {curve} --schemes ddim,,em", "--schemes 'ddim,,em' has an empty place"),
    ("curve {curve} --schemes rvv", "scheme rvv is not defined on process 'vp'"),
    ("curve {curve} --grid rho(0)", "grid rho: rho = 0.0 is out of range"),
    ("curve {curve} --grid rho(7", "cannot read 'rho(7'"),
    ("curve {curve} --nfe 5,x", "cannot read 'x' in --nfe '5,x'"),
    ("curve {curve} --seeds 5-2", "--seeds 5-2 runs backwards; write 2-5"),
    ("curve {curve} --seeds 0-99999999999", "give fewer at once"),
    ("curve {curve} --samples 0", "--samples 0 is out of range"),
    ("curve {curve} --seeds 0-9 --samples 3", "not allowed with argument"),
    ("curve {curve} --out {tmp}/x.txt", "ends in .txt; end it in .json, .csv, .png"),
    ("curve {curve} --out {tmp}/file/x.png", "cannot use the folder"),
    ("curve {curve} --out {tmp}/x.png", "is a folder; name a file"),
    ("stability ddim", "the following arguments are required: --out"),
    ("stability dpmpp-2m --process vp --out {tmp}/y.png", "carries evaluations between steps"),
    ("sample {sample} --out {tmp}/file", "cannot use the folder"),
    ("sample {sample} --out {tmp}/d --image", "has shape (2,), which is no picture; drop --image"),
    ("sample {sample} --out {tmp}/d --nfe 0", "--nfe 0 is out of range"),
    ("sample {sample} --out {tmp}/d --device nonsense", "device 'nonsense'"),
    ("sample {sample} --out {tmp}/d --dtype float16", "invalid choice: 'float16'"),
    ("reproduce --experiments {tmp}", "there are no experiments"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_is_answered_with_one_sentence(run, tmp_path, line, sentence):
    (tmp_path / "file").touch()
    (tmp_path / "x.png").mkdir()
    places = {
        "tmp": tmp_path,
        "curve": "--process vp --law ring --schemes ddim --grid uniform --nfe 5",
        "sample": "--law ring --scheme ddim --nfe 5 --seeds 0-3",
    }
    code, out, err = run(*line.format(**places).split())
    assert (code, out) == (2, "")
    assert sentence in err
    assert re.fullmatch(r"numtoolkit: [^\n]+[.?]\n", err)


words = st.sampled_from([*COMMANDS, "--json", "--all", "--nfe", "--seeds", "--out", "--help", "--latex", "ddim", "5"])


@given(st.lists(words | st.text(max_size=8), max_size=5).filter(lambda line: line[:1] != ["reproduce"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_words_are_run_or_refused(monkeypatch, tmp_path, capsys, line):
    monkeypatch.chdir(tmp_path)
    code = main(line)
    err = capsys.readouterr().err
    assert code in (0, 2)
    assert "Traceback" not in err
    assert code == 0 or re.fullmatch(r"numtoolkit: [^\n]+[.?]\n", err)


@pytest.mark.parametrize(
    ("module", "line", "sentence"),
    [
        ("matplotlib", "stability ddim --out {tmp}/x.png", "figures need matplotlib"),
        ("torch", "sample --law ring --scheme ddim --nfe 5 --seeds 0 --out {tmp} --device cpu", "needs torch"),
    ],
)
def test_a_package_that_is_not_installed_is_named(run, tmp_path, monkeypatch, module, line, sentence):
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run(*line.format(tmp=tmp_path).split())
    assert (code, out) == (2, "")
    assert sentence in err
    assert "pip install 'numtoolkit[" in err


@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_interruption_and_lack_of_memory_are_reported(run, monkeypatch, failure, code):
    def fail(arguments):
        raise failure

    monkeypatch.setitem(COMMANDS, "list", replace(COMMANDS["list"], run=fail))
    found, out, err = run("list")
    assert (found, out) == (code, "")
    assert re.fullmatch(r"numtoolkit: [^\n]+\.\n", err)


def test_results_alone_go_to_stdout_of_a_process(tmp_path):
    done = fresh(*CURVE, "--schemes", "ddim", "--nfe", "5", "--out", tmp_path / "x.csv", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["scheme"] == "ddim"
    assert done.stderr == f"wrote {tmp_path / 'x.csv'}\n"  # no progress bar where stderr is no terminal


def test_bad_input_of_a_process_leaves_no_traceback():
    done = fresh("show", "res-2s(c2=0)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numtoolkit: res-2s: c2 = 0 is out of range; it must satisfy 0 < c2 <= 1.\n"


def test_a_reader_that_leaves_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "numtoolkit", "list", "--json"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_lists_of_numbers():
    assert numbers("0-3", "--seeds") == [0, 1, 2, 3]
    assert numbers(" 5, 1-2 ,5", "--seeds") == [5, 1, 2]
    assert scheme("ddim").name == "ddim"
