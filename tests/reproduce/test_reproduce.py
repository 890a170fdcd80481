"""The main job: strict experiments, results that repeat to the byte, and nothing lost on the way."""

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

from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.storage import plain, read_json
from numtoolkit.laws import law_of
from numtoolkit.measure import error_curve
from numtoolkit.measure.planes import Plane
from numtoolkit.measure.stability import stability
from numtoolkit.measure.step_defects import step_defects
from numtoolkit.plots import boundary
from numtoolkit.problem.processes import EDM, PSLD, VP
from numtoolkit.reproduce.job import Progress, reproduce
from numtoolkit.reproduce.kinds import Curve, Errors, Panel, Samples, Stability
from numtoolkit.reproduce.peers import Peers
from numtoolkit.reproduce.reading import read_experiments
from numtoolkit.reproduce.work import WORK, Work, compute, drawn_defects, drawn_stability, rounded
from numtoolkit.sampling.runner import sample
from numtoolkit.sampling.state import origin
from numtoolkit.schemes import catalogue, scheme
from tests.support.checkout import ROOT
from tests.support.shipped import shipped

pytest.importorskip("matplotlib")

SHIPPED = ROOT / "experiments"
LONGEST = {path.stem for path in SHIPPED.glob("errors-network-patches-*.toml")}  # whole UNets: minutes, even shortened
CURVE = """
kind = "curve"
title = "Which falls faster?"
process = "edm"
law = "gaussian"
grid = "rho(7)"
schemes = ["euler", "res-2s"]
nfe = [6, 10]
"""
STABILITY = """
kind = "stability"
title = "Where?"
schemes = ["euler"]
linear = [0]
"""
ERRORS = """
kind = "errors"
title = "How large?"
process = "psld"
law = "gaussian"
grid = "quadratic"
nfe = [12]
"""
DEFECTS = """
kind = "defects"
title = "Where are errors made?"
process = "edm"
laws = ["gaussian", "ring"]
schemes = ["ddim", "dpmpp-2m"]
grid = "rho(7)"
nfe = 2
"""
SAMPLES = """
kind = "samples"
title = "Which is clean?"
process = "vp"
law = "digits(count=20)"
nfe = [6]
count = 16
exact = true
panels = [{ scheme = "unipc(2)", grid = "log-snr" }, { scheme = "heun-edm", grid = "uniform" }]
"""


NINE = '["euler", "ddim", "res-2s", "res-2m", "dpmpp-2m", "dpmpp-2s", "heun-edm", "unipc", "etd3rk"]'
FEW = CURVE.replace("gaussian", "ring").replace("res-2s", "em")
NOWHERE = (
    CURVE.replace("edm", "psld").replace("rho(7)", "quadratic(zero=1)").replace('"euler", "res-2s"', '"gframe-ab"')
)


def folder_of(path: Path, **texts: str) -> Path:
    path.mkdir()
    for name, text in texts.items():
        (path / f"{name}.toml").write_text(text)
    return path


def contents(path: Path) -> dict[str, bytes]:
    """The bytes of every file in a folder and those in it."""
    return {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "experiments", a=CURVE, b=STABILITY, c=SAMPLES)


def test_two_runs_in_two_processes_write_the_same_bytes(small: Path, tmp_path: Path) -> None:
    """Every picture and record, under two hash seeds and settings of matplotlib: what is committed can be compared."""
    program = "import sys; from pathlib import Path; from numtoolkit.reproduce.job import reproduce; "
    program += "reproduce(Path(sys.argv[1]), Path(sys.argv[2]))"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "matplotlibrc").write_text("savefig.dpi: 51\nlines.dash_capstyle: round\n")
    seed = int(os.environ.get("PYTHONHASHSEED", "random").replace("random", "0")) + 1  # another than that of this one
    environment = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(tmp_path / "home")}
    words = [sys.executable, "-c", program, str(small), str(tmp_path / "two")]
    subprocess.run(words, check=True, env=os.environ | environment)
    reproduce(small, tmp_path / "one")
    one, two = (contents(tmp_path / out) for out in ("one", "two"))
    names = {f"{name}.{suffix}" for name in "abc" for suffix in ("png", "svg", "csv", "json")} | {"README.md"}
    assert {name for name in one if not name.startswith("cells")} == names
    assert len(one) == len(names) + 2 + 1 + 3  # a result a curve, a stable scheme, a panel
    assert one == two


