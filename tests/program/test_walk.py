"""The one walk through a program: cut anywhere it is the same run, and it keeps and draws no more than it needs."""

from __future__ import annotations

import copy
import gc
import itertools
import pickle
import weakref
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from numtoolkit import Network, process, sample, stepper
from numtoolkit.arrays import join
from numtoolkit.errors import InputError
from numtoolkit.problem.grids import grid
from numtoolkit.problem.predictions import convert, outputs
from numtoolkit.program.canonical import canonical
from numtoolkit.program.program import CONSTANT, Affine, Call, Draw, Program, ProgramStep, lower
from numtoolkit.program.walk import Evaluation, Stepper, evaluations, plain
from numtoolkit.sampling.loop import run
from numtoolkit.schemes import scheme
from tests.support.sampling_cases import (
    answering,
    at_first,
    cases,
    cubic,
    normal,
    program_of,
    stands_for_its_structure,
)
from tests.support.tiers import breadth

ONE = ((1.0,),)


@dataclass
class Drawn:
    """Fixed normals of a process, and which of them were asked for."""

    law: object
    asked: list

    def __call__(self, step, slot):
        self.asked.append((step, slot))
        return normal(self.law, [step, slot])


def walk_of(own, law):
    """A run before its first evaluation, and its network."""
    program = program_of(own, law)
    return Stepper(program, normal(law, 0), Drawn(law, [])), answering(program, Network(cubic, "data").on(law))


def kept(walk):
    """A run put away and taken up again."""
    return pickle.loads(pickle.dumps(walk))  # noqa: S301 (written here)


def to_the_end(walk, network):
    while not walk.done:
        walk.send(network(walk.row, walk.time))
    return walk.state


def same(one, other):
    return all(map(np.array_equal, one, other))


# --- a run is cut and continued -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_a_run_cut_anywhere_equals_the_uncut_run(own, law):
    """Pickled or copied at any evaluation, once or at every one, a run goes on to the same bits and the same noise."""
    walk, network = walk_of(own, law)
    uncut = run(walk.program, network, normal(law, 0), Drawn(law, asked := []))
    chain, pieces, ways = walk, [], itertools.cycle((kept, copy.deepcopy))
    while not walk.done:
        pieces.append(kept(walk))
        chain = next(ways)(chain)
        for own_walk in (walk, chain):
            own_walk.send(network(own_walk.row, own_walk.time))
    for piece in (*pieces, walk, chain):
        assert same(to_the_end(piece, network), uncut)
        assert piece.algebra.normals.asked == asked


@pytest.mark.parametrize("dtype", [torch.float32, np.float64])
@pytest.mark.parametrize(("text", "law"), [("sa-solver(2)", "vp"), ("heun-edm-churn", "edm"), ("gddim-pc(2)", "psld")])
def test_a_stepper_is_the_run_of_sample(text, law, dtype):
    """Same arguments, same bits: start, noise and denoising step are those of `sample`, also after pickling."""
    network, on = Network(cubic, "data"), process(law)
    keywords = {"process": on, "grid": "quadratic", "nfe": 13, "seeds": range(3), "shape": 4, "dtype": dtype}
    expected = sample(text, network=network, denoise=True, **keywords).samples
    walk = stepper(text, network=network, denoise=True, **keywords)
    for _ in range(6):
        walk.send(network.on(on)(walk.row, walk.time))
    found = join(to_the_end(kept(walk), network.on(on)))
    assert found.dtype == expected.dtype
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_a_stepper_from_a_given_start_leaves_it_alone():
    """The start is copied, as in `sample`."""
    start = torch.ones(2, 3)
    walk = stepper("ddim", network=Network(cubic, "data"), process="vp", grid="uniform", steps=2, start=start)
    walk.state[0].zero_()
    assert torch.equal(start, torch.ones(2, 3))


