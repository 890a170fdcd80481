"""Whatever stands after an option, a command answers, or says one sentence and exits with 2, without a traceback."""

from __future__ import annotations

import argparse
import hashlib
import io
import json

import numpy as np
import pytest
import torch

from numtoolkit.cli import main
from numtoolkit.cli.command_line import parser

pytestmark = pytest.mark.check

WORDS = (
    *(
        "",
        " ",
        "(",
        "a(b=",
        "ddim)",
        "nope",
        "nan",
        "inf",
        "1e400",
        "-1",
        "0",
        "2.5",
        "10" * 30,
        "é",
        "\n",
        "\x07",
        "a" * 5000,
        "a" * 300 + ".png",
    ),
    *(
        ",",
        ",,",
        "1,",
        "a,a",
        "5,5",
        "9-3",
        "0-",
        "-",
        "--",
        "..",
        ".",
        "/",
        "/dev/null",
        "absent/file.json",
        "absent.npz",
    ),
    *("empty.json", "empty.npz", "junk.json", "junk.npz", "list.json", "scalar.npz", "empty.toml", "folder"),
    *(
        "mine.py:NAME",
        "mine.py:",
        ":NAME",
        "json:loads",
        "ddim(",
        "ddim(x=1)",
        "res-2s(c2=0)",
        "mixture(dim=0)",
        "rho(-7)",
    ),
)
# A command line that is right, as positional words and options: each is replaced in turn.
_written = io.BytesIO()
torch.save({"ema": {"weight": torch.eye(2), "bias": torch.zeros(2)}}, _written)
WEIGHTS = _written.getvalue()  # of THEIRS
OF_OTHERS = {"--model": "theirs.py:net", "--import": None, "--shape": "2", "--convention": "data"} | {
    "--checkpoint": "net.pt", "--part": "ema", "--sha256": hashlib.sha256(WEIGHTS).hexdigest()
}  # fmt: skip
LINES: dict[str, tuple[tuple[str, ...], dict[str, str | None]]] = {
    "list": (("ddim",), {"--process": "edm", "--family": "exponential", "--order": "1"}),
    "show": (("ddim",), {"--nfe": "3", "--process": "edm", "--grid": "rho(7)", "--out": "kept.json"}),
    "verify": (("euler",), {"--import": None}),
    "stability": (("ddim",), {"--out": "kept.png", "--process": "edm"}),
    "stability --order-star": (("ddim",), {"--out": "kept.png", "--order-star": None}),
    "stability as a formula": (("ddim",), {}),
    "stability --kind": (
        ("ddim",),
        {"--out": "kept.png", "--process": "edm", "--kind": "run", "--grid": "rho(7)", "--nfe": "3,4"},
    ),
    "curve": (
        (),
        {"--process": "edm", "--law": "gaussian(dim=2)", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "3,5"}
        | {"--out": "kept.csv", "--seeds": "0-3", "--metric": "path"},
    ),
    "transfer": (
        (),
        {"--process": "edm", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "3", "--scales": "1,0.1"}
        | {"--spectrum": "gaussian(dim=4)", "--samples": "images.npz", "--out": "kept.csv"},
    ),
    "spectrum": (
        (),
        {"--law": "gaussian(dim=4)", "--rank": "2", "--save": "kept.npz", "--out": "kept.csv"},
    ),
    "spectrum --data": ((), {"--data": "own.npz", "--dct": None}),
    "spectrum --file": ((), {"--file": "spectrum.npz", "--rank": "1"}),
    "spectrum --model": (
        (),
        {"--model": "gaussian(dim=2)", "--process": "edm", "--scheme": "ddim", "--grid": "rho(7)", "--nfe": "3"}
        | {
            "--outputs": "4",
            "--keep": "kept.npz",
            "--shape": "2",
            "--dtype": "float64",
            "--device": "cpu",
            "--rank": "1",
        },
    ),
    "recommend": (
        (),
        {"--law": "gaussian(dim=2)", "--process": "edm", "--nfe": "3,4", "--dynamics": "ode", "--schemes": "ddim"}
        | {"--grids": "rho(7),spectral({spectrum})", "--metric": "path", "--seeds": "0-3", "--save": "kept.npz"}
        | {"--out": "kept.csv", "--by": "error"},
    ),
    "recommend --data": ((), {"--data": "own.npz", "--nfe": "3", "--schemes": "ddim", "--grids": "rho(7)"}),
    "recommend --outputs": ((), {"--outputs": "images.npz", "--nfe": "3", "--schemes": "ddim", "--grids": "rho(7)"}),
    "recommend --model": (
        (),
        {"--model": "gaussian(dim=2)", "--nfe": "3", "--schemes": "ddim", "--grids": "rho(7)", "--seeds": "0-3"}
        | {"--keep": "kept.npz", "--regret": None, "--shape": "2", "--dtype": "float64", "--device": "cpu"},
    ),
    "recommend --convention": (
        (),
        {"--process": "edm", "--schemes": "ddim", "--grids": "rho(7)", "--nfe": "3", "--seeds": "0-3"} | OF_OTHERS,
    ),
    "recommend --conditions": (
        (),
        {"--model": "told.py:NET", "--import": None, "--process": "edm", "--schemes": "ddim", "--grids": "rho(7)"}
        | {"--nfe": "3", "--conditions": ",".join(["3", "1"] * 32)},
    ),
    "defects": (
        (),
        {"--process": "edm", "--law": "mixture(dim=2)", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "2"}
        | {"--seeds": "0-1", "--out": "kept.csv"},
    ),
    "curve --model": (
        (),
        {"--process": "edm", "--model": "gaussian(dim=2)", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "3"}
        | {"--seeds": "0-3", "--shape": "2", "--dtype": "float64", "--device": "cpu", "--tile": "2"}
        | {"--tolerance": "1e-3"},
    ),
    "curve --model --conditions": (
        (),
        {"--process": "edm", "--model": "told.py:NET", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "3"}
        | {"--import": None, "--conditions": "3,1"},
    ),
    "sample": (
        (),
        {"--law": "gaussian(dim=2)", "--scheme": "ddim", "--nfe": "3", "--seeds": "0-3", "--out": "samples"}
        | {
            "--process": "edm",
            "--grid": "rho(7)",
            "--dtype": "float32",
            "--device": "cpu",
            "--batch": "2",
            "--denoise": None,
            "--shard": "1/2",
        },
    ),
    "sample --pictures": (
        (),
        {"--law": "digits(count=3)", "--scheme": "ddim", "--nfe": "2", "--seeds": "0-3", "--out": "drawn"}
        | {"--process": "edm", "--pictures": "npz"},
    ),
    "sample --labels": (
        (),
        {"--model": "told.py:NET", "--scheme": "ddim", "--nfe": "2", "--seeds": "0-3", "--out": "told"}
        | {"--import": None, "--process": "edm", "--labels": "random(3)"},
    ),
    "distance": (
        ("gaussian(dim=4)", "moments.npz"),
        {"--features": "pixels", "--moments": "kept.npz"},
    ),
    "sample --adaptive": (
        (),
        {"--law": "gaussian(dim=2)", "--scheme": "res-2s", "--seeds": "0-3", "--out": "found", "--adaptive": "0.1"}
        | {"--nfe": "8", "--process": "edm", "--grid": "rho(7)"},
    ),
    "sample --model": (
        (),
        {
            "--model": "gaussian(dim=2)",
            "--shape": "2",
            "--scheme": "ddim",
            "--nfe": "3",
            "--seeds": "0",
            "--out": "kept",
        },
    ),
    "fit": (
        (),
        {"--scheme": "iia-ddim", "--law": "gaussian(dim=2)", "--nfe": "3", "--process": "edm", "--grid": "rho(7)"}
        | {"--out": "kept.json", "--batch": "5", "--substeps": "2", "--ridge": "0", "--cut": "1e-4"},
    ),
    "fit --search": (
        (),
        {"--scheme": "res-2s", "--law": "gaussian(dim=2)", "--nfe": "4", "--process": "edm", "--grid": "rho(7)"}
        | {"--search": "c2", "--low": "0.3", "--high": "1", "--metric": "path"},
    ),
    "fit --model": (
        (),
        {"--scheme": "iia-ddim", "--model": "gaussian(dim=2)", "--nfe": "3", "--process": "edm", "--grid": "rho(7)"}
        | {"--batch": "5", "--substeps": "2", "--shape": "2", "--dtype": "float64", "--device": "cpu", "--tile": "2"},
    ),
    "fit --model --conditions": (
        (),
        {"--scheme": "iia-ddim", "--model": "told.py:NET", "--nfe": "3", "--process": "edm", "--grid": "rho(7)"}
        | {"--import": None, "--batch": "5", "--substeps": "2", "--dtype": "float64", "--conditions": "3,1,4,1,5"},
    ),
    "curve --convention": (
        (),
        {"--process": "edm", "--schemes": "ddim", "--grid": "rho(7)", "--nfe": "3", "--seeds": "0-3"} | OF_OTHERS,
    ),
    "sample --convention": (
        (),
        {"--process": "edm", "--scheme": "ddim", "--grid": "rho(7)", "--nfe": "3", "--seeds": "0-3", "--out": "theirs"}
        | OF_OTHERS,
    ),
    "fit --convention": (
        (),
        {"--process": "edm", "--scheme": "iia-ddim", "--grid": "rho(7)", "--nfe": "3", "--batch": "5"}
        | {"--substeps": "2"}
        | OF_OTHERS,
    ),
    "spectrum --convention": (
        (),
        {"--process": "edm", "--scheme": "ddim", "--grid": "rho(7)", "--nfe": "3", "--outputs": "4"} | OF_OTHERS,
    ),
    "spectrum --conditions": (
        (),
        {"--model": "told.py:NET", "--import": None, "--process": "edm", "--scheme": "ddim", "--grid": "rho(7)"}
        | {"--nfe": "3", "--outputs": "4", "--conditions": "3,1,4,1"},
    ),
    "fit --model --search": (
        (),
        {"--scheme": "res-2s", "--model": "gaussian(dim=2)", "--nfe": "4", "--process": "edm", "--grid": "rho(7)"}
        | {"--search": "c2", "--low": "0.3", "--high": "1", "--tolerance": "1e-3"},
    ),
    "train": (("own.toml",), {"--out": "kept.safetensors", "--steps": "2", "--minutes": "9", "--device": "cpu"}),
    "conditions": (("euler",), {"--order": "2", "--kind": "classical", "--open": None}),
    "derive": (
        ("exponential-rk(stages=2)",),
        {"--order": "2", "--kind": "stiff_strong", "--branch": "1", "--set": "c2=1/3", "--out": "kept.json"},
    ),
    "reproduce": (
        (),
        {
            "--quick": None,
            "--pdf": None,
            "--experiments": "own",
            "--out": "results",
            "--workers": "1",
            "--shard": "1/1",
        },
    ),
    "reproduce --check": (
        (),
        {"--quick": None, "--experiments": "own", "--out": "kept", "--check": "1", "--seed": "0"},
    ),
}
# What changes the checkout, or what a value cannot spoil.
APART = {("list", "--refresh"), ("verify", "--all"), ("sample", "--image"), ("curve", "--samples"), ("show", "--latex")}
APART |= {("conditions", "--latex"), ("conditions", "--python"), ("derive", "--latex")}
APART |= {("train", "--resume")}  # what goes on is tested in tests/training
APART |= {("reproduce", "--from-nothing"), ("reproduce", "--prune")}
APART |= {("reproduce", "--cluster")}  # a good one needs a cluster: tests/reproduce/test_workers.py
OWN = """
kind = "curve"
title = "Own"
process = "edm"
law = "gaussian(dim=2)"
grid = "rho(7)"
schemes = ["ddim"]
nfe = [3]
"""
TOLD = """
from numtoolkit import Network
NET = Network(lambda z, t, label: 0.1 * z + label[:, None], "data", shape=(2,))
"""
THEIRS = """
import torch
class Net(torch.nn.Linear):
    def forward(self, x, t):
        return super().forward(x) / (1 + torch.as_tensor(t).reshape(-1, 1) ** 2)
def net():
    return Net(2, 2)
"""
RECIPE = """
data = "own.npz"
process = "edm"
predicts = "data"
architecture = "mlp"
width = 16
depth = 1
steps = 2
"""
CASES = [  # `reproduce` computes all anew for each word that names a new folder
    pytest.param(name, option, marks=[pytest.mark.long] * (name.startswith("reproduce") and option == "--out"))
    for name, (words, options) in LINES.items()
    for option in [*(["SCHEME"] if words else []), *(option for option, value in options.items() if value is not None)]
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with files that are empty, junk, or hold something else."""
    monkeypatch.chdir(tmp_path)
    for name in ("empty.json", "empty.npz", "empty.toml"):
        (tmp_path / name).touch()
    for name in ("junk.json", "junk.npz"):
        (tmp_path / name).write_bytes(bytes(range(256)))
    (tmp_path / "list.json").write_text(json.dumps([1, 2]), encoding="utf-8")
    np.savez(tmp_path / "scalar.npz", x=1.0)
    np.savez(tmp_path / "images.npz", images=np.random.default_rng(0).normal(size=(5, 4)))
    np.savez(tmp_path / "spectrum.npz", mean=0.0, values=[1.0, 0.1], multiplicity=[1, 2])
    np.savez(tmp_path / "moments.npz", mu=np.zeros(4), sigma=np.eye(4))
    (tmp_path / "told.py").write_text(TOLD, encoding="utf-8")
    (tmp_path / "theirs.py").write_text(THEIRS, encoding="utf-8")
    (tmp_path / "net.pt").write_bytes(WEIGHTS)
    np.savez(tmp_path / "own.npz", images=np.eye(16, 2, dtype=np.float32))
    (tmp_path / "own.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.toml").write_text(OWN, encoding="utf-8")
    return tmp_path


def line(name: str, changed: str = "", word: str = "") -> list[str]:
    """The words of a command line, with one of them changed."""
    words, options = LINES[name]
    given = [word if changed == "SCHEME" else own for own in words]
    for option, value in options.items():
        given += [option] if value is None else [f"{option}={word}" if option == changed else f"{option}={value}"]
    return [name.partition(" ")[0], *given]


def fault(code: int, err: str) -> str:
    """What is wrong with an exit code and what stands on stderr; "" where nothing is."""
    if code == 0:
        return ""
    said = [own for own in err.splitlines() if own.startswith("numtoolkit: ")]
    if code != 2 or "Traceback" in err or len(said) != 1:
        return f"exit {code}: {err[-300:]!r}"
    return "" if said[0].endswith((".", "?", ".)")) and len(said[0]) < 2200 else f"no sentence: {said[0][-300:]!r}"


def test_every_option_is_tried():
    """What a command takes stands in the table, or apart with a reason."""
    top = next(a for a in parser()._actions if isinstance(a, argparse._SubParsersAction))
    missing = []
    for command, reader in top.choices.items():
        tried = {o for name, (_, options) in LINES.items() if name.partition(" ")[0] == command for o in options}
        for action in reader._actions:
            for option in action.option_strings[-1:]:
                if option not in {*tried, "--help", "--json", "--import"} and (command, option) not in APART:
                    missing.append(f"{command} {option}")
    assert missing == []


@pytest.mark.parametrize("name", LINES)
def test_the_line_that_is_spoilt_is_right_before(name, folder, capsys):
    """Every good line exits with 0, so that what is refused is refused for the word put in."""
    assert main(line(name)) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("name", "option"), CASES)
def test_a_bad_word_meets_one_sentence(name, option, folder, capsys):
    """Empty, misspelt, out of range, a file that is none: exit code 0 or 2, and one sentence on stderr."""
    faults = []
    for word in WORDS:
        try:
            code = main(line(name, option, word))
        except BaseException as error:
            code, found = 70, f"{type(error).__name__}: {error}"
        else:
            found = ""
        wrong = fault(code, capsys.readouterr().err + found)
        if wrong:
            faults.append(f"{option}={word[:60]!r}: {wrong}")
    assert faults == []