def test_sidecars_say_what_was_done_and_found(small: Path, tmp_path: Path) -> None:
    """Command, experiment, versions and rounded numbers stand beside each picture, and the index shows it."""
    lines: list[str] = []
    written = reproduce(small, tmp_path / "out", progress=Progress(lines.append))
    assert lines == ["1/3 b", "2/3 a", "3/3 c"]  # by kind, then by name
    assert [path.name for path in written][-5:] == ["c.json", "c.png", "c.svg", "c.csv", "README.md"]
    curve = read_json(tmp_path / "out/a.json")
    assert curve["command"] == f"numtoolkit reproduce a --experiments {small}"
    assert curve["experiment"]["schemes"] == ["euler", "res-2s"]
    assert curve["data"] == rounded(curve["data"])
    assert curve["versions"]["numpy"] == np.__version__
    assert [(r["scheme"], r["nfe"]) for r in curve["data"]] == [(s, n) for s in ("euler", "res-2s") for n in (6, 10)]
    assert read_json(tmp_path / "out/b.json")["data"] == [{"scheme": "euler", "panel": "h L = 0", "real_interval": 2.0}]
    good, bad = read_json(tmp_path / "out/c.json")["data"]
    assert good["noise_left"] < 0.05 < bad["noise_left"]
    assert (good["astray"], bad["astray"]) == (2, 7)  # of 16: what the schemes do on this grid, not what they promise
    assert "![Which falls faster?](a.png)" in (tmp_path / "out/README.md").read_text()
    assert f"by `{curve['command']}`." in (tmp_path / "out/README.md").read_text()


def test_quick_runs_write_the_same_files_and_say_so(small: Path, tmp_path: Path) -> None:
    """`--quick` leaves out the long budgets, not the files, and is recorded as the command."""
    (small / "a.toml").write_text(CURVE.replace("[6, 10]", "[6, 30]"))
    reproduce(small, tmp_path / "quick", quick=True)
    reproduce(small, tmp_path / "full")
    assert {p.name for p in (tmp_path / "quick").iterdir()} == {p.name for p in (tmp_path / "full").iterdir()}
    quick = read_json(tmp_path / "quick/a.json")
    assert quick["command"] == f"numtoolkit reproduce a --experiments {small} --quick"
    assert {r["nfe"] for r in quick["data"]} == {6}


def test_a_quick_curve_keeps_its_smallest_budget_and_a_quarter_of_its_samples() -> None:
    """Where every budget is long one is left; of 200 samples 50 are."""
    law = law_of("gaussian(dim=2)")
    found = Curve("How fast?", "edm", "gaussian(dim=2)", ("ddim",), "rho(7)", (30, 40), samples=200).run(quick=True)
    assert found.data == rounded(error_curve(scheme("ddim"), EDM(), law, "rho(7)", [30], range(50)))


def test_images_are_drawn_as_they_were_sampled() -> None:
    """To half a grey level of the 255 between -1 and 1, and clipped to them."""
    found = Samples("Clean?", "vp", "digits(count=20)", (6,), (Panel("unipc(2)", "log-snr"),), count=8).run(quick=False)
    (ax,) = found.figure().axes
    starts = origin(VP(), 1.0, range(8), None, (8, 8), np.float64, None).blocks(range(8))
    drawn = sample("unipc(2)", "vp", "digits(count=20)", "log-snr", 6, seeds=range(8), start=starts[0]).samples
    shown = np.asarray(ax.images[0].get_array())
    for i, image in enumerate(drawn):
        tile = shown[:8, i * 10 : i * 10 + 8]
        np.testing.assert_allclose(tile, np.clip(image, -1, 1), rtol=0, atol=0.5 / 127.5 + 1e-12)