# --- where it stands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_a_walk_stops_at_the_evaluations_of_its_program(own, law):
    """Number, step, told time and grid point of every stop are those that `evaluations` lists; between the last and
    the end there is none."""
    walk, network = walk_of(own, law)
    program, found = walk.program, []
    while not walk.done:
        at = np.flatnonzero(program.times == walk.time)
        found.append(Evaluation(walk.step, walk.call.of, walk.time, int(at[0]) if len(at) else None))
        assert walk.index == len(found) - 1
        if walk.call.of == "y":
            assert walk.row is walk.state
        walk.send(network(walk.row, walk.time))
    assert tuple(found) == evaluations(program)
    assert (walk.index, walk.step, walk.time) == (program.nfe, len(program.steps), program.times[-1])
    assert walk.row is walk.state


def test_the_grid_point_of_an_evaluation_between_two_is_none():
    """A midpoint is told a time of its own, the stages of Heun's method those of the grid."""
    law = process("edm")
    times = grid("rho", law, 2)
    assert [e.point for e in evaluations(lower(scheme("heun-edm"), law, times))] == [0, 1, 1, 2]
    assert [e.point for e in evaluations(lower(scheme("dpm-solver-2"), law, times))] == [0, None, 1, None]


def test_a_run_that_is_over_takes_no_evaluation():
    """One value too many is refused with a sentence."""
    walk, network = walk_of(scheme("ddim"), process("vp"))
    state = to_the_end(walk, network)
    with pytest.raises(InputError, match=r"^the run of ddim is over, no evaluation is wanted; take its state\.$"):
        walk.send(state)


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (lambda out: out, "takes a list of blocks, but a ndarray came; send [output]"),
        (lambda out: None, "takes a list of blocks, but a NoneType came"),
        (lambda out: [out, out], "takes 1 block an evaluation, but 2 came; send 1"),
        (lambda out: [out[:1]], r"takes blocks of shape \(2, 2\), but shape \(1, 2\) came"),
        (lambda out: [0.0], r"takes blocks of shape \(2, 2\), but a float came"),
    ],
)
def test_what_is_no_output_is_refused_where_it_is_sent(sent, sentence):
    """An array outside a list, which would be read row by row, another number of blocks, another shape."""
    walk = stepper("ddim", "vp", "gaussian(dim=2)", "log-snr", 3, seeds=range(2), dtype="numpy.float64")
    with pytest.raises(InputError, match=sentence.replace("[output]", r"\[output\]")):
        walk.send(sent(walk.row[0]))


def test_a_program_with_noise_needs_normals():
    """Without them the first draw is refused with a sentence."""
    law = process("vp")
    with pytest.raises(InputError, match=r"^the program draws noise, .*; give some\.$"):
        run(program_of(scheme("em"), law), Network(cubic, "data").on(law), normal(law, 0))


# --- the row is changed by the caller -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["ddim", "res-2s", "rk4"])
def test_a_run_goes_on_from_a_changed_state(text):
    """Inpainting: what the caller puts in place of the state is where the steps that follow begin."""
    walk, network = walk_of(scheme(text), process("vp"))
    while walk.step < 3:
        walk.send(network(walk.row, walk.time))
    moved = [walk.row[0] + 0.5]
    rest = replace(walk.program, steps=walk.program.steps[3:])
    walk.send(network(moved, walk.time), row=moved)
    if walk.step == 3:  # in the middle of a step of stages
        assert same(walk.state, moved)
    assert same(to_the_end(walk, network), run(rest, network, moved))


