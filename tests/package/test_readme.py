"""What README tells a reader to write runs, and says of itself what is so."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

import numtoolkit
from numtoolkit.cli import COMMANDS, main
from numtoolkit.training.recipe import recipe_of
from tests.support.checkout import PACKAGE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The working folder of a reader, with the file that a block says is `mine.py`."""
    monkeypatch.chdir(tmp_path)
    (block,) = (block for block in BLOCKS if block.startswith("# mine.py\n"))
    (tmp_path / "mine.py").write_text(block, encoding="utf-8")


def test_the_python_of_the_readme_runs(mine):
    """Block after block, as a reader would paste them; the network is one that predicts nothing, on the CPU."""
    pytest.importorskip("torch")
    names = {"model": lambda z, t: 0 * z}
    for block in BLOCKS:
        exec(block.replace('device="cuda"', 'device="cpu"'), names)
    assert tuple(names["result"].samples.shape) == (16, 3, 32, 32)
    proved = {scheme: names["verify"](names[scheme]).verdict for scheme in ("RES_2S", "HEUN_3")}
    assert proved == {"RES_2S": "proved", "HEUN_3": "proved"}
    assert names["verify"](names["replace"](names["HEUN_3"], clock=names["CUBE_ROOT"])).derived["classical"] == 3


def test_the_commands_on_a_file_of_ones_own_run(mine, capsys):
    """Each command of the README that names `mine.py`, in a folder that holds it."""
    lines = re.findall(r"^numtoolkit .*mine\.py:.*$", README, re.MULTILINE)
    assert {line.split()[1] for line in lines} == {"verify", "list", "curve", "sample"}
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, f"{line}: {capsys.readouterr().err}"


@pytest.mark.check
def test_the_commands_of_many_samples_run(tmp_path, monkeypatch, capsys):
    """Both shards and the distance, of fewer seeds than a reader would take; its row of samples is of all of them."""
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^numtoolkit .*\bmany\b.*$", README, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["sample", "sample", "distance"]
    for line in lines:
        fewer = line.replace("0-1999", "0-399").removeprefix("numtoolkit ")
        assert main([*shlex.split(fewer), "--json"]) == 0, f"{line}: {capsys.readouterr().err}"
    rows = json.loads(capsys.readouterr().out.partition("\n}\n")[2].partition("\n}\n")[2])
    hidden = recipe_of("digits-image").width
    assert [(row["dimension"], row["n"]) for row in rows] == [(64, 400), (16, 400), (hidden, 400)]
    assert len(list((tmp_path / "many" / "pictures").glob("*.png"))) == 400


@pytest.mark.check
def test_the_commands_that_derive_a_scheme_and_use_it_run(tmp_path, monkeypatch, capsys):
    """From family to file, verdict, curve, picture and samples, each command in turn, as a reader would paste them."""
    monkeypatch.chdir(tmp_path)
    lines = re.findall(r"^numtoolkit .*mine\.json.*$", README, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["derive", "verify", "curve", "stability", "sample"]
    for line in lines:
        assert main(shlex.split(line)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
    assert {path.name for path in tmp_path.iterdir()} >= {"mine.json", "stable.png", "drawn"}


def test_what_the_readme_prints_of_a_verdict_is_what_it_prints():
    """A comment behind `verify(RES_2S)` is its face, and that behind the verdict on a derived scheme."""
    names: dict = {}
    exec(next(block for block in BLOCKS if "RES_2S" in block), names)
    assert f"verify(RES_2S)  # {names['verify'](names['RES_2S'])!r}\n" in README
    names["nt"] = numtoolkit
    exec(next(block for block in BLOCKS if "write_scheme" in block).partition("nt.local_error")[0], names)
    assert f"nt.verify(path)  # {names['verify'](names['path'])!r}\n" in README


def test_the_recipe_of_the_readme_is_one(tmp_path):
    """Every key and value of it is read, and those that it leaves out have defaults."""
    from numtoolkit.training.recipe import recipe_of

    (text,) = (block for block in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "architecture" in block)
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    recipe = recipe_of(str(tmp_path / "own.toml"))
    assert (recipe.process, recipe.architecture, recipe.labels, recipe.skip) == ("psld", "unet", True, "gaussian")


@pytest.mark.check
@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_docs_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    """Files, Python and commands in turn, as a reader would paste them, in an empty folder with a cache of its own."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    names: dict = {}
    for kind, block in re.findall(r"```(python|sh)\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL):
        file = re.match(r"# (\w+\.py)\n", block)
        if file:
            (tmp_path / file[1]).write_text(block, encoding="utf-8")
            monkeypatch.delitem(sys.modules, file[1].removesuffix(".py"), raising=False)
        elif kind == "python":
            exec(block, names)
        for line in block.splitlines() if kind == "sh" else ():
            assert main(shlex.split(line)[1:]) == 0, f"{line}: {capsys.readouterr().err}"
    for line in re.findall(r"^(.+?)  # (True|False|\d+)\b", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE):
        assert str(eval(line[0], names)) == line[1], line


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_a_page_names_commands_files_and_targets_that_are_there(page):
    """Each `numtoolkit COMMAND`, path in back quotes and `make TARGET` of a page exists."""
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = set(re.findall(r"^numtoolkit (\w+)", text, re.MULTILINE))
    assert commands <= set(COMMANDS)
    paths = set(re.findall(r"`((?:\w+/)+\w*(?:\.\w+)?)`|`(\w+\.(?:md|cff))`", text))
    named = {a or b for a, b in paths if not (a or b).startswith("figures")}
    assert [path for path in named if not ((ROOT / path).exists() or (PACKAGE / path).exists())] == []
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))[1].split()
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= set(targets)


def test_every_room_of_the_package_stands_in_the_readme():
    """The table of rooms names each folder, so that a new one is not forgotten."""
    table = README.partition("## How it is built")[2]
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(re.findall(r"`(\w+)/`", table))