def test_what_is_drawn_of_stability_is_what_was_measured() -> None:
    """Longest steps, those without bound among them, to the digits of results; boundaries to four decimals."""
    steps = Stability("Where?", ("nse", "sscs"), process="psld")
    drawn = [line.get_xydata() for ax in steps.run(quick=True).figure().axes for line in ax.get_lines()]
    for line, name in zip(drawn, steps.schemes, strict=True):
        (limit,) = stability(name, PSLD(), 0.25, linear=(), size=100)
        np.testing.assert_allclose(line[:, 1], np.where(np.isfinite(limit.h), limit.h, np.nan), rtol=1e-5)
    assert np.isnan(drawn[1]).any(axis=1).all()  # SSCS has no bound
    rows = [row for cell in steps.cells(True, {}) for row in plain(compute(cell))]
    assert [bool(np.isinf(drawn_stability(row).h).all()) for row in rows] == [False, True]
    (ax,) = Stability("Where?", ("euler",), linear=(0.0,)).run(quick=True).figure().axes
    (wanted,) = boundary(stability("euler", linear=(0.0,), size=100)[0]).lines
    np.testing.assert_array_equal(ax.collections[0].get_paths()[0].vertices, wanted)


def test_what_is_drawn_of_a_plane_is_what_was_measured() -> None:
    """To the digits of results, what grows and what is left out among it; quick runs take fewer points and budgets."""
    asked = Stability("Which?", ("heun-edm-churn",), of="mean-square")
    ((row,),) = (plain(compute(cell)) for cell in asked.cells(True, {}))
    drawn, (wanted,) = drawn_stability(row), stability("heun-edm-churn", kind="mean-square", size=100)
    assert isinstance(drawn, Plane)
    assert isinstance(wanted, Plane)
    assert np.isinf(wanted.value).any()
    assert np.isnan(wanted.value).any()
    np.testing.assert_allclose(drawn.value, wanted.value, rtol=1e-5)
    np.testing.assert_allclose([*drawn.x, *drawn.y], [*wanted.x, *wanted.y], rtol=1e-5)
    assert row["reach at 1"] == pytest.approx(wanted.reach(1), rel=1e-5)
    runs = Stability("How many?", ("ddim",), process="edm", of="run", nfe=(5, 10, 50))
    (cell,) = runs.cells(True, {})
    assert cell.data["nfe"] == [5, 10]
    (cell,) = replace(runs, nfe=(50, 30, 40)).cells(True, {})
    assert cell.data["nfe"] == [30, 40]
    assert "nfe" not in asked.cells(True, {})[0].data


def test_what_is_drawn_of_defects_is_what_was_measured(tmp_path: Path) -> None:
    """A law after the other, a scheme after the other, to the digits that are kept; samples of what is no Gaussian."""
    (plan,) = read_experiments(folder_of(tmp_path / "experiments", a=DEFECTS + "samples = 3"))
    cells = plan.experiment.cells(False, {})
    found = {cell: plain(compute(cell)) for cell in cells}
    rows = plan.experiment.result(False, found).data
    assert [(row["law"].partition("(")[0], row["scheme"]) for row in rows] == [
        (law, name) for law in ("gaussian", "ring") for name in ("ddim", "dpmpp-2m")
    ]
    for cell, law, name in zip(cells, ["gaussian"] * 2 + ["ring"] * 2, ["ddim", "dpmpp-2m"] * 2, strict=True):
        seeds = None if law == "gaussian" else range(3)
        expected, own = step_defects(name, "edm", law, "rho(7)", 2, seeds=seeds), drawn_defects(cell, found[cell])
        for part in ("state", "noise", "deviation"):
            np.testing.assert_allclose(getattr(own, part), getattr(expected, part), rtol=1e-5)
        assert (own.law, own.program.scheme) == (expected.law, name)
    assert [cell.data["samples"] for cell in plan.experiment.cells(True, {})] == [3] * 4


def test_the_error_table_has_every_scheme_of_the_process(tmp_path: Path) -> None:
    """One row a scheme of the catalogue that runs on the process, as data and as Markdown."""
    reproduce(folder_of(tmp_path / "experiments", e=ERRORS), tmp_path / "out", quick=True)
    rows = read_json(tmp_path / "out/e.json")["data"]
    assert [row["scheme"].split("(")[0] for row in rows] == [s.name for s in catalogue() if "psld" in s.processes]
    assert "| `rse`" in (tmp_path / "out/e.md").read_text()