@pytest.mark.parametrize("text", ["dpmpp-2m", "res-3m", "unipc(1)"])
def test_history_goes_on_beside_a_changed_state(text):
    """With fixed values of the network a change d of the state moves the end by d sigma_end / sigma: data is frozen."""
    law = process("edm")
    whole, changed = (walk_of(scheme(text), law)[0] for _ in range(2))
    for walk in (whole, changed):
        values = np.random.default_rng(1)
        while not walk.done:
            row = [walk.row[0] + 0.5] if walk is changed and walk.call.of == "y" and walk.step in (0, 3) else None
            walk.send([values.standard_normal(walk.row[0].shape)], row=row)
    moved = sum(0.5 * law.t_min / whole.program.times[n] for n in (0, 3))
    if text == "unipc(1)":  # evaluates predictions, but for the first
        moved = 0.5 * law.t_min / whole.program.times[0]
    np.testing.assert_allclose(changed.state[0] - whole.state[0], moved, rtol=1e-12, atol=1e-13)


def test_a_changed_stage_leaves_the_state_as_it_is():
    """Only what reads that row sees the change: here, with noise predictions, the value taken there."""
    steps = (
        ProgramStep(
            1.0,
            0.0,
            (
                Affine("Y", (("y", ((2.0,),)),)),
                Call("E", "Y", 0.5),
                Affine("out", (("y", ONE), ("Y", ((10.0,),)), ("E", ((100.0,),)))),
            ),
            "out",
            (),
        ),
    )
    walk = Stepper(Program("by hand", process("vp"), "data", steps), [np.ones(1)])
    assert walk.row[0] == 2.0
    walk.send([np.full(1, 3.0)], row=[np.full(1, 5.0)])
    assert walk.state[0] == 1.0 + 50.0 + 300.0


@pytest.mark.parametrize("text", ["heun-edm", "rk4", "dpm-solver-3"])
@pytest.mark.parametrize("predicts", ["data", "velocity", "flow"])
def test_a_changed_stage_counts_where_the_rows_write_it_out(text, predicts):
    """Whatever the network returns of the changed row, the run goes on as with the noise there, which needs no row."""
    law, ends = process("vp"), []
    for given in ("noise", predicts):
        walk, values = Stepper(program_of(scheme(text), law, given), normal(law, 0)), np.random.default_rng(1)
        while not walk.done:
            row = [walk.row[0] + 0.1 * values.standard_normal(walk.row[0].shape)]
            noise = values.standard_normal(row[0].shape)
            P, Q = convert("noise", given, law, np.array([walk.time]))
            walk.send([P[0, 0, 0] * row[0] + Q[0, 0, 0] * noise], row=row)
        ends.append(walk.state[0])
    np.testing.assert_allclose(ends[1], ends[0], rtol=1e-10, atol=1e-10 * np.abs(ends[0]).max())


# --- what it draws and what it keeps --------------------------------------------------------------------------------


def step_of(*instructions, carry=(), out="out"):
    return ProgramStep(1.0, 0.0, instructions, out, carry)


def test_a_noise_is_drawn_where_it_is_first_used():
    """Not before the evaluations that stand between its instruction and its use, and once however often it is used."""
    step = step_of(
        Draw("a", 0, ONE),
        Draw("b", 1, ONE),
        Call("E0", "y", 1.0),
        Affine("Y", (("y", ONE), ("b", ONE))),
        Call("E1", "Y", 0.5),
        Affine("out", (("E1", ONE), ("a", ONE), ("b", ONE))),
    )
    asked = []
    walk = Stepper(Program("by hand", process("vp"), "data", (step, step)), [np.zeros(1)], Drawn(process("vp"), asked))
    seen = []
    while not walk.done:
        seen.append(list(asked))
        walk.send([np.zeros_like(walk.row[0])])
    assert seen == [[], [(0, 1)], [(0, 1), (0, 0)], [(0, 1), (0, 0), (1, 1)]]
    assert asked == [(0, 1), (0, 0), (1, 1), (1, 0)]


