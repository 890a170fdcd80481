"""What README tells a reader to write runs, and says of itself what is so."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from contextlib import suppress
from typing import Any

import pytest

from numtoolkit.cli import COMMANDS, main
from numtoolkit.training.recipe import recipe_of
from tests.support.checkout import PACKAGE, ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
FILE = re.compile(r"# (\w+\.py)\n")  # the first line of a block that is one
SAID = re.compile(r"^(\S.*?)  # (True\b|False\b|\d+\b|<[^>]*>)", re.MULTILINE)  # what a line is, as its comment has it


def paste(text: str, names: dict[str, Any]) -> None:
    """Python of a page, and what its comments say of lines that have a value."""
    exec(text, names)
    for line, said in SAID.findall(text):
        with suppress(SyntaxError):  # of lines without one
            value = eval(compile(line, "page", "eval"), names)
            assert (repr if said.startswith("<") else str)(value) == said, line


def blocks(page: str, *kinds: str) -> list[tuple[str, str]]:
    """Kind and text of each block; what needs hours, several machines or other software is of the kind console."""
    found = re.findall(r"```(\w+)\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    return [(kind, block) for kind, block in found if kind in kinds]


def test_the_python_of_the_readme_runs():
    """Block after block, as a reader would paste them."""
    pytest.importorskip("torch")
    names: dict[str, Any] = {}
    for _, block in blocks("README.md", "python"):
        paste(block, names)
    assert tuple(names["result"].samples.shape) == (16, 3, 8, 8)


@pytest.mark.check
def test_the_first_steps_of_the_readme_are_taken(tmp_path, monkeypatch, capsys):
    """Each command ends as it says; experiments and their results are those of the checkout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    shutil.copytree(ROOT / "figures" / "cells", tmp_path / "figures" / "cells")
    ((_, steps),) = ((kind, block) for kind, block in blocks("README.md", "sh") if "numtoolkit list" in block)
    for line in steps.splitlines()[1:]:
        words = shlex.split(line, comments=True)
        status = 1 if "exit status 1" in line else 0
        assert main(words[1:]) == status, f"{line}: {capsys.readouterr().err}"
    assert {path.name for path in tmp_path.iterdir()} >= {"stability.png", "samples", "iia.json"}


@pytest.mark.check
@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_docs_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    """Files, Python and commands in turn, as a reader would paste them, in an empty folder with a cache of its own."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NUMTOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, Any] = {}
    for kind, block in blocks(page, "python", "sh"):
        file = FILE.match(block)
        if file:
            (tmp_path / file[1]).write_text(block, encoding="utf-8")
            monkeypatch.delitem(sys.modules, file[1].removesuffix(".py"), raising=False)
        elif kind == "python":
            paste(block, names)
        for line in block.splitlines() if kind == "sh" else ():
            words = shlex.split(line, comments=True)
            assert words[0] == "numtoolkit"
            assert main(words[1:]) == 0, f"{line}: {capsys.readouterr().err}"


@pytest.mark.check
def test_the_commands_of_many_samples_run(tmp_path, monkeypatch, capsys):
    """Both shards and the distance, of fewer seeds than a reader would take; its row of samples is of all of them."""
    monkeypatch.chdir(tmp_path)
    ((_, text),) = blocks("docs/many-samples.md", "console")
    assert [line.split()[1] for line in text.splitlines()] == ["sample", "sample", "distance"]
    for line in text.splitlines():
        fewer = line.replace("0-1999", "0-399").removeprefix("numtoolkit ")
        assert main([*shlex.split(fewer), "--json"]) == 0, f"{line}: {capsys.readouterr().err}"
    rows = json.loads(capsys.readouterr().out.partition("\n}\n")[2].partition("\n}\n")[2])
    hidden = recipe_of("digits-image").width
    assert [(row["dimension"], row["n"]) for row in rows] == [(64, 400), (16, 400), (hidden, 400)]
    assert len(list((tmp_path / "many" / "pictures").glob("*.png"))) == 400


def test_the_recipe_of_the_page_on_training_is_one(tmp_path):
    """Every key and value of it is read, and those that it leaves out have defaults."""
    ((_, text),) = blocks("docs/training.md", "toml")
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    recipe = recipe_of(str(tmp_path / "own.toml"))
    assert (recipe.process, recipe.architecture, recipe.labels, recipe.skip) == ("psld", "unet", True, "gaussian")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *PAGES])
def test_a_page_names_commands_files_and_targets_that_are_there(page):
    """Each `numtoolkit COMMAND`, path in back quotes, link and `make TARGET` of a page exists."""
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = set(re.findall(r"^numtoolkit (\w+)", text, re.MULTILINE))
    assert commands <= set(COMMANDS)
    paths = set(re.findall(r"`((?:\w+/)+\w*(?:\.\w+)?)`|`(\w+\.(?:md|cff))`", text))
    named = {a or b for a, b in paths if not (a or b).startswith("figures")}
    assert [path for path in named if not ((ROOT / path).exists() or (PACKAGE / path).exists())] == []
    links = re.findall(r"\]\((?!https?:)([^)#]+)|(?:href|src)=\"(?!https?:)([^\"#]+)", text)
    assert [a or b for a, b in links if not ((ROOT / page).parent / (a or b)).exists()] == []
    targets = re.search(r"\.PHONY: (.*)", (ROOT / "Makefile").read_text(encoding="utf-8"))[1].split()
    assert set(re.findall(r"(?:^|`)make ([\w-]+)", text, re.MULTILINE)) <= set(targets)


def test_every_room_of_the_package_stands_in_the_readme():
    """The table of rooms names each folder, so that a new one is not forgotten."""
    table = README.partition("## How it is built")[2]
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(re.findall(r"`(\w+)/`", table))
