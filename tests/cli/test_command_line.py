"""The command line itself: help, versions, exit codes, and one sentence for every bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numtoolkit.cli import COMMANDS, main
from numtoolkit.cli.output import numbers
from numtoolkit.schemes import scheme
from tests.support.checkout import ROOT
from tests.support.command_line import CURVE, fresh

# --- reproduce


def test_reproduce_passes_on_what_is_asked_for(run, result, tmp_path, monkeypatch):
    """Names, folders and options reach the job, which says what it wrote; `experiments` go to `figures`."""
    import numtoolkit.reproduce.job as job
    from numtoolkit.reproduce.workers import cores

    asked = []

    def reproduce(experiments, out, chosen, progress, **options):
        asked.append((str(experiments), str(out), chosen, options))
        progress.say("1/1 x")
        progress.count(1, 2)
        return [out / "x.png"]

    monkeypatch.setattr(job, "reproduce", reproduce)
    assert run("reproduce") == (0, "figures/x.png\n", "1/1 x\n")
    words = "--quick --experiments e --out o --workers 3 --shard 2/5 --from-nothing".split()
    found = result("reproduce", "a", "b.toml", *words)
    assert found == {"files": ["o/x.png"], "checked": [], "differ": [], "removed": []}
    result("reproduce", "--cluster", "tcp://one:8786")
    plain = {"quick": False, "workers": cores(), "cluster": None, "shard": (1, 1), "from_nothing": False, "pdf": False}
    assert asked == [
        ("experiments", "figures", [], plain),
        ("e", "o", ["a", "b.toml"], plain | {"quick": True, "workers": 3, "shard": (2, 5), "from_nothing": True}),
        ("experiments", "figures", [], plain | {"cluster": "tcp://one:8786"}),
    ]


# --- the command line itself


def test_version_names_the_packages(run):
    """`--version` says with what numbers were computed: numtoolkit, Python and every library."""
    code, out, _ = run("--version")
    assert code == 0
    assert re.match(r"numtoolkit \d+\.\d+\.\d+\npython 3\.\d+", out)
    assert {"numpy", "sympy", "torch"} <= {line.split()[0] for line in out.splitlines()}


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_is_a_result(run, words):
    """Help goes to stdout and exits with 0, for every command."""
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out.startswith("usage: numtoolkit")


BAD = [
    ("", "name a command"),
    ("lst", "unknown command 'lst'; did you mean list"),
    ("list extra", "unknown scheme 'extra'; did you mean"),
    ("list --family fitte", "unknown family 'fitte'; did you mean fitted"),
    ("list --order two", "--order 'two' is not one whole number"),
    ("list ddim --refresh", "--refresh derives the whole catalogue anew; give it alone"),
    ("sample {sample} --shape 2 --out {tmp}/d", "--shape 2 is of a network, but --law says its own"),
    ("sample --model ddim --scheme ddim --nfe 5 --seeds 0 --out {tmp}/d", "'ddim' is no network"),
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
    (
        "show rvv --nfe 4 --process vp",
        "scheme rvv is not defined on process 'vp', a scalar process; it runs on phase space processes",
    ),
    ("verify", "name schemes, or give --all alone"),
    ("verify ddim --all", "name schemes, or give --all alone"),
    ("verify nonsense", "unknown scheme 'nonsense'"),
    ("curve --process vp", "the following arguments are required: --schemes, --grid, --nfe"),
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
    ("curve {curve} --samples 19 --schemes ddim,em", "19 samples are too few for sliced-wasserstein of em; give 20"),
    ("curve {curve} --seeds 0-9 --samples 3", "not allowed with argument"),
    ("curve {curve} --out {tmp}/x.txt", "ends in .txt; end it in .json, .csv, .png"),
    ("curve {curve} --out {tmp}/file/x.png", "cannot use the folder"),
    ("curve {curve} --out {tmp}/x.png", "is a folder; name a file"),
    ("transfer {transfer} --nfe 5,6", "--nfe '5,6' is not one whole number"),
    ("transfer {transfer} --scales 1,x", "cannot read --scales '1,x'; write numbers separated by commas"),
    ("transfer {transfer} --scales 1,0", "scales from 0 to 1 are out of range; give deviations"),
    ("transfer {transfer} --schemes ddim,rvv", "scheme rvv is not defined on process 'vp'"),
    ("stability ddim --order-star", "say where by --out FILE"),
    ("stability ddim --order-star --process edm --out {tmp}/y.png", "leave --process out"),
    ("stability rvv", "no state part 'm'; name a process instead"),
    ("stability dpmpp-2m --process vp --out {tmp}/y.png", "carries evaluations between steps"),
    ("sample {sample} --out {tmp}/file", "cannot use the folder"),
    ("sample {sample} --out {tmp}/d --image", "has shape (2,), which is no picture; drop --image."),
    ("sample {sample} --out {tmp}/d --nfe 0", "--nfe 0 is out of range"),
    ("sample {sample} --out {tmp}/d --device nonsense", "device 'nonsense'"),
    ("sample {sample} --out {tmp}/d --dtype float16", "invalid choice: 'float16'"),
    ("reproduce --experiments {tmp}", "there are no experiments"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_is_answered_with_one_sentence(run, tmp_path, line, sentence):
    """Exit code 2, nothing on stdout, and one line on stderr that names what is wrong."""
    (tmp_path / "file").touch()
    (tmp_path / "x.png").mkdir()
    places = {
        "tmp": tmp_path,
        "curve": "--process vp --law ring --schemes ddim --grid uniform --nfe 5",
        "transfer": "--process vp --schemes ddim --grid uniform --nfe 5",
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
    """No line of words makes a traceback: it is run, or refused in one sentence."""
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
    """The sentence names the library that is missing and the extra that brings it."""
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run(*line.format(tmp=tmp_path).split())
    assert (code, out) == (2, "")
    assert sentence in err
    assert "pip install 'numtoolkit[" in err


@pytest.mark.parametrize(("failure", "code"), [(KeyboardInterrupt, 130), (MemoryError, 2)])
def test_interruption_and_lack_of_memory_are_reported(run, monkeypatch, failure, code):
    """Ctrl-C exits with 130, as shells expect, and lack of memory with 2; neither with a traceback."""

    def fail(arguments):
        raise failure

    monkeypatch.setitem(COMMANDS, "list", replace(COMMANDS["list"], run=fail))
    found, out, err = run("list")
    assert (found, out) == (code, "")
    assert re.fullmatch(r"numtoolkit: [^\n]+\.\n", err)


def test_results_alone_go_to_stdout_of_a_process(tmp_path):
    """stdout can be piped into a JSON reader: remarks go to stderr, and no progress bar into a log."""
    done = fresh(*CURVE, "--schemes", "ddim", "--nfe", "5", "--out", tmp_path / "x.csv", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)[0]["scheme"] == "ddim"
    assert done.stderr == f"wrote {tmp_path / 'x.csv'}\n"  # no progress bar where stderr is no terminal


def test_bad_input_of_a_process_leaves_no_traceback():
    """What holds for `main` holds for `python -m numtoolkit`."""
    done = fresh("show", "res-2s(c2=0)")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "numtoolkit: res-2s: c2 = 0 is out of range; it must satisfy 0 < c2 <= 1.\n"


def test_a_reader_that_leaves_early_ends_the_command_in_silence():
    """A closed pipe, as of `| head`, ends with 141 and not a word, as other tools do."""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "numtoolkit", "list", "--json"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_lists_of_numbers_take_ranges_and_keep_their_order():
    """Spans count both ends, spaces do not matter, and a number given twice counts once."""
    assert numbers("0-3", "--seeds") == [0, 1, 2, 3]
    assert numbers(" 5, 1-2 ,5", "--seeds") == [5, 1, 2]
    assert scheme("ddim").name == "ddim"


@pytest.mark.parametrize("columns", [60, 80, 100, 200])
def test_pages_are_laid_out_for_the_width_of_the_terminal(run, monkeypatch, columns):
    """No line of a page is longer than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, run("show", "krogstad-4")[1].split("\n"))) <= columns