def test_a_noise_that_a_call_a_state_or_a_carried_name_is_is_drawn_in_its_step():
    """Every way to use a noise counts; one that nothing uses is not drawn."""
    on, law = Network(cubic, "data"), process("vp")
    first = step_of(
        Draw("a", 0, ONE), Draw("b", 1, ONE), Draw("c", 2, ONE), Call("E", "a", 1.0), out="y", carry=(("z", "b"),)
    )
    last = step_of(Draw("d", 0, ONE), Affine("e", (("z", ONE),)), out="d")
    asked = []
    walk = Stepper(Program("by hand", law, "data", (first, last)), normal(law, 0), Drawn(law, asked))
    assert asked == [(0, 0)]
    assert same(to_the_end(walk, on.on(law)), normal(law, [1, 0]))
    assert asked == [(0, 0), (0, 1), (1, 0)]


@pytest.mark.parametrize(("own", "law"), cases(lambda own: own.kind == "sde"))
def test_no_noise_of_a_scheme_lives_through_an_evaluation_for_nothing(own, law):
    """Draws and calls come in the order in which the rows of the program use them."""
    walk, network = walk_of(own, law)
    first_use = []
    for n, step in enumerate(walk.program.steps):
        noises = {i.name: (n, i.slot) for i in step.instructions if isinstance(i, Draw)}
        for i in step.instructions:
            if isinstance(i, Call):
                first_use.append("call")
            elif isinstance(i, Affine):
                first_use += [noises.pop(source) for source, _ in i.terms if source in noises]
    seen = walk.algebra.normals.asked
    while not walk.done:
        seen.append("call")
        walk.send(network(walk.row, walk.time))
    assert seen == first_use


@pytest.mark.parametrize(
    ("text", "history"),
    breadth(
        [("euler", 0), ("rk4", 0), ("dpmpp-2m", 1), ("exp-adams(4)", 3), ("unipc(3)", 3)],
        lambda text, history: text in ("euler", "dpmpp-2m"),
    ),
)
def test_a_walk_keeps_the_history_of_its_scheme_and_no_more(text, history):
    """At the first evaluation of a step late in a run, the values of the network that live are those carried on."""
    for steps in (15, 60):
        law, outputs = process("edm"), []
        program = lower(scheme(text), law, grid("rho", law, steps))
        walk = Stepper(program, [np.ones(3)], lambda step, slot: [np.ones(3)])
        while walk.index < program.nfe - 4:
            output = 0.5 * walk.row[0]
            outputs.append(weakref.ref(output))
            walk.send([output])
            del output
        gc.collect()
        assert sum(ref() is not None for ref in outputs) == history
    while not walk.done:
        walk.send([np.ones(3)])
    assert list(walk._names) == ["y"]


class Value:
    """What a run computes with, known by itself alone: no number."""

    shape = ()

    def __init__(self, live):
        self.serial = next(SERIALS)
        live[self.serial] = self
        self.live = live

    def __mul__(self, other):
        return Value(self.live)

    __add__ = __mul__


SERIALS = itertools.count()


@pytest.mark.parametrize(("own", "law"), breadth(cases(), stands_for_its_structure, at_first))
def test_at_an_evaluation_live_those_values_that_are_read_after_it(own, law):
    """Beside the row and the state at the start of the step, at every evaluation of the run of every scheme."""
    live, reads, program = weakref.WeakValueDictionary(), [], program_of(own, law)

    def update(terms):
        reads.append({value.serial for _, value in terms if isinstance(value, Value)})
        return plain(terms)

    def blocks(count):
        return [Value(live) for _ in range(count)]

    walk = Stepper(program, blocks(law.blocks), lambda step, slot: blocks(law.blocks), update)
    seen = []
    while not walk.done:
        named = {block.serial for block in (*walk.row, *walk.state)}
        seen.append((len(reads), set(live.keys()), named))
        walk.send(blocks(outputs(program.network, law) * (1 + program.both)))
    reads.append({block.serial for block in walk.state})
    for at, alive, named in seen:
        assert alive == named | (set().union(*reads[at:]) & alive)
        born = set().union(*reads[:at])
        assert born & set().union(*reads[at:]) <= alive


