"""Files of Python that a person might have: schemes, a family, laws, processes and networks of their own."""

from __future__ import annotations

MINE = '''
"""Declared by a person who knows the README."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

import numtoolkit as nt
from numtoolkit.laws import Gaussian
from numtoolkit.problem.processes import VP, ScalarProcess

print("this file was run")
c2 = nt.symbol("c2")
RES = nt.Scheme(
    "my-res",
    family="mine",
    source="my notebook",
    steps=nt.tableau([0, c2], [[], [c2 * nt.phi(1, c2)]], [nt.phi(1) - nt.phi(2) / c2, nt.phi(2) / c2]),
    frozen="data",
    clock="log-snr",
    params=(nt.Param("c2", Fraction(1, 2), Fraction(0), Fraction(1), open=True),),
    claims=nt.Claims(classical=2, stiff_strong=2),
)


def family(n, variant="plain"):
    if variant == "broken":
        raise ValueError(f"no\\nmember {n} of it")
    return RES.bind(c2=Fraction(1, n))


def law(dim: int = 2, std: float = 0.5):
    return nt.law_of(f"gaussian(dim={dim}, std={std})")


class MyLaw(Gaussian):
    def __init__(self):
        super().__init__(np.zeros(2), 0.25, "my-law")


class Half:
    def denoise(self, y, sigma):
        return y / 2


HALF = Half()


@dataclass(frozen=True)
class MyVP(VP):
    name: str = "my-vp"


PLAIN = type("Plain", (ScalarProcess,), dict.fromkeys(ScalarProcess.__abstractmethods__))()
SHIFTED = MyVP(beta_max=12.0)


def network(z, t):
    return z / 2


NET = nt.Network(network, "noise", shape=(2,), time="float")
BARE = nt.Network(network, "noise", time="float")


def scaled(by: float = 1.0):
    return nt.Network(lambda z, t: by * z, "noise", shape=(2,), time="float", name=f"scaled by {by}")


def failing(z, t):
    raise RuntimeError("no weights")


FAILS = nt.Network(failing, "noise", shape=(2,), time="float")
NUMBER = 3
'''


def mine(folder, name="mine.py", text=MINE):
    """The file in a folder."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
