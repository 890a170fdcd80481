"""Schemes that are told a spectrum: a scalar scheme a group of directions, exact on Gaussian data of the spectrum."""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np
import pytest

from numtoolkit import printing
from numtoolkit.errors import InputError, StorageError
from numtoolkit.laws import Gaussian, GaussianMixture, law_of
from numtoolkit.laws.files import gaussian_of
from numtoolkit.laws.spectra import spectrum_of
from numtoolkit.measure import error_curve, exact_marginal, moments
from numtoolkit.measure.gaussian_moments import Normal
from numtoolkit.measure.transfer import transfer
from numtoolkit.problem.grids import grid
from numtoolkit.problem.processes import CLD, EDM, PSLD, VP, RectifiedFlow
from numtoolkit.problem.spectrum import Spectrum
from numtoolkit.program.canonical import canonical
from numtoolkit.program.modal import groups_of, mode
from numtoolkit.program.program import Modal, lower, problem_of
from numtoolkit.program.runs import program_of, times_of
from numtoolkit.sampling.pilot import pilot
from numtoolkit.sampling.runner import sample
from numtoolkit.schemes import scheme
from tests.support.tiers import breadth

PROCESSES = (EDM(), VP(), RectifiedFlow(), PSLD(), CLD())
IDS = [process.name for process in PROCESSES]
MEAN = np.array([[0.3, -0.2, 0.1], [0.0, 0.5, -0.4]])
TURNED = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
VALUES = np.array([2.0, 0.7, 0.3, 0.1, 0.04, 0.04])
LAW = Gaussian(MEAN, (TURNED * VALUES) @ TURNED.T)
WHOLE = spectrum_of(LAW)


def told(text, spectrum=WHOLE):
    return scheme(text).with_spectrum(spectrum)


def relative_gap(found, exact):
    """Of means, in deviations, and of covariances."""
    size = np.sqrt(np.einsum("dii->di", exact.covariance))
    far = np.abs(found.mean - exact.mean) / size
    return max(far.max(), np.abs((found.covariance - exact.covariance) / (size[:, :, None] * size[:, None, :])).max())


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
@pytest.mark.parametrize("text", ["gframe-abm(2)", "gframe-ab(3)", "gframe-abm(1, tau=1)", "gframe-ab(2, tau=0.5)"])
def test_a_run_is_exact_on_gaussian_data_of_its_spectrum_whatever_the_steps(process, text):
    """Means and covariances at the end are those of the law to rounding, with four uneven steps."""
    times = np.array([process.T, process.T * 0.6, process.T * 0.31, process.T * 0.3, process.T * 0.05])
    own = told(text)
    program = lower(own, process, times)
    found = moments(program, law=LAW, start=exact_marginal(process, LAW, process.T))
    assert relative_gap(found, exact_marginal(process, LAW, float(times[-1]))) < 1e-10


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_told_one_variance_a_scheme_is_that_with_its_deviation(process):
    """The clock is then twice the angle, so every coefficient is the same to rounding."""
    one = Spectrum(np.zeros(()), [0.09], [5])
    times = grid("angle(0.3)", process, 6)
    found, own = (lower(each, process, times) for each in (told("gframe-abm(2)", one), scheme("gframe-abm(2, 0.3)")))
    assert canonical(mode(found, 0)).gap(canonical(own)) < 2e-13


def test_conjugate_integrators_take_each_group_with_its_own_best_conjugation():
    """Another scheme with sigma_data is told a spectrum by the same mechanism; its clock does not follow the data."""
    process = PSLD()
    times = grid("quadratic", process, 12)
    program = lower(told("conjugate-optimal"), process, times)
    for group in (0, 5):
        alone = lower(told("conjugate-optimal").mode(group), process, times)
        assert canonical(mode(program, group)).gap(canonical(alone)) < 1e-13