def test_what_lives_at_an_evaluation_is_read_after_it():
    """A row that a later evaluation is taken at, or that may be changed, does; what is carried for nobody does not."""
    first = step_of(
        Affine("r", (("y", ONE),)), Affine("s", (("y", ONE),)), Call("K", "y", 1.0), Call("E", "r", 1.0, ONE),
        Call("F", "s", 0.5), Affine("z", (("E", ONE), ("F", ONE))), out="z", carry=(("E", "E"), ("G", "F"), ("K", "K")),
    )  # fmt: skip
    last = step_of(
        Call("H", "y", 0.4), Call("E", "y", 0.3), Affine("z", (("E", ONE), ("y", ONE), ("H", ONE))), out="z",
    )  # fmt: skip
    program = Program("by hand", process("vp"), "data", (first, last))
    assert program.lives == ({"r", "s"}, {"r", "s"}, {"E"}, {"y"}, {"H", "y"})


# --- the canonical form ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("own", "law"), breadth(cases(), at_first))
def test_the_canonical_form_is_the_run(own, law):
    """Its coefficients times start, evaluations, normals and 1 give every row the network sees and the final state."""
    walk, network = walk_of(own, law)
    form, rows, values = canonical(walk.program), [], []
    while not walk.done:
        rows.append(walk.row)
        output = network(walk.row, walk.time)
        values += output
        walk.send(output)
    draws = sorted((n, i.slot) for n, step in enumerate(walk.program.steps) for i in step.instructions
                   if isinstance(i, Draw))  # fmt: skip
    noises = [block for draw in draws for block in normal(law, list(draw))]
    columns = np.stack([*normal(law, 0), *values, *noises, np.ones_like(rows[0][0])])
    assert form.times.tolist() == [e.time for e in evaluations(walk.program)]
    coefficients = np.array([*form.rows, form.final])
    found = np.einsum("nkc,cbe->nkbe", coefficients, columns)
    size = np.einsum("nkc,cbe->nkbe", np.abs(coefficients), np.abs(columns)).max()
    # roundings of what cancels, which is 1000 times as large where the noise is frozen at alpha = 1/1000
    np.testing.assert_allclose(found, np.array([*rows, walk.state]), rtol=0, atol=1e-12 * size)


def test_rows_that_are_written_otherwise_are_the_same_map():
    """Another order, other names, a row more: the form does not see them, but every coefficient that counts."""
    law = process("vp")
    one = Program("one", law, "data", (step_of(Call("E", "y", 1.0), Affine("out", (("y", ONE), ("E", ((3.0,),))))),))
    other = step_of(
        Call("F", "y", 1.0),
        Affine("twice", (("F", ((2.0,),)), ("y", ONE))),
        Affine("end", (("twice", ONE), ("F", ONE))),
        out="end",
    )
    wrong = replace(other, out="twice")
    later = replace(other, instructions=(Call("F", "y", 0.9), *other.instructions[1:]))
    form = canonical(one)
    assert form.final.tolist() == [[1.0, 3.0, 0.0]]
    assert form.gap(canonical(replace(one, steps=(other,)))) == 0
    assert form.gap(canonical(replace(one, steps=(wrong,)))) == pytest.approx(1 / 3)
    assert form.gap(canonical(replace(one, steps=(later,)))) == np.inf
    assert form.gap(canonical(replace(one, network="noise"))) == np.inf
    assert form.gap(canonical(replace(one, steps=(other, other)))) == np.inf


def test_the_constant_and_the_noise_of_a_program_have_columns_of_their_own():
    """One column each step and slot of noise, one for the constant at the end."""
    law = process("vp")
    step = step_of(Draw("xi", 0, ((2.0,),)), Affine("out", (("y", ONE), ("xi", ONE), (CONSTANT, ((5.0,),)))))
    assert canonical(Program("by hand", law, "data", (step, step))).final.tolist() == [[1.0, 2.0, 2.0, 10.0]]
