"""The networks that ship are what their recipes make, and know more of their data than the covariance does."""

from __future__ import annotations

import re
from dataclasses import asdict
from functools import lru_cache

import numpy as np
import pytest

from numtoolkit import Network, error_curve, network_of, sample
from numtoolkit.cli import main
from numtoolkit.files.storage import plain
from numtoolkit.models.checkpoints import SHIPPED, read_checkpoint, shipped_path
from numtoolkit.training.data import data_of
from numtoolkit.training.judge import Judgement, judge
from numtoolkit.training.loop import train
from numtoolkit.training.recipe import recipe_of
from tests.support.checkout import ROOT

NAMES = sorted(path.name.removesuffix(".safetensors") for path in SHIPPED.glob("*.safetensors"))
MOST_BYTES = 8 << 20
read = lru_cache(data_of)  # once, and their covariance
DIGITS = read("digits")


def data_named(name):
    """The data of a network that ships."""
    return read(recipe_of(name).data)


def drawn(scheme, process, network, grid, nfe, count=200, **how):
    return sample(scheme, process, network, grid, nfe, seeds=range(count), progress=False, **how).samples.numpy()


def test_the_networks_that_ship_are_four_of_digits_and_two_of_patches_and_small():
    """In image space and in phase space with two outputs, and of digits told the class and the flow: 8 MiB at most."""
    assert NAMES == ["digits-class", "digits-flow", "digits-image", "digits-psld", "patches-image", "patches-psld"]
    assert sum(shipped_path(name).stat().st_size for name in NAMES) <= MOST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_ships_is_of_its_recipe_and_was_judged_to_pass(name):
    """Recipe and blueprint are those of its name; by its judgement it is better by a fifth at every noise level."""
    facts, _ = read_checkpoint(shipped_path(name))
    assert facts["recipe"] == plain(asdict(recipe_of(name)))
    own = plain(asdict(recipe_of(name).blueprint(data_named(name))))
    own["deviation"] = pytest.approx(own["deviation"], rel=1e-12)  # a sum that each BLAS rounds its own way
    assert facts["blueprint"] == own
    assert judgement_of(facts).passed


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("digits")])
def test_a_network_of_digits_beats_the_linear_denoiser_as_its_file_says(name):
    """By a fifth at every noise level, on digits it never saw."""
    found = judge(Network.shipped(name), data_named(name))
    facts, _ = read_checkpoint(shipped_path(name))
    assert found.ratios == pytest.approx(judgement_of(facts).ratios, rel=1e-4)


@pytest.mark.check
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("patches")])
def test_a_network_of_patches_beats_the_linear_denoiser_on_other_noise(name):
    """By a fifth at every noise level, on pixels it never saw; near what its file says of other noise."""
    found = judge(Network.shipped(name), data_named(name), copies=1, seed=1)
    assert found.passed, found.ratios
    facts, _ = read_checkpoint(shipped_path(name))
    assert found.ratios == pytest.approx(judgement_of(facts).ratios, rel=0.03)


def judgement_of(facts):
    return Judgement(**{key: tuple(values) for key, values in facts["judgement"].items()})