def test_a_failing_experiment_leaves_what_was_done_and_what_was_there(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of experiments before it are whole, those after it untouched, and a torn one is replaced."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "c.json").write_text("of an earlier run")
    (out / "a.json").write_text("torn by a crash {")

    def interrupted(**data: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(WORK, "pictures", Work(interrupted))
    with pytest.raises(KeyboardInterrupt):
        reproduce(small, out)
    assert (out / "c.json").read_text() == "of an earlier run"
    names = {f"{n}.{s}" for n in "ab" for s in ("png", "svg", "csv", "json")} | {"c.json", "README.md", "cells"}
    assert {p.name for p in out.iterdir()} == names
    json.loads((out / "a.json").read_text())
    assert re.findall(r"\((.)\.png\)", (out / "README.md").read_text()) == ["b", "a"]  # what there is so far


def test_an_unusable_folder_is_said_before_any_work(small: Path, tmp_path: Path) -> None:
    """The refusal comes first, not after hours of computing."""
    (tmp_path / "file").write_text("")
    lines: list[str] = []
    with pytest.raises(StorageError, match="cannot use the folder"):
        reproduce(small, tmp_path / "file/out", progress=Progress(lines.append))
    assert not lines


@pytest.mark.parametrize("make", [lambda p: p / "absent", lambda p: folder_of(p / "empty")])
def test_a_folder_without_experiments_is_named_with_the_remedy(make: object, tmp_path: Path) -> None:
    """The sentence says from where the command is run, and no folder is made."""
    folder = make(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=f"no experiments .*{folder.name}.*run from the root"):
        reproduce(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title = 'x'", "unknown kind ''"),
        ("kind = ['curve']", "unknown kind"),
        ("kind = 'curves'", "did you mean curve"),
        (CURVE + "scheme = 'euler'", "unknown key 'scheme'; did you mean schemes"),
        (CURVE.replace('law = "gaussian"', ""), "kind curve needs the key 'law'"),
        (CURVE.replace("[6, 10]", "10"), "nfe = 10 is no list"),
        (CURVE.replace("[6, 10]", "[6.5]"), "nfe = 6.5 is not a whole number"),
        (CURVE.replace("[6, 10]", "[true]"), "nfe = True is not a whole number"),
        (CURVE.replace('"edm"', "1"), "process = 1 is not a text"),
        (CURVE.replace("euler", "eular"), "unknown scheme 'eular'; did you mean euler"),
        (CURVE.replace("euler", "nse"), "nse is not defined on process 'edm'"),
        (CURVE.replace("gaussian", ""), "cannot read ''"),
        (CURVE.replace("edm", ""), "cannot read ''"),
        (CURVE.replace("rho(7)", ""), "cannot read ''"),
        (CURVE.replace("gaussian", "gausian"), "unknown law 'gausian'; did you mean gaussian"),
        (CURVE.replace("rho(7)", "rho(-1)"), "rho = -1"),
        (CURVE.replace("[6, 10]", "[0, 5]"), "nfe = .0, 5. holds no budgets"),
        (CURVE.replace("[6, 10]", "[1000000000]"), "nfe = 1000000000 is no whole number from 1 to 100000"),
        (CURVE.replace("[6, 10]", f"[{10**18}]"), f"nfe = {10**18} is no whole number"),
        (CURVE.replace("[6, 10]", f"[{10**30}]"), "cannot read .*x.toml|nfe = 1000"),
        (CURVE.replace("[6, 10]", "[6, 6]"), "nfe holds 6 twice"),
        (NOWHERE, "no scheme can spend any of nfe = .6, 10.: scheme gframe-ab.2. has no step to t = 0 on process psld"),
        (CURVE.replace('["euler", "res-2s"]', NINE), "9 curves of one panel cannot be read; give 1 to 8"),
        (CURVE.replace('["euler", "res-2s"]', '["euler", "euler"]'), "schemes holds euler twice"),
        (CURVE + "samples = -5", "samples = -5 is no whole number from 0 to"),
        (FEW + "samples = 19", "19 samples are too few for sliced-wasserstein of em; give 20"),
        (CURVE + "samples = 100000000", "samples = 100000000 is no whole number"),
        (CURVE + "show = []", "show is an empty list"),
        (CURVE + "slopes = [1, -1]", "slopes = -1 is no whole number from 0 to 20"),
        (CURVE.replace("Which falls faster?", ""), "title = '' is no line of 1 to 200 printable"),
        (CURVE.replace("Which falls faster?", "a\\u0000b"), "is no line of 1 to 200 printable"),
        (CURVE.replace("Which falls faster?", "a" * 201), "is no line of 1 to 200 printable"),
        (STABILITY.replace("[0]", "[1e308, nan]"), "linear = nan is no finite number"),
        (STABILITY.replace("[0]", "[1e308]"), "linear = 1e.308 is no finite number >= -100 and <= 100"),
        (STABILITY.replace("[0]", f"[{10**18}]"), "linear = 1000000000000000000 is not a number"),
        (STABILITY.replace("[0]", "[]"), "linear is an empty list"),
        (STABILITY.replace("[0]", str(list(range(9)))), "9 panels side by side cannot be read"),
        (STABILITY.replace('["euler"]', NINE), "9 curves of one panel cannot be read"),
        (STABILITY.replace("euler", "res-2m") + "process = 'vp'", "carries evaluations between steps"),
        (STABILITY + "variance = inf", "variance = inf is no finite number"),
        (STABILITY + "variance = 0", "variance = 0.0 is no finite number"),
        (STABILITY + "of = 'diffuse'", "unknown kind of stability 'diffuse'; did you mean diffusion"),
        (STABILITY + "of = 'mean-square'", "euler draws no noise"),
        (STABILITY + "of = 'run'\ngrid = 'ray'", "unknown grid 'ray'"),
        (STABILITY + "of = 'run'\nnfe = [8]", "nfe = .8,. spans no plane"),
        (STABILITY.replace("euler", "nse") + "of = 'run'\nprocess = 'edm'", "nse is not defined on process 'edm'"),
        (SAMPLES.replace("nfe = [6]", "nfe = [1000000]"), "nfe = 1000000 is no whole number from 1 to 100000"),
        (SAMPLES.replace("count = 16", "count = 8000"), "multiple of 8 up to 1024"),
        (SAMPLES.replace('"heun-edm", grid = "uniform"', '"unipc(2)", grid = "log-snr"'), "panels holds .* twice"),
        (SAMPLES[: SAMPLES.index("panels")] + "panels = []", "panels is an empty list"),
        (SAMPLES.replace("count = 16", "count = 15"), "multiple of 8"),
        (SAMPLES.replace("digits(count=20)", "gaussian"), "give a law of images"),
        (DEFECTS.replace("edm", "psld"), "dpmpp-2m is not defined on process 'psld'"),
        (DEFECTS.replace("dpmpp-2m", "em"), "em draws noise, and law ring.* has no transition in closed form"),
        (DEFECTS.replace('"ring"', '"gaussian"'), "laws holds gaussian twice"),
        (DEFECTS.replace('"gaussian", "ring"', ""), "laws is an empty list"),
        (DEFECTS + "samples = 0", "samples = 0 is no whole number from 1"),
        (DEFECTS.replace("nfe = 2", "nfe = 0"), "nfe = 0 is no whole number from 1"),
        (DEFECTS.replace("rho(7)", "rho(7, zero=1)"), "give a grid that falls and ends above time 0"),
        (DEFECTS.replace('["ddim", "dpmpp-2m"]', NINE), "9 curves of one panel cannot be read"),
        (ERRORS.replace('"quadratic"', '"quadratik"'), "unknown grid 'quadratik'; did you mean quadratic"),
        (ERRORS.replace("[12]", "[]"), "holds no budgets"),
        (CURVE + "show = ['mean']", "unknown quantity 'mean'"),
        (STABILITY.replace('["euler"]', "[]"), "there are no schemes"),
        (STABILITY + "variance = 'big'", "variance = 'big' is not a number"),
        (SAMPLES.replace("nfe = [6]", "nfe = [0]"), r"nfe = .0. holds no budgets"),
        (SAMPLES.replace('grid = "uniform"', 'gird = "uniform"'), "unknown key 'gird'; did you mean grid"),
        (SAMPLES + "\n[[panels]]", "cannot read"),
        ("kind = curve", "cannot read .*x.toml"),
        ("a = " + "[" * 5000, "cannot read .*x.toml"),
    ],
)
def test_bad_experiments_are_refused_in_one_sentence_that_names_the_file(tmp_path: Path, text: str, words: str) -> None:
    """All files are read before the first is run: nothing is written."""
    folder = folder_of(tmp_path / "bad", x=text, good=CURVE)
    with pytest.raises((InputError, StorageError), match=words) as caught:
        reproduce(folder, tmp_path / "out")
    assert "x.toml" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_titles_and_captions_are_words_and_open_neither_tag_nor_formula(tmp_path: Path) -> None:
    """A tag of HTML in either stays text in the index, a formula that is none stays text in the picture."""
    words = r"<script>alert(1)</script> [x] $\\frac{1$ <b?"
    texts = CURVE.replace("Which falls faster?", words) + f'caption = "{words}, h < 1"'
    reproduce(folder_of(tmp_path / "experiments", a=texts), tmp_path / "out", quick=True)
    page = (tmp_path / "out/README.md").read_text()
    assert "<" not in page.replace("h < 1", "")
    assert r"## &lt;script>alert(1)&lt;/script> [x] $\frac{1$ &lt;b?" in page
    assert r"![&lt;script>alert(1)&lt;/script> \[x\] $\frac{1$ &lt;b?](a.png)" in page
    assert "frac{1$" in (tmp_path / "out/a.svg").read_text()


def test_an_experiment_with_the_name_of_the_index_is_refused(tmp_path: Path) -> None:
    """Its table would be README.md, which the index replaces."""
    with pytest.raises(InputError, match="the name of the index"):
        read_experiments(folder_of(tmp_path / "bad", ReadMe=ERRORS))


def test_names_of_files_are_quoted_where_they_are_linked(tmp_path: Path) -> None:
    """A space or a bracket in one ends no link."""
    reproduce(folder_of(tmp_path / "experiments", **{"a b)": STABILITY}), tmp_path / "out", quick=True)
    assert "(a%20b%29.png)" in (tmp_path / "out/README.md").read_text()


def test_data_are_written_before_they_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that fails loses no number."""

    def failing(path: Path, figure: object) -> None:
        raise MemoryError

    monkeypatch.setattr("numtoolkit.reproduce.job.write_figure", failing)
    with pytest.raises(MemoryError):
        reproduce(folder_of(tmp_path / "experiments", a=CURVE), tmp_path / "out", quick=True)
    assert [row["nfe"] for row in read_json(tmp_path / "out/a.json")["data"]] == [6, 10, 6, 10]


def test_an_experiment_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a StorageError with the file's name."""
    folder = folder_of(tmp_path / "bad")
    (folder / "x.toml").write_bytes(b"\xff\xfe\x00kind")
    with pytest.raises(StorageError, match=r"cannot read .*x\.toml"):
        read_experiments(folder)


@pytest.mark.check
def test_the_shipped_experiments_cover_what_the_project_promises() -> None:
    """Every scheme meets a Gaussian; there are curves on data, samples and stability, all with question and caption."""
    plans = {plan.name: plan.experiment for plan in shipped()}
    tabled = {e.process for e in plans.values() if isinstance(e, Errors) and "anisotropic" in e.law}
    assert not [s.name for s in catalogue() if not tabled & set(s.processes)]  # every scheme meets a Gaussian
    curves = {(e.process, e.law.split("(")[0]) for e in plans.values() if isinstance(e, Curve)}
    assert {("vp", "digits"), ("psld", "digits"), ("edm", "mixture")} <= curves
    assert {e.process for e in plans.values() if isinstance(e, Samples)} == {"vp", "psld", "edm"}
    mapped = {(e.of, e.process) for e in plans.values() if isinstance(e, Stability)}
    assert {(of, on) for of in ("", "diffusion", "mean-square") for on in ("", "psld")} <= mapped
    assert {("run", on) for on in ("edm", "psld")} <= mapped
    assert all(e.title.endswith("?") and e.caption for e in plans.values())


def test_a_figure_has_a_panel_for_what_each_scheme_is_measured_by() -> None:
    """Law and path in phase space: eight schemes of the flow fill two panels, and noise adds a curve to one alone."""
    flow = ("heun", "ddim", "gddim(1)", "nse", "rse", "rvv", "cvv")
    of = {"process": "psld", "law": "gaussian", "grid": "quadratic", "nfe": (12,), "show": ("law", "path", "median")}
    question = Curve("t", schemes=(*flow, "em"), **of)
    assert [len(ax.get_legend().get_texts()) for ax in question.run(quick=True).figure().axes] == [8, 7, 7]
    with pytest.raises(InputError, match="9 curves of one panel"):
        Curve("t", schemes=(*flow, "em", "roba"), **of)
    Curve("t", schemes=(*flow, "em", "roba"), **of | {"show": ("median", "path")})  # of which noise has neither


@pytest.mark.check
def test_the_shipped_experiments_run(tmp_path: Path) -> None:
    """All but the longest, shortened, write their files; in the table of orders every scheme is as claimed.

    Peers run where their libraries are, tests/oracles.
    """
    names = {plan.name for plan in shipped() if not isinstance(plan.experiment, Peers)} - LONGEST
    written = reproduce(SHIPPED, tmp_path, sorted(names), quick=True, workers=2)
    assert {path.stem for path in written} == names | {"README"}
    orders = read_json(tmp_path / "orders.json")["data"]
    assert [row["scheme"].split("(")[0] for row in orders] == [s.name for s in catalogue()]
    assert all(row["ok"] for row in orders)


@pytest.mark.long
def test_the_longest_shipped_experiments_run(tmp_path: Path) -> None:
    """Those on convolutions, shortened, write their files."""
    written = reproduce(SHIPPED, tmp_path, sorted(LONGEST), quick=True, workers=2)
    assert {path.stem for path in written} == LONGEST | {"README"}
    assert LONGEST


def test_an_experiment_may_name_any_schedule_and_grid() -> None:
    """The specifications of the command line; a slip is found when it is read."""
    question = Curve("t", "sd", "gaussian", ("ddim",), "trailing(shift=3, zero=0)", (5, 10), samples=32)
    first, second = (row["error"] for row in question.run(quick=True).data)
    assert second < first
    with pytest.raises(InputError, match="did you mean trailing"):
        Curve("t", "sd", "gaussian", ("ddim",), "trailling", (5,))


def test_rounding_keeps_structure_and_six_digits() -> None:
    """Numbers are rounded wherever they stand, so that files repeat across machines; nothing else changes."""
    value = {"a": [1 / 3, 2, None, True, "x"], "b": {"c": 123456.789}}
    assert rounded(value) == {"a": [0.333333, 2, None, True, "x"], "b": {"c": 123457.0}}


def test_records_stand_beside_a_figure_as_csv_and_a_pdf_where_it_is_asked_for(small: Path, tmp_path: Path) -> None:
    """A line a record with the numbers of the JSON; figures of the index are what they are without a PDF."""
    out = tmp_path / "out"
    assert out / "a.pdf" in reproduce(small, out, ["a"], quick=True, pdf=True)
    assert (out / "a.pdf").read_bytes().startswith(b"%PDF")
    data = read_json(out / "a.json")["data"]
    lines = (out / "a.csv").read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("error")
    assert [float(line.split(",")[place]) for line in lines[1:]] == [record["error"] for record in data]
    assert read_json(out / "a.json")["files"] == ["a.png", "a.svg", "a.csv"]
    assert "[a.csv](a.csv)" in (out / "README.md").read_text(encoding="utf-8")
