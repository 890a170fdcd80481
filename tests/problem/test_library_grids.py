"""Grids are those of the libraries they are named after: held against numbers, not against code.

The numbers come from k-diffusion 0.1.1, ComfyUI (December 2025) and diffusers 0.42, run once in float64; where a
library computes in float32 by construction (the shifts of FlowMatchEuler), from its formula in float64.
"""

from __future__ import annotations

import numpy as np
import pytest

import numtoolkit as nt
from numtoolkit.problem.processes import process

TIGHT = 1e-12

# grid, steps, the sigmas (sigma / alpha) of the library for Stable Diffusion's table, the last 0 as well
SIGMAS = [
    ("karras(zero=1)", 6, [14.614641229333643, 6.082149208471242, 2.232154544358539, 0.6925703768065334,
                           0.16975657575723424, 0.02916715815172038, 0.0]),
    ("exponential(zero=1)", 6, [14.614641229333637, 4.215114244752603, 1.2157115469009985, 0.3506321488458646,
                                0.10112835081452129, 0.029167158151720367, 0.0]),
    ("polyexponential(2, zero=1)", 6, [14.614641229333632, 1.5589288824669727, 0.27343617586458957,
                                       0.07886370262748227, 0.03740157389975147, 0.029167158151720367, 0.0]),
    ("simple", 7, [14.614641229333639, 6.701629404860139, 3.5282031921565453, 2.0616707376769923, 1.2762351350015695,
                   0.7900609565844144, 0.43806173266482945, 0.0]),
    ("ddim_uniform", 8, [7.371844096529513, 4.116696479276065, 2.510921481663107, 1.623692081515863,
                         1.0760310619626674, 0.6983980911630334, 0.4022177322320685, 0.04131441199678309, 0.0]),
    ("normal", 6, [14.614641229333637, 5.09240759066568, 2.2797302952441267, 1.162864534085147, 0.5711888666489997,
                   0.029167158151720367, 0.0]),
    ("sgm_uniform", 6, [14.614641229333637, 5.948899190973973, 2.9183071154268285, 1.6155802601603273,
                        0.9323579668348474, 0.4935517203201724, 0.0]),
    ("beta", 7, [14.614641229333639, 9.70147682765827, 4.712596866747214, 2.268322993348432, 1.1682159550479787,
                 0.6126959693142858, 0.27718043455147945, 0.0]),
    ("linear_quadratic", 7, [14.614641229333639, 14.492852552422526, 14.37106387551141, 14.249275198600296,
                             13.267353991004441, 10.565167722039106, 6.1427163917042895, 0.0]),
    ("kl_optimal(zero=1)", 6, [14.614641229333659, 2.6328878577905126, 1.294767287388064, 0.7116268131241659,
                               0.33563738905184215, 0.029167158151720367, 0.0]),
    ("beta-levels", 4, [14.614641229333612, 12.052259621679312, 7.321904193742668, 2.5915487658060194,
                        0.02916715815172007]),
    ("ays", 10, [14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904,
                 0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582]),
    ("ays(sdxl)", 10, [14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141,
                       0.5550693289, 0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582]),
    ("ays(zero=1)", 7, [14.614641229299998, 5.189446010101512, 2.836967970008838, 1.7288996588663745,
                        1.0714240518081375, 0.6078477543163822, 0.22914204814219852, 0.0]),
    ("gits", 4, [14.61464119, 2.36326075, 0.92192322, 0.36617002, 0.02916753]),
    ("gits(0.8, zero=1)", 2, [14.61464119, 7.49001646, 0.0]),
    ("gits(1.50)", 6, [14.61464119, 1.56271636, 0.72133851, 0.36617002, 0.19894916, 0.09824532, 0.02916753]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "steps", "numbers"), SIGMAS, ids=[f"{text}-{steps}" for text, steps, _ in SIGMAS])
def test_sigmas_of_a_grid_on_stable_diffusion_are_those_of_its_library(text, steps, numbers):
    """To 1e-12 relative, as sigma / alpha at its times."""
    sd = process("sd")
    sigmas = sd.noise_level(nt.grid(text, sd, steps))
    np.testing.assert_allclose(sigmas, numbers, rtol=TIGHT)


TIMESTEPS = [
    ("linspace", [999, 832, 666, 500, 333, 166, 0]),
    ("linspace(drop=1)", [999, 856, 714, 571, 428, 285, 143]),
    ("leading(1)", [853, 711, 569, 427, 285, 143, 1]),
    ("leading(1, drop=1)", [876, 751, 626, 501, 376, 251, 126]),
    ("trailing", [999, 856, 713, 570, 428, 285, 142]),
]


@pytest.mark.parametrize(("text", "numbers"), TIMESTEPS)
def test_spacings_of_diffusers_are_its_timesteps(text, numbers):
    """Those of DDIM and, with drop=1, of the DPM-Solver classes: exact, time being timestep + 1, then the data."""
    assert (nt.grid(text, "sd", 7) - 1).tolist() == [*numbers, -1]


