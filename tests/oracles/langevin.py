"""Phase-space Langevin diffusion as arXiv:2303.01748 writes it, and linear flows by Gauss's collocation.

    dz = F z dt + sqrt(Q) dw,   F = (beta/2) [[-Gamma, k], [-1, -nu]],   Q = beta diag(Gamma, M nu),   k = 1/M

with z = (x, m), critically damped. Lengths of steps are those of the integral of beta, the papers' beta h. Times are
arrays of any shape (...), blocks (..., 2, 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre

NODES, PANELS = 16, 6  # of the collocation, of order 32: a panel more changes no digit of the runs


@dataclass(frozen=True)
class Langevin:
    """The process; CLD (arXiv:2112.07068) is Gamma = 0. beta rises linearly from t = 0 to 1."""

    beta_min: float
    beta_max: float
    Gamma: float
    nu: float
    gamma: float

    @classmethod
    def of(cls, process) -> Langevin:
        """The same parameters as those of one of our processes, and nothing else of it."""
        return cls(*(getattr(process, name) for name in cls.__dataclass_fields__))

    @property
    def k(self):
        """1 / M at critical damping."""
        return (self.Gamma - self.nu) ** 2 / 4

    @property
    def M(self):
        return 1 / self.k

    @property
    def unit_F(self):
        """F / beta."""
        return np.array([[-self.Gamma, self.k], [-1, -self.nu]]) / 2

    @property
    def unit_Q(self):
        """Q / beta."""
        return np.diag([self.Gamma, self.M * self.nu])

    def beta(self, t):
        return self.beta_min + (self.beta_max - self.beta_min) * t

    def elapsed(self, t):
        """The integral of beta over [0, t]."""
        return self.beta_min * t + (self.beta_max - self.beta_min) * t * t / 2

    def F(self, t):
        return blocks(self.beta(t)) * self.unit_F

    def Q(self, t):
        return blocks(self.beta(t)) * self.unit_Q

    def propagator(self, b):
        """exp(b F / beta) over b of the integral of beta: 1 + b (F / beta + a) is nilpotent beside 1, a = -tr / 2."""
        a = (self.Gamma + self.nu) / 4
        return np.exp(-a * blocks(b)) * (np.eye(2) + blocks(b) * (self.unit_F + a * np.eye(2)))

    def mean(self, t):
        """e with z_t | x_0 ~ N(e x_0, Sigma), (..., 2)."""
        return self.propagator(self.elapsed(t))[..., 0]

    def covariance(self, t):
        """Sigma of m_0 ~ N(0, gamma M): Q carried through the flow, by quadrature."""
        return _covariance(self, np.float64(t).tobytes(), np.shape(t))

    def noise_factor(self, t):
        """The lower Cholesky factor of Sigma."""
        return np.linalg.cholesky(self.covariance(t))

    def covariance_rate(self, t):
        """dSigma/dt by its Lyapunov equation."""
        half = self.F(t) @ self.covariance(t)
        return half + turned(half) + self.Q(t)

    def noise_level(self, t):
        """s with z_t as informative about x_0 as x_0 + s n."""
        e = self.mean(t)
        return np.einsum("...i,...i->...", e, solved(self.covariance(t), e)) ** -0.5


@cache
def _covariance(p, times, shape):
    """Of the bytes of float64 times: formulas ask for the same ones again and again."""
    b = np.asarray(p.elapsed(np.frombuffer(times).reshape(shape)))
    x, w = legendre.leggauss(NODES)
    noise = carried(p.propagator(np.multiply.outer(b, (x + 1) / 2)), p.unit_Q)
    start = carried(p.propagator(b), np.diag([0, p.gamma * p.M]))
    return np.einsum("...sij,s->...ij", noise, w / 2) * blocks(b) + start


def score(p, out, z, t):
    """(S^x, S^m) of the outputs of a network: two are the noise, S = -L^-T e, one the data, S = -Sigma^-1 (z - e D)."""
    if np.shape(out) == np.shape(z):
        return -apply(inverse_turned(p.noise_factor(t)), out)
    return -apply(np.linalg.inv(p.covariance(t)), z - np.multiply.outer(p.mean(t), out))


def blocks(scalars):
    """Numbers (...) as (..., 1, 1)."""
    return np.asarray(scalars)[..., None, None]


def turned(A):
    return np.swapaxes(A, -1, -2)


def inverse_turned(A):
    """A^-T."""
    return turned(np.linalg.inv(A))


def carried(E, covariance):
    return E @ covariance @ turned(E)


def solved(A, vectors):
    return np.linalg.solve(A, np.asarray(vectors)[..., None])[..., 0]


def apply(A, z):
    """Blocks (2, c) on state blocks (c, ...)."""
    return np.tensordot(A, z, 1)


def lower_factor(C):
    """Cholesky's, of a covariance that may lack its first row."""
    a = np.sqrt(C[0, 0])
    b = C[0, 1] / a if a else 0.0
    return np.array([[a, 0.0], [b, np.sqrt(C[1, 1] - b * b)]])


@cache
def collocation():
    """Nodes, weights and the matrix of Gauss's method on [0, 1]."""
    x, w = legendre.leggauss(NODES)
    basis = (np.arange(NODES) + 0.5)[:, None] * (w[:, None] * legendre.legvander(x, NODES - 1)).T  # l_j in P_k
    return (x + 1) / 2, w / 2, legendre.legvander(x, NODES) @ legendre.legint(basis, lbnd=-1) / 2


def nodes(end, start):
    """Times and weights (n,) of a quadrature over [end, start], in panels of sqrt(t): factors of Sigma go as that."""
    c, b, _ = collocation()
    edges = np.linspace(np.sqrt(end), np.sqrt(start), PANELS + 1)
    root, width = edges[:-1, None] + np.diff(edges)[:, None] * c, np.diff(edges)[:, None]
    return (root**2).ravel(), (2 * root * width * b).ravel()


def flow_into(W, end, start):
    """U with U' = U W(t) and U(end) = 1, time-ordered: (U at the nodes (n, 2, 2), U(start)), psld.md 2.4."""
    _, b, A = collocation()
    t, w = nodes(end, start)
    step = (turned(W(t)) * blocks(w / np.tile(b, PANELS))).reshape(PANELS, NODES, 2, 2)
    X, found = np.eye(2), []
    for own in step:  # X = U^T, X_i = X + sum_j A_ij step_j X_j
        big = np.eye(2 * NODES) - np.einsum("ij,jkl->ikjl", A, own).reshape(2 * NODES, -1)
        stages = np.linalg.solve(big, np.tile(X, (NODES, 1))).reshape(NODES, 2, 2)
        found.append(stages)
        X = X + np.einsum("j,jkl,jlm->km", b, own, stages)
    return turned(np.concatenate(found)), X.T
