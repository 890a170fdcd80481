"""Runs compared as maps: every state of a program as coefficients of its start and of its evaluations."""

import numpy as np

from numtoolkit.program.program import Affine, Call


def unrolled(program, first=0):
    """Every told time, and a row of coefficients for what each call is given and for the state after each step.

    Columns are the state at the start and every value of the network. Two programs that agree here are the same map for
    every network, whatever rows they compute it by.
    """
    size = 1 + program.nfe
    told, rows = [], []
    state, carried = np.eye(1, size)[0], {}
    for step in program.steps[first:]:
        names = {"y": state, **carried}
        for i in step.instructions:
            if isinstance(i, Call):
                rows.append(names[i.of])
                told.append(i.time)
                names[i.name] = np.eye(1, size, len(told))[0]
            else:
                assert isinstance(i, Affine)
                names[i.name] = sum((b[0][0] * names[source] for source, b in i.terms), np.zeros(size))
        state, carried = names[step.out], {new: names[old] for new, old in step.carry}
        rows.append(state)
    return np.array(told), np.array(rows)


def assert_same_run(one, other, first=0):
    (told, rows), (expected_told, expected) = unrolled(one, first), unrolled(other, first)
    assert np.array_equal(told, expected_told)
    # a few hundred roundings of the largest coefficient
    np.testing.assert_allclose(rows, expected, rtol=0, atol=1e-13 * np.abs(expected).max())


def clock_steps(process, times):
    """h of each step in log-SNR and the noise levels s of the grid."""
    s = process.noise_level(times)
    return np.log(s[:-1] / s[1:]), s


def ratios(steps):
    """Length of the step before over that of each step; 1 for the first, which has none before."""
    return np.append(1.0, steps[:-1] / steps[1:])
