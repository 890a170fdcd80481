"""Questions about runs, step by step and end to end."""

from __future__ import annotations

from typing import Any

import pytest

from numtoolkit.errors import InputError
from numtoolkit.reproduce.asked import answer


@pytest.mark.parametrize("process", ["edm", "vp", "flow"])
def test_data_and_noise_each_have_an_equation_of_linear_part_minus_one(process: str) -> None:
    """For z / alpha and z / sigma, each in its own logarithm, to the 7 digits that differences of the kernel have."""
    found = answer("semilinear", {"process": process, "t": [0.1, 0.5, 0.9]})
    assert found == {"data": 7, "noise": 7}


def test_the_error_of_a_run_is_made_of_the_defects_of_its_rows() -> None:
    """Of stages as well, where there are some; steps of several evaluations of the past have none."""
    about = {"process": "edm", "grid": "rho(7)", "steps": 6}
    two = answer("recursion", {"scheme": "dpmpp-2s", **about})
    assert two["all"] == 12
    assert two["steps alone"] < 2
    assert answer("recursion", {"scheme": "dpmpp-2m", **about}) == {"all": 12, "steps alone": 12}


def test_scores_of_one_step_come_together_as_steps_get_short() -> None:
    """At first order: twice the steps halve how far they lie apart, to terms of the next order."""
    about = {"schemes": ["nse"], "process": "psld", "law": "gaussian(std=0.5)", "grid": "quadratic", "samples": 16}
    coarse, fine = (answer("scores-apart", about | {"steps": n})["median of nse"] for n in (100, 200))
    assert coarse / fine == pytest.approx(2, rel=0.1)


def test_a_denoising_step_takes_a_share_of_the_noise_that_an_exact_run_leaves() -> None:
    """Of data as wide as the noise at t_min: W2 over their deviation is sqrt(2) - 1 without, 1 - 1 / sqrt(2) with;
    the variance is twice that of the data, and half of it."""
    about = {"schemes": ["res-2m"], "process": "edm", "law": "gaussian(std=0.002)", "nfe": 100}
    found = answer("to-data", about | {"grids": ["log-snr", "log-snr(zero=1)"]})
    assert found["res-2m, log-snr"] == pytest.approx(2**0.5 - 1, rel=0.01)
    assert found["res-2m, log-snr(zero=1)"] == pytest.approx(1 - 0.5**0.5, rel=0.01)
    assert found["variance of res-2m, log-snr"] == pytest.approx(2, rel=0.01)
    assert found["variance of res-2m, log-snr(zero=1)"] == pytest.approx(0.5, rel=0.01)


def test_a_gain_is_a_ratio_of_errors() -> None:
    """1 of a scheme over itself, above 1 of the better one, and one over the other turned round."""
    about = {"process": "edm", "law": "gaussian(std=0.5)", "grid": "rho(7)", "nfe": 9}
    found = answer(
        "gains", about | {"schemes": ["ddim", "res-2s", "heun-edm"], "bases": ["ddim", "heun-edm", "res-2s"]}
    )
    assert found["ddim"] == 1
    assert found["res-2s"] > 1
    assert found["res-2s"] * found["heun-edm"] == pytest.approx(1)


def test_a_scheme_of_one_block_runs_on_no_phase_space() -> None:
    """One of phase space runs on either."""
    about = {"schemes": ["res-2s", "ddim"], "grid": "quadratic", "steps": 3}
    assert answer("runs", about | {"process": "cld"}) == {"res-2s": False, "ddim": True}
    assert answer("runs", about | {"process": "vp"}) == {"res-2s": True, "ddim": True}


def test_a_run_on_blurring_is_one_run_a_frequency() -> None:
    """Of a scheme that evaluates at the times of its grid; a stage stands at the time of one frequency."""
    about = {"process": "blurring(size=2, sigma_blur=2)", "grid": "log-snr", "steps": 3}
    assert answer("modes", about | {"scheme": "res-2m"}) == {"digits": 12}
    assert answer("modes", about | {"scheme": "res-2s"})["digits"] < 6


def test_a_fitted_scheme_is_one_on_all_processes_of_one_block() -> None:
    """Over the same noise levels: its runs with one table, and its tables."""
    found = answer("same-levels", {"schemes": ["iia-edm(0)"], "processes": ["edm", "vp", "flow"], "steps": 3})
    assert found == {"runs iia-edm(0)": 7, "tables iia-edm(0)": 7}


def test_fitted_coefficients_solve_the_normal_equations() -> None:
    """One coefficient, and two, found again from runs with other tables."""
    about = {"process": "edm", "law": "mixture(dim=2)", "grid": "rho(7)", "steps": 3, "substeps": 2}
    found = answer("normal-equations", about | {"schemes": ["iia-ddim(guided)", "iia-edm(0)"]})
    assert found == {"iia-ddim(guided)": 7, "iia-edm(0)": 7}


def test_finer_steps_of_order_one_leave_their_share() -> None:
    """Four steps leave a quarter of what one does, to the next order of its length."""
    about = {"schemes": ["ddim"], "process": "edm", "law": "gaussian(std=0.5)", "grid": "log-snr", "steps": 32}
    assert answer("targets", about | {"substeps": 4, "samples": 4})["ddim"] == pytest.approx(0.25, rel=0.1)


def test_conditions_are_asked_at_values_of_their_symbols() -> None:
    """The coefficient of history that makes DDIM of order 2, and another one."""
    about = {"scheme": "iia-ddim(one)", "order": 2, "kind": "classical"}
    assert answer("conditions", about | {"values": {"kappa_0": "1/(2*r0)"}}) == {"met": 2}
    other = answer("conditions", about | {"values": {"kappa_0": "1/r0"}})
    assert other == {"met": 1, "N e_t": "1/2", "N e'[N e]": "1/2"}


@pytest.mark.parametrize(
    ("question", "given", "words"),
    [
        ("semilinear", {"process": "psld", "t": [0.5]}, "process 'psld' has no one noise level; take a scalar process"),
        (
            "recursion",
            {"scheme": "res-2s-churn", "process": "edm", "grid": "rho(7)", "steps": 3},
            "res-2s-churn draws noise, so its run is no fixed map",
        ),
        (
            "scores-apart",
            {"schemes": ["roba"], "process": "psld", "law": "ring", "grid": "quadratic", "steps": 2, "samples": 2},
            "scheme 'roba' evaluates once a step; take one of two",
        ),
        (
            "modes",
            {"scheme": "ddim", "process": "vp", "grid": "log-snr", "steps": 2},
            "process 'vp' takes no directions apart",
        ),
    ],
)
def test_a_question_that_has_no_answer_is_refused(question: str, given: dict[str, Any], words: str) -> None:
    """By what is lacking, and what to take."""
    with pytest.raises(InputError, match=words):
        answer(question, given)
