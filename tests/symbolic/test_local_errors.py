"""Local errors of the phase-space splittings are those of hand-derived formulas, on random rational data."""

from fractions import Fraction as F

import numpy as np
import pytest

from numtoolkit.schemes import scheme
from numtoolkit.symbolic.classical import order
from numtoolkit.symbolic.steps_back import StepInClock
from numtoolkit.symbolic.weak import defects, weak_order

# phase space: local errors against hand-derived formulas (psld.md 3.2), on random rational data


class Score:
    """A random score S(s; x, m), affine in time and quadratic in the state; everything rational."""

    def __init__(self, seed):
        draw = np.random.default_rng(seed)
        self.rational = lambda *shape: np.array(
            [F(int(a), int(b)) for a, b in zip(draw.integers(-9, 10, 64), draw.integers(1, 8, 64), strict=True)], object
        )[: int(np.prod(shape))].reshape(shape)
        self.z, self.value, self.slope, self.time = (
            self.rational(2), self.rational(2), self.rational(2, 2), self.rational(2))  # fmt: skip
        Gamma, nu, k = F(1, 7), F(9, 2), F(5, 3)
        self.Gamma, self.nu, self.k, self.M = Gamma, nu, k, 1 / k
        self.L = np.array([[Gamma, -k], [F(1), nu]], object) / 2
        self.N = np.array([[Gamma, F(0)], [F(0), nu / k]], object) / 2

    def word(self, word, vector):
        for name, row, jet in reversed(word):
            assert jet == 0
            vector = getattr(self, name) @ vector
            if row:
                keep = 0 if row == "x" else 1
                vector = np.array([v if i == keep else F(0) for i, v in enumerate(vector)], object)
        return vector

    def term(self, term):
        word, leaf = term
        return self.word(word, self.tree(leaf) if leaf else self.z)

    def tree(self, tree):
        time, children = tree
        if (time, len(children)) == (0, 0):
            return self.value
        if (time, len(children)) == (1, 0):
            return self.time
        assert (time, len(children)) == (0, 1)
        return self.slope @ self.term(children[0])

    def freeze_the_drift(self):
        """Take the whole drift for the network, as euler does."""
        self.value, self.slope = self.L @ self.z + self.N @ self.value, self.L + self.N @ self.slope
        self.time, self.N = self.N @ self.time, np.diag([F(1), F(1)])

    def formulas(self):
        """psld.md 3.2 with b = 1/2, per unit of the integral of beta; numerical minus exact, coefficient of h^2."""
        b, (x, m), (Sx, Sm), (Sxs, Sms) = F(1, 2), self.z, self.value, self.time
        Gamma, nu, k, M = self.Gamma, self.nu, self.k, self.M
        (Sxx, Sxm), (Smx, Smm) = self.slope
        f, g = b * (Gamma * x - k * m + Gamma * Sx), b * (x + nu * m + M * nu * Sm)
        fx, fm, fs = b * Gamma * (1 + Sxx), b * (-k + Gamma * Sxm), b * Gamma * Sxs
        gx, gm, gs = b * (1 + M * nu * Smx), b * nu * (1 + M * Smm), b * M * nu * Sms
        X2, M2 = fs + fx * f + fm * g, gs + gx * f + gm * g
        along = Sxs + Sxx * f + Sxm * g
        return {
            "euler": (-X2 / 2, -M2 / 2),
            "nse": (fm * g - X2 / 2, -M2 / 2),
            "rse": (-b * k * g - X2 / 2, -M2 / 2),
            "nvv": (-(fs + fx * f) / 2, -gs / 2 - gm * g / 4),
            "rvv": (-b * Gamma / 2 * (f + along), -gm * g / 4),
            "rvv-unshifted": (-b * Gamma / 2 * (f + along), -gs / 2 - gm * g / 4),
        }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", ["euler", "nse", "rse", "nvv", "rvv", "rvv-unshifted"])
def test_local_errors_of_the_phase_space_splittings(name, seed):
    """The coefficient of h^2 equals the derived formula exactly, on five random rational scores (psld.md 3.2)."""
    score = Score(seed)
    expected = score.formulas()[name]
    if name == "euler":
        score.freeze_the_drift()
    found = sum((v * score.term(term) for term, v in order(scheme(name)).residuals.items()), np.array([F(0), F(0)]))
    assert tuple(found) == expected


