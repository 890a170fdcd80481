"""Training and judging by name, as from the front door."""

from __future__ import annotations

import subprocess
import sys

import pytest

from numtoolkit import InputError, Network, judge, train
from numtoolkit.training.data import data_of
from numtoolkit.training.judge import judge as judged
from tests.support.checkout import ROOT


def test_train_takes_a_recipe_by_file_and_its_number_of_steps(tmp_path, tiny):
    """As the command does: the same checkpoint as of the recipe, and what is shown on the way."""
    fields = ("data", "process", "predicts", "architecture", "width", "depth", "steps", "batch", "warmup", "ema")
    text = "\n".join(f"{name} = {getattr(tiny, name)!r}" for name in fields)
    (tmp_path / "own.toml").write_text(f"{text}\nlabels = true\ndropout = 0.1\nlevels = [-1.0, 1.0]\n")
    shown = []
    found = train(str(tmp_path / "own.toml"), tmp_path / "a.safetensors", 3, show=lambda step, mean: shown.append(step))
    assert shown == [3]
    assert Network.load(found.path).shape == (2,)
    again = train(tiny, tmp_path / "b.safetensors", steps=3)
    assert again.path.read_bytes() == found.path.read_bytes()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe": "digits-imag"}, "unknown recipe 'digits-imag'; did you mean digits-image"),
        ({"out": "net.pt"}, "out = 'net.pt' is no .safetensors file"),
        ({"steps": 0}, "steps = 0 is no whole number from 1"),
        ({"show": 3}, "show is an int; give a function of the step and the mean loss"),
        ({"device": "tpux"}, "device = 'tpux' cannot be used"),
        ({"resume": 1}, "resume = 1 is neither True nor False"),
    ],
)
def test_what_nothing_can_be_trained_by_is_one_sentence(tmp_path, given, said):
    """Before anything is read or written."""
    good = {"recipe": "digits-image", "out": tmp_path / "net.safetensors", "steps": 1}
    with pytest.raises(InputError, match=said):
        train(**good | given)
    assert [*tmp_path.iterdir()] == []


def test_judge_takes_names():
    """Of a network and of data, for the objects that they stand for."""
    assert judge("network:digits-image", "digits", 1) == judged(Network.shipped("digits-image"), data_of("digits"), 1)
    with pytest.raises(InputError, match="unknown data 'digit'"):
        judge("network:digits-image", "digit")


def test_train_and_judge_are_there_without_torch():
    """Their names load no torch; asked to train without it, one sentence says what to install."""
    code = (
        "import sys; sys.modules['torch'] = None; import numtoolkit; numtoolkit.judge\n"
        "try: numtoolkit.train('digits-image', 'x.safetensors')\n"
        "except numtoolkit.InputError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "training needs torch; pip install 'numtoolkit[torch]'.\n", run.stderr
