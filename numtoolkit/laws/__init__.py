"""Laws of data with closed-form denoisers: Gaussian, mixture of Gaussians, and a data set as its own law."""

from numtoolkit.laws.empirical import Empirical
from numtoolkit.laws.files import load
from numtoolkit.laws.gaussian import Gaussian, GaussianMixture
from numtoolkit.laws.imperfect import Imperfect, Rough
from numtoolkit.laws.law import Law
from numtoolkit.laws.named import NAMED, law_of

__all__ = ["NAMED", "Empirical", "Gaussian", "GaussianMixture", "Imperfect", "Law", "Rough", "law_of", "load"]