def test_the_numbers_that_the_page_gives_of_networks_are_theirs():
    """The held-out loss and the ratios of each, as they stand in its file, to the digits that are printed."""
    rows = re.findall(
        r"^\| `((?:digits|patches)-\w+)` \|.*\| ([\d.]+) \| ([\d. ]+) \|$",
        (ROOT / "docs/training.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert sorted(name for name, _, _ in rows) == NAMES
    for name, value, ratios in rows:
        facts, _ = read_checkpoint(shipped_path(name))
        assert value == f"{facts['held_out_loss']:.3f}"
        assert ratios.split() == [f"{ratio:.2f}" for ratio in judgement_of(facts).ratios]


def test_samples_of_the_image_network_have_the_moments_of_the_digits():
    """On EDM and on VP, by name: the mean image within 0.1 RMS, the variance within a quarter."""
    for process, grid in (("edm", "rho(7)"), ("vp", "log-snr")):
        images = drawn("dpmpp-2m", process, "network:digits-image", grid, 10)
        assert np.sqrt(np.mean((images.mean(0) - DIGITS.mean) ** 2)) < 0.1
        assert np.mean((images - images.mean(0)) ** 2) == pytest.approx(DIGITS.deviation**2, rel=0.25)


def test_samples_told_a_class_are_of_that_class():
    """The nearest class mean, which names most of the digits held out, names most of the samples."""
    means = np.array([DIGITS.train[DIGITS.train_labels == k].mean(0) for k in range(10)])

    def share(images, labels):
        return float(np.mean(((images[:, None] - means) ** 2).sum((2, 3)).argmin(1) == labels))

    labels = np.arange(200) % 10
    told = drawn("dpmpp-2m", "edm", Network.shipped("digits-class"), "rho(7)", 10, conditions=labels)
    assert share(DIGITS.held, DIGITS.held_labels) > 0.8
    assert share(told, labels) > 0.8
    assert share(drawn("dpmpp-2m", "edm", Network.shipped("digits-class"), "rho(7)", 10), labels) < 0.3


@pytest.mark.parametrize(
    ("name", "scheme", "process", "grid"),
    [("digits-psld", "gddim(2)", "psld", "quadratic"), ("digits-flow", "dpmpp-2m", "flow", "log-snr")],
)
def test_samples_on_a_process_of_its_own_have_the_moments_of_the_digits(name, scheme, process, grid):
    """In phase space and of the flow, on the process that the network was trained on."""
    images = drawn(scheme, process, Network.shipped(name), grid, 30, denoise=True)
    assert np.sqrt(np.mean((images.mean(0) - DIGITS.mean) ** 2)) < 0.1
    assert np.mean((images - images.mean(0)) ** 2) == pytest.approx(DIGITS.deviation**2, rel=0.25)


@pytest.mark.check
@pytest.mark.parametrize(
    ("name", "scheme", "process", "grid", "nfe"),
    [
        ("patches-image", "dpmpp-2m", "edm", "rho(7)", 15),
        ("patches-psld", "gddim(2)", "psld", "quadratic", 30),
    ],
)
def test_samples_of_the_networks_of_patches_have_their_moments(name, scheme, process, grid, nfe):
    """Mean within 0.15 RMS, variance within a quarter: few numbers of a patch, its mean colour first, hold most."""
    data = data_named(name)
    images = drawn(scheme, process, Network.shipped(name), grid, nfe, denoise=True)
    assert np.sqrt(np.mean((images.mean(0) - data.mean) ** 2)) < 0.15
    assert np.mean((images - images.mean(0)) ** 2) == pytest.approx(data.deviation**2, rel=0.25)


def test_the_two_outputs_of_the_phase_space_network_are_free_of_each_other():
    """A law allows one data prediction; the two blocks of the noise name two, which differ where the data are hard.

    With eps = eps_g - (L^-1 e) (D - D_g) each block of the noise has a D of its own.
    """
    network = Network.shipped("digits-psld", dtype="float64")
    own, t = network.function.own, 0.1
    process = own.on
    e, sigma = (part[0] for part in process.kernel(np.array([t])))
    root = np.linalg.cholesky(sigma)
    x0 = DIGITS.held[:64].astype(float)
    noise = np.random.default_rng(0).normal(size=(2, *x0.shape))
    z = np.stack([e[j] * x0 + sum(root[j, i] * noise[i] for i in range(2)) for j in range(2)], 1)
    eps = network(z, t)
    gain = np.linalg.solve(root, e)
    whitened = np.einsum("ij,bj...->ib...", np.linalg.inv(root), z)
    data = [(whitened[i] - eps[:, i]) / gain[i] for i in range(2)]  # eps = L^-1 (z - e D), a block at a time
    error = [np.sqrt(np.mean((own - x0) ** 2)) for own in data]
    apart = np.sqrt(np.mean((data[0] - data[1]) ** 2))
    assert max(error) < DIGITS.deviation
    assert 1e-3 < apart < min(error)


def test_a_network_is_named_on_the_command_line_and_in_an_error_curve(tmp_path, capsys):
    """`sample --model network:NAME` and `error_curve(..., "network:NAME", ...)`."""
    out = tmp_path / "drawn"
    words = ["sample", "--model", "network:digits-flow", "--scheme", "ddim", "--nfe", "4", "--seeds", "0-3", "--out"]
    assert main([*words, str(out)]) == 0, capsys.readouterr().err
    assert '"process": "flow"' in (out / "manifest.json").read_text()
    curve = error_curve("ddim", "edm", "network:digits-image", "rho(7)", [5, 20], range(2), metric="path")
    assert curve[0]["error"] > 2 * curve[1]["error"] > 0
    assert network_of("network:digits-image").shape == (8, 8)


def test_a_pilot_run_is_on_the_process_of_the_network(tmp_path, capsys):
    """Where `--process` is left out, as the run that takes its times."""
    words = ["sample", "--model", "network:digits-flow", "--scheme", "res-2s", "--adaptive", "0.1", "--seeds", "0-1"]
    assert main([*words, "--out", str(tmp_path / "drawn")]) == 0, capsys.readouterr().err
    assert '"process": "flow"' in (tmp_path / "drawn" / "manifest.json").read_text()


@pytest.mark.long
@pytest.mark.parametrize("name", ["digits-image", "patches-image"])
def test_a_network_that_ships_is_made_again_by_its_command(name, tmp_path):
    """The recipe makes a network whose held-out loss is within 2 % of the shipped one's, on any machine."""
    found = train(recipe_of(name), tmp_path / f"{name}.safetensors")
    facts, _ = read_checkpoint(shipped_path(name))
    assert found.loss == pytest.approx(facts["held_out_loss"], rel=0.02)