@pytest.mark.parametrize("dtype", [np.float64, "torch"])
@pytest.mark.parametrize("process", [EDM(), PSLD()], ids=["edm", "psld"])
@pytest.mark.parametrize("kind", ["whole", "rank 2", "dct", "coordinates"])
def test_a_run_on_arrays_is_the_affine_map_of_each_direction(process, kind, dtype):
    """The exact network of the law is run on arrays; in the basis of the spectrum every direction goes its own way."""
    if kind == "dct":
        spectrum = spectrum_of(LAW, dct=True)
        basis, values = spectrum.basis, np.repeat(spectrum.values, spectrum.multiplicity.astype(int))
        law = Gaussian(MEAN, (basis * values) @ basis.T)
    elif kind == "coordinates":
        law = Gaussian(MEAN, VALUES.reshape(MEAN.shape))
        spectrum = Spectrum(MEAN, VALUES)
    else:
        spectrum = WHOLE if kind == "whole" else WHOLE.reduced(2)
        law = LAW if kind == "whole" else law_of_spectrum(spectrum)
    times = grid("spectral", process, 5, spectrum=spectrum)
    program = lower(told("gframe-abm(2)", spectrum), process, times)
    assert any(isinstance(c, Modal) for step in program.steps for i in step.instructions for c in numbers_of(i))
    found = sample(program, network=law, seeds=range(3), dtype=torch_double() if dtype == "torch" else dtype)
    start = sample(program, network=law, seeds=range(3), dtype=np.float64, trajectory=True).trajectory.states[0]
    basis, _, _ = law.eigen()
    axes = np.eye(6) if basis is None else basis
    ends = []
    for z in np.asarray(start).reshape(3, process.blocks, 6) @ axes:
        ran = moments(program, law=law, start=normal_at(z.T))
        ends.append(ran.mean.T)
    got = np.asarray(found.samples).reshape(3, process.blocks, 6) @ axes
    assert np.abs(got - np.stack(ends)).max() < 1e-11


def law_of_spectrum(spectrum):
    own = gaussian_of(spectrum)
    return Gaussian(own.mean.reshape(MEAN.shape), own.covariance())


def normal_at(z):
    return Normal(z, np.zeros((*z.shape, z.shape[1])))


def torch_double():
    return pytest.importorskip("torch").float64


def numbers_of(instruction):
    blocks = [block for _, block in getattr(instruction, "terms", ())]
    return [c for block in blocks for line in block for c in line]


@pytest.mark.parametrize("k", breadth([1, 2, 3], lambda k: k == 2))
def test_orders_hold_where_directions_differ(k):
    """On a mixture that no spectrum makes linear the error of gframe-abm(k) falls as N^-(k + 1), though L is not 1."""
    centres = np.random.default_rng(1).normal(size=(4, 6)) * np.sqrt(VALUES)
    law = GaussianMixture(np.ones(4) / 4, centres, [0.3 * VALUES] * 4)
    own = told(f"gframe-abm({k})", spectrum_of(law))
    budgets = [40, 80, 160] if k < 3 else [40, 80]
    errors = [r["error"] for r in error_curve(own, "edm", law, "spectral(zero=1, power=1, eps=0)", budgets, range(64))]
    slopes = [np.log2(a / b) for a, b in pairwise(errors)]
    assert min(slopes) > k + 1 - 0.35
    assert slopes[-1] < k + 1 + 0.6


def test_one_place_tells_the_spectrum_to_scheme_and_grid(tmp_path):
    """A grid that is laid by a spectrum and names none takes that of the scheme."""
    file = WHOLE.save(tmp_path / "own.npz")
    own = scheme(f"gframe-abm(2, spectrum={file})")
    assert own.spectrum == WHOLE
    assert own.spec == f"gframe-abm(2, spectrum={WHOLE.digest})"
    times = times_of(own, EDM(), "spectral", nfe=6)
    np.testing.assert_array_equal(times, grid(f"spectral({file})", EDM(), 6))
    assert program_of(own, "edm", "spectral", 6).spectrum == WHOLE
    with pytest.raises(InputError, match="needs its spectrum"):
        times_of(scheme("ipndm(3)"), EDM(), "spectral", nfe=6)


def test_a_scheme_keeps_its_spectrum_in_files_and_copies():
    """The text of a scheme holds its spectrum, and two schemes are the same if theirs are."""
    own = told("gframe-ab(2)")
    for again in (type(own).from_json(own.to_json()), copy.deepcopy(own)):
        assert again == own
        assert again.spectrum.digest == WHOLE.digest
    assert own != scheme("gframe-ab(2)")
    program = lower(own, EDM(), grid("spectral", EDM(), 3, spectrum=WHOLE))
    assert copy.deepcopy(program) == program