def test_a_grid_of_points_may_end_at_the_first_point():
    """set_alpha_to_one=False and final_sigmas_type="sigma_min" of diffusers."""
    assert nt.grid("leading(1, zero=0)", "sd", 4).tolist() == [752, 502, 252, 2, 1]


FLOW = [
    ("shift(3)", 5, [1.0, 0.900359066427289, 0.7511210762331838, 0.5029850746268658, 0.00892857142857143, 0.0]),
    ("normal(shift=3)", 5, [1.0, 0.900359066427289, 0.7511210762331838, 0.5029850746268658, 0.00892857142857143, 0.0]),
    ("sgm_uniform(3)", 5, [1.0, 0.923342541436464, 0.8189233278955955, 0.6683266932270915, 0.43222506393861887, 0.0]),
    ("simple(shift=3)", 7, [1.0, 0.9477172312223857, 0.8827160493827162, 0.800373134328358, 0.6926803013993541,
                            0.5458015267175571, 0.3335925349922239, 0.0]),
    ("beta(shift=3)", 6, [1.0, 0.9677075940383252, 0.8877551020408162, 0.7507492507492509, 0.5335051546391752,
                          0.23310810810810814, 0.0]),
    ("linear-quadratic", 8, [1.0, 0.99375, 0.9875, 0.98125, 0.975, 0.909375, 0.725, 0.421875, 0.0]),
    ("trailing", 5, [1.0, 0.8, 0.6, 0.4, 0.2, 0.0]),
    ("trailing(shift=3)", 5, [1.0, 0.9230769230769231, 0.818181818181818, 0.6666666666666666, 0.42857142857142866,
                              0.0]),
    ("trailing(mu=0.8)", 5, [1.0, 0.899011970627267, 0.7694955687888699, 0.5973739038730754, 0.35748555090318695,
                             0.0]),
    ("trailing(mu=2.5, kind=linear)", 5, [1.0, 0.9090909090909091, 0.7894736842105262, 0.625, 0.38461538461538464,
                                          0.0]),
    ("trailing(tokens=2304)", 5, [1.0, 0.903170620428117, 0.7776686634392531, 0.6085453008261917,
                                  0.36827419427229524, 0.0]),
    ("trailing(tokens=(2304, 0.5, 1.15, 256, 4096))", 5, [1.0, 0.903170620428117, 0.7776686634392531,
                                                          0.6085453008261917, 0.36827419427229524, 0.0]),
    ("trailing(mu=0.8, terminal=0.1)", 5, [1.0, 0.8585413502167565, 0.6771216765916525, 0.4360228209286049, 0.1, 0.0]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "steps", "numbers"), FLOW, ids=[text for text, _, _ in FLOW])
def test_times_of_a_grid_on_flow_are_those_of_its_library(text, steps, numbers):
    """FlowMatchEuler with and without dynamic shift, FLUX, LTX's terminal, and ComfyUI's flow models with a shift."""
    np.testing.assert_allclose(nt.grid(text, "flow(T=1)", steps), numbers, rtol=TIGHT)


def test_tokens_of_an_image_of_most_tokens_have_the_largest_shift():
    """mu is 1.15 at 4096 tokens and 0.5 at 256."""
    for tokens, mu in ((4096, 1.15), (256, 0.5)):
        np.testing.assert_allclose(
            nt.grid(f"trailing(tokens={tokens})", "flow(T=1)", 6),
            nt.grid(f"trailing(mu={mu})", "flow(T=1)", 6),
            rtol=1e-14,
        )


def test_svd_levels_of_align_your_steps_lie_on_edm():
    """From 700 to 0.002, log-linear for 4 steps."""
    numbers = [699.9999999999998, 11.257114283865109, 1.789, 0.2640435570128534, 0.0020000000000000005]
    np.testing.assert_allclose(nt.grid("ays(svd)", "edm(T=700)", 4), numbers, rtol=TIGHT)


def test_every_published_grid_of_gits_is_one_of_points_of_its_teacher():
    """101 timesteps 999 - 9.99 k, read log-linearly, to the 8 digits printed; each falls from the first to the last."""
    sd = process("sd")
    for coeff in np.arange(80, 155, 5) / 100:
        for steps in range(2, 21):
            k = (1000 - nt.grid(f"gits({coeff})", sd, steps)) / 9.99
            np.testing.assert_allclose(k, np.round(k), atol=2e-4)
            assert (round(k[0]), round(k[-1])) == (0, 100)


def test_gits_of_many_steps_is_log_linear_in_that_of_20():
    """Every second of 40 steps is one of 20, and those between are geometric means."""
    sd = process("sd")
    few, many = (sd.noise_level(nt.grid("gits(1.1)", sd, steps)) for steps in (20, 40))
    np.testing.assert_allclose(many[::2], few, rtol=TIGHT)
    np.testing.assert_allclose(many[1::2], np.sqrt(few[1:] * few[:-1]), rtol=TIGHT)
