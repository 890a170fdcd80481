"""How rough a network is: what it changes between two times close together beyond what a law like its data does."""

from __future__ import annotations

import numpy as np

from numtoolkit.arrays import Floats, lower_factor
from numtoolkit.laws import Law, Rough
from numtoolkit.measure.own_networks import OwnNetwork
from numtoolkit.problem.processes import Process
from numtoolkit.program.walk import Blocks
from numtoolkit.sampling.noise import START, normals
from numtoolkit.sampling.state import coloured

LEVELS = 12  # at which a network is asked, twice each, from one end of its process to the other
APART = 0.1  # of the two times, in log s
PART = 3  # of the normals of a start, which no other function draws there


def rough_law(law: Law, network: OwnNetwork, samples: Floats, seed: int) -> tuple[Rough, int]:
    """A law like the data of a network, made as rough as the network is, and the evaluations that it took.

    Samples are noised to each level, with one noise for both times; the field of the law is scaled so that it changes
    between them as much as the difference of network and law does, as root mean squares over samples and coordinates.
    law      such as the proxy law of the samples
    network  on a process
    samples  (n, *event), float64, such as outputs of a pilot run, with the conditions of the network
    seed     of the noise of the first sample
    cost     2 LEVELS evaluations of each sample
    """
    process = network.process
    high, low = np.log(process.level(np.array([process.T, process.t_min])))
    middle = np.linspace(low + APART / 2, high - APART / 2, LEVELS)
    plain, rates = Rough(law, np.exp(middle), np.ones(LEVELS)), np.zeros((2, LEVELS))
    seeds = range(seed, seed + len(samples))
    for i, at in enumerate(middle):
        changes = []
        for s in np.exp([at - APART / 2, at + APART / 2]):
            t = float(np.clip(process.time_of_level(np.array([s]))[0], process.t_min, process.T))
            state = _noised(process, samples, t, seeds)
            y, level = process.observe(state, t)
            apart = network.data(state, t) - law.denoise(y, level)
            changes.append((apart, plain.field(y, np.array([[level]])).reshape(y.shape)))
        rates[:, i] = [np.sqrt(np.mean((late - early) ** 2)) for early, late in zip(*changes, strict=True)]
    return Rough(law, np.exp(middle), rates[0] / rates[1]), 2 * LEVELS


def _noised(process: Process, samples: Floats, t: float, seeds: range) -> Blocks:
    """Samples at a process time, with one noise at all times."""
    e, sigma = process.kernel(np.array([t]))
    xi = normals(seeds, START, PART, (process.blocks, *samples.shape[1:]))
    noise = coloured(lower_factor(sigma)[0], np.moveaxis(xi, 1, 0))
    return [e[0, i] * samples + block for i, block in enumerate(noise)]