def test_what_takes_no_spectrum_says_so(tmp_path):
    """Each refusal is one sentence: of schemes without a law, of two tellings, of other data, of what is many."""
    file = WHOLE.save(tmp_path / "own.npz")
    with pytest.raises(InputError, match="knows no law of the data"):
        scheme(f"res-2s(spectrum={file})")
    with pytest.raises(InputError, match="told sigma_data"):
        scheme(f"gframe-ab(2, sigma_data=1, spectrum={file})")
    with pytest.raises(InputError, match="digest is that of a spectrum"):
        scheme("gframe-ab(2, digest=sha256-1)")
    with pytest.raises(StorageError, match="holds the spectrum"):
        scheme(f"gframe-ab(2, spectrum={file}, digest=sha256-1)")
    with pytest.raises(InputError, match="one problem for each group"):
        problem_of(told("gframe-ab(2)"), EDM())
    with pytest.raises(InputError, match="was told no spectrum"):
        scheme("gframe-ab(2)").mode(0)
    with pytest.raises(InputError, match="of 6 directions"):
        sample(told("gframe-ab(2)"), "edm", law_of("mixture(dim=4)"), "spectral", 4, seeds=[0])
    with pytest.raises(InputError, match="differ by direction"):
        canonical(lower(told("gframe-ab(2)"), EDM(), grid("log-snr", EDM(), 3)))


def test_directions_across_groups_have_no_moments_of_their_own():
    """Those of one group, and those of groups that rounding tells apart, do."""
    assert groups_of(WHOLE, TURNED, 6).tolist() == [0, 1, 2, 3, *groups_of(WHOLE, TURNED, 6).tolist()[4:]]
    assert groups_of(WHOLE.reduced(2), TURNED, 6).tolist() == [0, 1, 2, 2, 2, 2]
    with pytest.raises(InputError, match="are not those of the spectrum"):
        groups_of(WHOLE, np.eye(6), 6)


def test_the_run_of_a_spectrum_says_which():
    """In float32 too, where what rounding costs is estimated for the widest and the narrowest direction."""
    found = sample(told("gframe-ab(2)"), "edm", LAW, "spectral", 4, seeds=[0, 1], dtype=np.float32)
    assert found.provenance["spectrum"] == {"digest": WHOLE.digest, "source": WHOLE.source, "nfe_pilot": 0}


def test_a_pilot_run_is_made_where_one_is_asked_for_and_tells_scheme_and_grid_alike():
    """The run is that of `pilot`, once for both; without a network to run there is one sentence, and no run."""
    law = law_of("natural(size=4, components=4)")
    found = pilot(law, "edm", dtype=np.float64).spectrum()
    for text, points in (
        ("gframe-ab(2, spectrum=pilot)", "spectral"),
        ("gframe-ab(2, spectrum=pilot)", "spectral(pilot)"),
    ):
        run = sample(text, "edm", law, points, 4, seeds=[0, 1], dtype=np.float64)
        assert run.program.spectrum == found
        assert run.provenance["spectrum"]["nfe_pilot"] == found.nfe_pilot == 24
        np.testing.assert_array_equal(run.program.times, grid("spectral", "edm", 4, spectrum=found))
    run = sample("ipndm(2)", "edm", law, "spectral(spectrum=pilot, zero=1)", 4, seeds=[0, 1], dtype=np.float64)
    np.testing.assert_array_equal(run.program.times, grid("spectral(zero=1)", "edm", 4, spectrum=found))
    assert run.provenance["spectrum"]["digest"] == found.digest
    for asked in (
        lambda: program_of("gframe-ab(2, spectrum=pilot)", "edm", "log-snr", 4),
        lambda: grid("spectral(pilot)", "edm", 4),
    ):
        with pytest.raises(InputError, match="numtoolkit spectrum --model M --save"):
            asked()


def test_what_looks_at_all_directions_as_one_says_so_and_pages_name_the_spectrum():
    """A page of the scheme says which spectrum it was told; a transfer function, of one scale, is refused."""
    own = told("gframe-abm(2)")
    assert f"spectrum     {WHOLE.digest}, of" in printing.text(own)
    assert "that of a pilot run" in printing.text(own.with_spectrum("pilot"))
    with pytest.raises(InputError, match="differ by direction of the data"):
        transfer(own, "edm", "spectral", 4)
