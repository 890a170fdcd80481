"""The fused and the compiled update are within a bound of the plain one, in every row of every scheme."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit import Network, sample
from numtoolkit.errors import InputError, InputWarning
from numtoolkit.laws import NAMED
from numtoolkit.sampling import compiled, noise
from numtoolkit.sampling.fused import fused
from numtoolkit.sampling.loop import plain
from tests.support.sampling_cases import (
    EPS,
    FLOATS,
    STEPS,
    at_first,
    cases,
    cubic,
    follow,
    gap_over_bound,
    normal,
    tensors,
)
from tests.support.tiers import breadth


@given(
    st.lists(st.floats(-4, 4, width=32).filter(lambda c: abs(c) > 1e-3), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from(FLOATS),
)
def test_fused_is_within_its_bound_of_plain_and_changes_nothing(coefficients, seed, dtype):
    """Any terms in any dtype: within n eps of the sum of absolute terms, and no argument is written to."""
    generator = torch.Generator().manual_seed(seed)
    arrays = [torch.randn(3, 37, generator=generator, dtype=torch.float64).to(dtype) for _ in coefficients]
    terms = list(zip([1.0, *coefficients[1:]] if seed % 2 else coefficients, arrays, strict=True))
    before = [array.clone() for array in arrays]
    assert gap_over_bound(terms) <= 1
    assert fused(terms).dtype == dtype
    assert all(map(torch.equal, arrays, before))


@pytest.mark.parametrize(("own", "law"), breadth(cases(), at_first))
def test_fused_is_within_its_bound_in_every_row_of_every_scheme(own, law):
    """The same bound on the rows of real runs, whose terms cancel as they do there."""
    worst = []

    def update(terms):
        worst.append(gap_over_bound(terms))
        return fused(terms)

    follow(own, law, Network(cubic, "data"), tensors(normal(law, 0)), turn=tensors, update=update)
    assert len(worst) >= STEPS
    assert max(worst) <= 1


def test_fused_runs_end_within_a_few_ulp_of_plain_ones():
    """Rows differ by at most 3 eps of their terms' size, which never exceeds that of the start, 400 after 4 sigma; the
    flow of 20 steps contracts, so that is the total too, with room for the sum over the steps (2 is measured)."""
    keywords = {"process": "edm", "grid": "rho", "steps": 20, "seeds": range(8), "dtype": torch.float64}
    network = Network.of(NAMED["gaussian"](dim=16))
    for own in ("dpmpp-2m", "heun-edm", "unipc"):
        ends = [sample(own, network=network, update=update, **keywords).samples for update in ("plain", "fused")]
        assert 0 < float((ends[0] - ends[1]).abs().max()) < 3 * EPS * 400


# --- compiled

RUN = {"process": "edm", "grid": "rho", "steps": 6, "seeds": range(4), "shape": 4, "update": "compiled"}
CUBIC = Network(cubic, "data")


@pytest.fixture
def anew(monkeypatch):
    """Nothing is compiled yet, and rows of any length would be."""
    caches = compiled._kernel, compiled._failure, noise._kernel
    monkeypatch.setattr(compiled, "NUMBERS", 1)
    monkeypatch.setattr(compiled, "DRAWN", 1)
    for own in caches:
        own.cache_clear()
    yield
    for own in caches:
        own.cache_clear()


def test_a_small_run_is_fused_where_it_was_to_be_compiled_and_says_so():
    """Bit for bit, by the size of its tiles, and nothing is compiled for it."""
    run = sample("dpmpp-2m", network=CUBIC, **RUN)
    assert run.provenance["update"].startswith("fused: compiled are rows from 2097152 numbers")
    assert torch.equal(run.samples, sample("dpmpp-2m", network=CUBIC, **RUN | {"update": "fused"}).samples)


def test_a_run_is_fused_where_nothing_compiles_and_warns(anew, monkeypatch):
    """Without a compiler the numbers are those of the fused update, and a sentence says what to do."""

    def compile(function, **keywords):
        def kernel(*arguments):
            raise OSError("no compiler")

        return kernel

    monkeypatch.setattr(torch, "compile", compile)
    with pytest.warns(InputWarning, match=r"compiles nothing for cpu here \(OSError\).*give update='fused'\."):
        run = sample("dpmpp-2m", network=CUBIC, **RUN)
    assert run.provenance["update"] == "fused: nothing compiles here"
    assert torch.equal(run.samples, sample("dpmpp-2m", network=CUBIC, **RUN | {"update": "fused"}).samples)


def test_the_compiled_path_is_taken_for_rows_of_three_terms_in_one_piece(anew, monkeypatch):
    """What is compiled is called for them alone, in the shape of the arrays; a run that takes it says so."""
    called = []

    def compile(function, dynamic):
        def kernel(coefficients, arrays):
            called.append([tuple(array.shape) for array in arrays])
            return function(coefficients, arrays)

        return kernel

    monkeypatch.setattr(torch, "compile", compile)
    a, b, c = torch.randn(3, 5, 6, dtype=torch.float64)
    long, short, turned = ([(0.5, a), (2.0, b), (-1.0, c)], [(0.5, a), (2.0, b)], [(1.5, a.T), (2.0, b.T), (1.0, c.T)])
    for terms, calls in ((long, [[(30,)] * 3]), (short, []), (turned, [])):
        called.clear()
        assert float((compiled.compiled(terms) - plain(terms)).abs().max()) < 1e-14
        assert called == calls
    assert sample("dpmpp-2m", network=CUBIC, **RUN).provenance["update"] == "compiled"
    assert called


def test_noise_is_compiled_where_rows_are_too_small(anew, monkeypatch):
    """A run says so and draws by what is compiled: which, where nothing is, gives the samples of the fused one."""
    monkeypatch.setattr(compiled, "NUMBERS", 2**21)
    called = []

    def compile(function, dynamic):
        def kernel(*arguments):
            called.append(function.__name__)
            return function(*arguments)

        return kernel

    monkeypatch.setattr(torch, "compile", compile)
    run = sample("sde-dpmpp-2m", network=CUBIC, **RUN)
    assert run.provenance["update"] == "fused, noise compiled"
    assert called.count("columns") >= 5
    assert torch.equal(run.samples, sample("sde-dpmpp-2m", network=CUBIC, **RUN | {"update": "fused"}).samples)
    assert sample("dpmpp-2m", network=CUBIC, **RUN).provenance["update"].startswith("fused: ")


def test_a_compiled_run_is_neither_recorded_nor_in_numpy():
    """It is refused in the words of the fused one."""
    with pytest.raises(InputError, match="'compiled' sums in place"):
        sample("dpmpp-2m", network=CUBIC, grad=True, **RUN)
    with pytest.raises(InputError, match="'compiled' works on torch tensors"):
        sample("dpmpp-2m", network=CUBIC, dtype="numpy.float64", **RUN)


@pytest.mark.long
@pytest.mark.filterwarnings("default")  # of the compiler's own
def test_what_torch_compiles_is_within_the_bound_of_the_fused_update(anew):
    """n eps of the sum of absolute terms, for other coefficients and sizes than it was compiled with; noise; a run."""
    if compiled._failure("cpu") is not None:
        pytest.skip("torch has no compiler here")
    generator = torch.Generator().manual_seed(0)
    for size in (1000, 37):
        terms = list(zip((1.0, -0.7, 0.3 * size), torch.randn(3, size, generator=generator), strict=True))
        assert compiled.compiled(terms).dtype == torch.float32
        assert gap_over_bound(terms, compiled.compiled) <= 1
    like, seeds = torch.empty(0, dtype=torch.float64), [3, 2**64 - 1]
    exact, drawn = (noise.normals(seeds, 1, 2, 999, like, own).numpy() for own in (False, True))
    assert (np.abs(drawn - exact) <= 4 * np.spacing(np.abs(exact))).all()
    runs = [sample("sde-dpmpp-2m", network=CUBIC, **RUN | {"update": update}) for update in ("compiled", "fused")]
    assert [run.provenance["update"] for run in runs] == ["compiled", "fused"]
    assert float((runs[0].samples - runs[1].samples).abs().max()) < 3 * torch.finfo(torch.float32).eps * 400