class AffineScore(Score):
    """Random rational blocks of the reverse SDE (psld.md 3.4), K = -F + Q J in reverse time."""

    def __init__(self, seed):
        super().__init__(seed)
        Gamma, nu, k = self.Gamma, self.nu, self.k
        diag = lambda a, b: np.array([[a, F(0)], [F(0), b]], object)  # noqa: E731
        self.Q = diag(Gamma, nu / k)
        self.N = self.Q
        self.O = -diag(Gamma, nu) / 2
        self.R = self.L - self.Q @ diag(F(1), k)
        self.J = [self.rational(2, 2), self.rational(2, 2)]
        root = self.rational(2, 2)
        self.C = root @ root.T

    def freeze_the_drift(self):
        """Take the whole drift for the network, as em does."""
        self.J = [self.L + self.Q @ self.J[0], self.Q @ self.J[1]]
        self.N = np.diag([F(1), F(1)])

    def matrix(self, word):
        result = np.array([[F(1), F(0)], [F(0), F(1)]], object)
        for name, row, jet in word:
            block = self.J[jet] if name == "J" else getattr(self, name)
            result = result @ (block if not row else self.cut(block, row))
        return result

    def cut(self, block, row):
        keep = self.rows(row)
        return np.array([[x * keep[i] for x in line] for i, line in enumerate(block)], object)

    def rows(self, row):
        return [F(row == "x"), F(row == "m")]

    def defect(self, mean, covariance):
        """The coefficient of h^2 of the covariance after a step from covariance C."""
        R2 = sum((c * self.matrix(w) for w, c in mean.items() if w[-1][0] != "j"), self.Q * 0)
        total = R2 @ self.C + self.C @ R2.T
        for (left, rate, right), c in covariance.items():
            if rate[2]:  # a time derivative of Q, which is constant
                continue
            Q = self.Q if not rate[1] else self.cut(self.Q, rate[1])
            total = total + c * self.matrix(left) @ Q @ self.matrix(right).T
        return total

    def formula(self, name):
        sym = lambda X: X + X.T  # noqa: E731
        K, Q, C, OU, J = self.L + self.Q @ self.J[0], self.Q, self.C, self.O, self.J[0]
        slope = self.Q @ self.J[1]
        Al, As = self.cut(self.L - OU, "x"), self.cut(Q @ J, "x")
        A, B = Al + As, self.cut(self.L - OU + Q @ J, "m")
        first = K @ C + C @ K.T + Q
        exact = (sym(slope @ C) + K @ first + first @ K.T) / 2
        Fa, Sp = self.R, K - self.R
        W = sym((A + B) @ Q) + sym(OU @ Q) / 2
        whole, late = OU @ OU / 2 + (A + B) @ OU, OU @ OU / 2 + OU @ (A + B)
        P2, W2 = {
            "em": (Q * 0, Q * 0),
            "sscs": ((Fa @ Fa + Fa @ Sp + Sp @ Fa) / 2, sym(K @ Q) / 2),
            "noba": (whole + A @ B, W),
            "roba": (whole + Al @ B, W),
            "nbao": (late + A @ B, sym(OU @ Q) / 2),
            "rbao": (late + Al @ B, sym(OU @ Q) / 2),
            "nobab": (whole + (A @ B + B @ A) / 2 + B @ B / 4, W),
            "robab": (whole + (Al @ B + B @ A) / 2 + B @ B / 4 + self.cut(slope, "m") / 2, W),
        }[name]
        return sym(P2 @ C) + K @ C @ K.T + W2 - exact


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["em", "sscs", "noba", "roba", "nbao", "rbao", "nobab", "robab"])
def test_covariance_defects_of_the_stochastic_splittings(name, seed):
    """psld.md 3.4, exactly, on random rational blocks and incoming covariance."""
    score = AffineScore(seed)
    expected = score.formula(name)
    if name == "em":
        score.freeze_the_drift()
    _, mean, covariance, _ = defects(StepInClock(scheme(name)), 2)
    assert (score.defect(mean, covariance) == expected).all()


def test_stochastic_residuals_name_the_defect():
    """psld.md 3.4: SSCS fails only through its score part, Euler and told the time of the start."""
    found = weak_order(scheme("sscs"))
    assert (found.weak, found.strong, found.general) == (1, 1, True)
    words = {str(row["tree"]): str(row["value"]) for row in found.residuals}
    assert words["N j1"] == "-1/2"
    assert words["N J N j"] == "-1/2"
