"""Runs compared as maps by their canonical forms, and the step lengths that published formulae are written in."""

from dataclasses import replace

import numpy as np

from numtoolkit.program.canonical import canonical

ROUNDINGS = 1e-13  # a few hundred, of the largest coefficient


def gap(one, other, first=0):
    """How far two runs from step `first` on are from the same map."""
    return canonical(from_step(one, first)).gap(canonical(from_step(other, first)))


def from_step(program, first):
    return replace(program, steps=program.steps[first:])


def assert_same_run(one, other, first=0):
    assert gap(one, other, first) < ROUNDINGS


def clock_steps(process, times):
    """h of each step in log-SNR and the noise levels s of the grid."""
    s = process.noise_level(times)
    return np.log(s[:-1] / s[1:]), s


def ratios(steps):
    """Length of the step before over that of each step; 1 for the first, which has none before."""
    return np.append(1.0, steps[:-1] / steps[1:])
