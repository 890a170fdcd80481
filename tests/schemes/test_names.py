"""Names: every scheme is found under the name a reader has for it, and a wrong one is answered with the right one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from numtoolkit.errors import InputError
from numtoolkit.schemes import catalogue, names_in_use, scheme

# What the catalogue is asked to hold, family by family, in the spelling it is asked for in; alternatives are written
# out, and a scheme described in words ("churn", "without the time shift") stands under the name it has here.
ASKED = {
    "phase space, deterministic": "nse rse nvv rvv rvv-unshifted cse cvv euler heun SPS-D CSPS-D",
    "phase space, stochastic": "em sscs sscs-midpoint noba roba nbao rbao nobab robab coba SPS-S CSPS-S roba(rate) "
    "roba(amp) roba(tbar) roba(part=m) roba(lambda_s=2)",
    "conjugate": "lambda-ddim-1 lambda-ddim-2 lambda-ddim-1(shift=1) lambda-ddim-2(B=beta,shift=1/4) "
    "lambda-ddim-1(B=optimal) lambda-ddim-2(B=optimal) conjugate-optimal lambda-ddim-1(skip=mm) gddim gddim-pc(k=3)",
    "exponential, one step": "ddim res-2s res-3s dpmpp-2s dpmpp-3s dpm-solver-2 dpm-solver-3 etd3rk etd4rk krogstad-4 "
    "strehmel-weiner-4 hochbruck-ostermann-4 lawson-2 lawson-4 etd2rk",
    "exponential, multistep": "res-2m res-3m dpmpp-2m dpmpp-3m dpmpp-3m-corrected exp-adams(k=4) deis-tab(k=2) "
    "deis-rhoab(k=2) ipndm(k=3) ipndm-v(k=3) pndm spndm unipc(p=3,variant=bh1) DPM-Solver-2M DPM-Solver-3M "
    "exp-adams(k=3,frozen=noise) gradient-estimation(gamma=2) rbf-solver(p=4,predictor=rbf,shape_p=2)",
    "Runge-Kutta and multistep in sigma": "heun-edm dpm2-karras rk4 lms(k=3) euler-churn heun-edm-churn dpm2-churn "
    "euler-ancestral dpm2-ancestral",
    "stabilised": "stork-2 stork-2(taylor=2) stork-2(frozen=noise,nodes=gegenbauer,substeps=10)",
    "stochastic, image space": "res-2s-churn res-2m-ancestral DDPM SDE-DPM-Solver++1 SDE-DPM-Solver++2M SEEDS-1 "
    "SA-Solver(tau=1/2) SEEDS-2 SEEDS-3 seeds-2(frozen=data) dpmpp-sde dpmpp-2s-ancestral(eta=1/2) "
    "dpmpp-2m-sde(tau=1/2) sde-dpmpp-2m(solver=heun) dpmpp-3m-sde er-sde(k=2)",
    "Gaussian frame": "gframe-ab(k=3) gframe-abm(k=3) gframe-ab(2,sigma_data=1,mean=1/3,tau=1)",
    "fitted": "iia-ddim(one) iia-ddim(two) iia-ddim(guided) biia-edm(r=1) iia-edm(r=1) biia-edm iia-edm iia-spndm "
    "iia-ipndm iia-dpmpp-2m gauss-fit-2m",
}


@pytest.mark.parametrize("name", " ".join(ASKED.values()).split())
def test_every_scheme_that_is_asked_for_is_found(name):
    """Every name of papers and ports that the catalogue promises to hold."""
    assert scheme(name).steps.inner.evaluations


@pytest.mark.parametrize("name", [name for member in catalogue() for name in (member.name, *member.aliases)])
def test_names_and_aliases_are_read_in_either_case(name):
    """Upper case is the same scheme, of the catalogue."""
    assert scheme(name) == scheme(name.upper())
    assert scheme(name).name in {member.name for member in catalogue()}


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("lms", "deis-rhoab(3, ending=zero)"),
        ("lms(4)", "deis-rhoab(3, ending=zero)"),
        ("LMS(k=2)", "deis-rhoab(1, ending=zero)"),
        ("lms(1)", "deis-rhoab(0, ending=zero)"),
        ("ipndm-v", "deis-rhoab(3)"),
        ("ipndm-v(2)", "deis-rhoab(1)"),
        ("etd2rk", "res-2s(c2=1)"),
        ("dpm2-karras", "dpm-solver-2(c2=1/2)"),
        ("exp-adams-2", "exp-adams(2)"),
        ("dpm-solver-2m", "dpmpp-2m(frozen=noise)"),
        ("sample_euler", "ddim"),
        ("sample_euler_ancestral", "euler-ancestral"),
        ("euler_ancestral", "euler-ancestral"),
        ("sample_heun", "heun-edm"),
        ("dpm_2", "dpm-solver-2(c2=1/2)"),
        ("sample_dpm_2_ancestral", "dpm2-ancestral"),
        ("sample_lms", "deis-rhoab(3, ending=zero)"),
        ("dpmpp_2s_ancestral", "dpmpp-2s-ancestral"),
        ("sample_dpmpp_sde", "dpmpp-sde"),
        ("dpmpp_2m_sde", "sde-dpmpp-2m"),
        ("dpmpp_2m_sde_heun", "sde-dpmpp-2m(solver=heun)"),
        ("sample_dpmpp_3m_sde", "sde-dpmpp-3m"),
        ("sample_dpmpp_2m_sde_heun_gpu", "sde-dpmpp-2m(solver=heun)"),
        ("exp_heun_2_x0", "res-2s(c2=1)"),
        ("res_multistep", "res-2m"),
        ("sample_res_multistep_ancestral", "res-2m-ancestral"),
        ("sample_seeds_2", "seeds-2(frozen=data)"),
        ("er_sde", "er-sde(3)"),
        ("gradient_estimation", "gradient-estimation"),
        ("uni_pc_bh2", "unipc(3)"),
        ("DPMSolverMultistepScheduler", "dpmpp-2m"),
        ("DEISMultistepScheduler", "exp-adams(2, frozen=noise)"),
        ("UniPCMultistepScheduler", "unipc"),
        ("LMSDiscreteScheduler", "lms"),
        ("STORKScheduler", "stork-2(1, substeps=50)"),
        ("conjugate_sde", "gframe-ab(2, tau=1)"),
        ("conjugate-sde(3, mean=1/3, sigma_data=1/4)", "gframe-ab(3, mean=1/3, sigma_data=1/4, tau=1)"),
    ],
)
def test_names_in_use_stand_for_other_schemes(name, other):
    """k-diffusion's and others' names lead to the scheme of that step, with its parameters."""
    assert scheme(name).spec == scheme(other).spec


@pytest.mark.parametrize(("name", "other"), names_in_use().items())
def test_listed_names_in_use_are_the_schemes_they_are_said_to_be(name, other):
    """The list printed for readers is read back, k from 1 to 6."""
    for k in range(1, 7):
        ours, theirs = name.replace("(k)", f"({k})"), other.replace("k-1", f"{k - 1}")
        assert scheme(ours).spec == scheme(theirs).spec


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("lms(0)", r"lms\(0\) is not declared; use k = 1 to 6."),
        ("ipndm-v(k=7)", r"ipndm-v\(7\) is not declared; use k = 1 to 6."),
        ("lms(order=3)", r"lms has no parameter 'order'; it has k, opening, ending."),
        ("lms(2.5)", r"lms: k = 5/2 is not an integer; give a whole number."),
        ("lms(3, 4)", r"lms takes 1 parameter, got 2."),
        ("etd2rk(c2=1/2)", r"etd2rk is res-2s\(c2=1\) and takes no parameters; write that with your own."),
        ("conjugate-sde(2, tau=1/2)", r"gframe-ab: tau is given twice; give it once."),
        ("conjugate-sde(6)", r"gframe-ab\(6\) is not declared; use k = 1 to 5."),
        ("conjugate_sdes", r"did you mean conjugate-sde"),
        ("lsm", r"unknown scheme 'lsm'; did you mean lms"),
        ("sample_dpmpp_2m_sd", r"unknown scheme 'dpmpp-2m-sd'; did you mean dpmpp-2m-sde"),
        ("DPMSolverMultistepSchedulr", r"did you mean dpmsolvermultistepscheduler"),
        ("sde-dpmpp-2m(solver=euler)", r"sde-dpmpp-2m\(solver=euler\) is not declared; use solver = midpoint or heun."),
        ("dpmpp-2m(frozen=score)", r"dpmpp-2m\(frozen=score\) is not declared; use frozen = data or noise."),
    ],
)
def test_a_wrong_use_of_a_name_is_answered_in_one_sentence(text, sentence):
    """Range, parameter, number or spelling: the sentence has the right one."""
    with pytest.raises(InputError, match=sentence):
        scheme(text)


def test_parameters_bound_one_after_the_other_are_those_bound_at_once():
    """A later binding keeps what earlier ones gave, and goes before them."""
    own, one, other = scheme("res-3s"), Fraction(1, 3), Fraction(3, 4)
    both = own.bind(c2=one, c3=other)
    assert own.bind(c2=one).bind(c3=other) == own.bind(c2=other, c3=Fraction(1)).bind(c2=one, c3=other) == both
    assert own.bind(c2=one).bind(c3=other).parameters() == {**own.parameters(), "c2": one, "c3": other}
