"""The one walk through a run program: rows are combined in order, and it stands still where the network is wanted.

    walk = Walk(program, start, algebra)
    while not walk.done:
        walk.send(network(walk.row, walk.time))
    walk.state

What its values are is an `Algebra`. `Arrays` are numpy arrays or torch tensors: with them the walk is the `Stepper`,
which samples. Matrices (`numtoolkit.program.matrices`) give the moments, the stability and the canonical form of a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from numtoolkit.declare.steps import START
from numtoolkit.errors import InputError, counted, typed
from numtoolkit.problem.predictions import outputs
from numtoolkit.program.program import CONSTANT, Affine, Block, Call, Draw, Program, ProgramStep

_CHANGED = "changed"  # the row that the caller goes on with
V = TypeVar("V")
Blocks = list[Any]  # one array a state part or network output
NetworkCall = Callable[[Blocks, float], Blocks]  # (state blocks, process time) -> output blocks
Normals = Callable[[int, int], Blocks]  # (step, slot) -> one standard normal array a state block
Update = Callable[[Sequence[tuple[float, Any]]], Any]  # [(coefficient, array), ...] -> their combination
Hand = Callable[[int, ProgramStep, dict[str, V]], dict[str, V]]  # (step number, step, its names) -> those of the next


class Algebra(Protocol[V]):
    """What the values of a walk are.

    n      number of the step; names, the values known so far in it, the state at its start as "y"
    """

    @property
    def one(self) -> V:
        """The value of the constant source."""

    def combine(self, row: Affine, n: int, names: Mapping[str, V]) -> V:
        """The sum of block * source of a `row` of step `n` over `names`; without terms it is 0, as large as a state."""

    def draw(self, noise: Draw, n: int, names: Mapping[str, V]) -> V:
        """The value of a `noise` of step `n`, of the size of a state among `names`."""


class Evaluation(NamedTuple):
    """One evaluation of a run: the number of its step, the row it is taken at, and the process time that is told.

    point  the index of that time in `program.times`, None for a time between them
    """

    step: int
    row: str
    time: float
    point: int | None


def evaluations(program: Program) -> tuple[Evaluation, ...]:
    """The evaluations of a run in their order, as its walk stops at them."""
    points = {t: n for n, t in enumerate(program.times.tolist())}
    return tuple(
        Evaluation(n, i.of, i.time, points.get(i.time))
        for n, step in enumerate(program.steps)
        for i in step.instructions
        if isinstance(i, Call)
    )


def handed(n: int, step: ProgramStep, names: dict[str, V]) -> dict[str, V]:
    """What step number `n` hands on of its `names`: the new state, what the `step` carries, and the constant."""
    kept = {START: names[step.out], CONSTANT: names[CONSTANT]}
    for new, old in step.carry:
        if old in names:  # a run lets go of what no step will read
            kept[new] = names[old]
    return kept


class Walk(Generic[V]):
    """A program on its way: it stands at an evaluation, or is done.

    program  what is walked; start, the value of the state at its start
    hand     what each step hands on to the next; by default `handed`, so that no value outlives what needs it
    call     the evaluation that is wanted, None at the end
    row      the value that the network is wanted on: at the end, the final state
    time     the process time that the network is told: at the end, the last one of the run
    index    how many evaluations are behind it: at the end, those of the run
    step     the number of the step it stands in: at the end, how many there are
    """

    def __init__(self, program: Program, start: V, algebra: Algebra[V], hand: Hand[V] = handed) -> None:
        self.program, self.algebra = program, algebra
        self.call: Call | None = None
        self.row, self.time = start, program.steps[0].start
        self.index, self.step = 0, 0
        self._hand, self._at = hand, 0  # _at: instructions of the step that are behind it
        self._names: dict[str, V] = {START: start, CONSTANT: algebra.one}
        self._undrawn: dict[str, Draw] = {}
        self._go()

    @property
    def done(self) -> bool:
        """Whether it stands at the end of the run."""
        return self.call is None

    @property
    def state(self) -> V:
        """The state at the start of the step it stands in, or at the end of the run."""
        return self._names[START]

    def send(self, output: V, row: V | None = None) -> None:
        """Give what the network returned, and go on to the next evaluation.

        row     what the run goes on with in place of the row, where the caller changed it; if the row is the state
                itself, so is the state
        raises  InputError at the end of the run
        """
        call = self.call
        if call is None:
            raise InputError(f"the run of {self.program.scheme} is over, no evaluation is wanted; take its state.")
        self._names[call.name] = output
        if row is not None:
            if call.moves is not None:
                self._names[_CHANGED] = row
                self._names[call.name] = self.algebra.combine(_as_changed(call, call.moves), self.step, self._names)
            self._names[call.of] = row
        self.index += 1
        self._go()

    def _go(self) -> None:
        """On to the next evaluation, or to the end.

        A noise is drawn where it is first used. Drawn where its instruction stands it could live through an evaluation,
        and a generator that comes with each evaluation would be asked one too early.
        """
        steps, algebra, undrawn = self.program.steps, self.algebra, self._undrawn
        while self.step < len(steps):
            n, step, names = self.step, steps[self.step], self._names
            for at in range(self._at, len(step.instructions)):
                instruction = step.instructions[at]
                if isinstance(instruction, Affine):
                    if undrawn:
                        self._draw(source for source, _ in instruction.terms)
                    names[instruction.name] = algebra.combine(instruction, n, names)
                elif isinstance(instruction, Call):
                    if undrawn:
                        self._draw((instruction.of,))
                    self.call, self.row, self.time = instruction, names[instruction.of], instruction.time
                    self._at = at + 1
                    return
                else:
                    undrawn[instruction.name] = instruction
            if undrawn:
                self._draw((step.out, *(old for _, old in step.carry)))
                undrawn.clear()
            self._names = self._hand(n, step, names)
            self.step, self._at = n + 1, 0
        self.call, self.row, self.time = None, self.state, steps[-1].end
        self._names = {START: self.state}

    def _draw(self, used: Iterable[str]) -> None:
        """Draw the noises among the names `used` that are not drawn yet."""
        for name in used:
            if name in self._undrawn:
                self._names[name] = self.algebra.draw(self._undrawn.pop(name), self.step, self._names)


def _as_changed(call: Call, moves: Block) -> Affine:
    """The output at a changed row as one at the row that was asked for: what is frozen over the step is the same."""
    unit = tuple(tuple(float(i == j) for j in range(len(moves))) for i in range(len(moves)))
    back = tuple(tuple(-c for c in row) for row in moves)
    return Affine(call.name, ((call.name, unit), (_CHANGED, moves), (call.of, back)))


def follow(walk: Walk[V], network: Callable[[V, float], V]) -> V:
    """The state at the end of a walk whose every evaluation is that of `network`, a function of (row, process time)."""
    while walk.call is not None:
        walk.send(network(walk.row, walk.time))
    return walk.state


def plain(terms: Sequence[tuple[float, Any]]) -> Any:
    """c_1 a_1 + c_2 a_2 + ... in that order, every product and sum rounded: the bits do not depend on the library."""
    total: Any = None
    for coefficient, array in terms:
        product = array if coefficient == 1.0 else array * coefficient
        total = product if total is None else total + product
    return total


def drawn(normals: Normals | None, n: int, slot: int) -> Blocks:
    """The normals of a slot of step n.

    normals  of a run; None raises InputError
    """
    if normals is None:
        raise InputError("the program draws noise, but there are no normals to draw; give some.")
    return normals(n, slot)


@dataclass(frozen=True)
class Arrays:
    """The algebra of a run: values are lists of blocks, numpy arrays or torch tensors of one shape.

    Coefficients are Python floats, which keep the dtype of the arrays; nothing is read back from a device.
    """

    normals: Normals | None = None
    update: Update = plain
    one: ClassVar[Blocks] = [1.0]

    def combine(self, row: Affine, n: int, names: Mapping[str, Blocks]) -> Blocks:
        """Each block of the `row`, summed over `names` by `update`; `n` does not matter."""
        terms, value = row.terms, []
        for i in range(len(terms[0][1]) if terms else len(names[START])):
            own = [(c, names[source][j]) for source, block in terms for j, c in enumerate(block[i]) if c]
            value.append(self.update(own) if own else names[START][0] * 0.0)
        return value

    def draw(self, noise: Draw, n: int, names: Mapping[str, Blocks]) -> Blocks:
        """The `noise` from the normals of step `n`; a block of 0 is as large as that of the state in `names`."""
        xi, value = drawn(self.normals, n, noise.slot), []
        for row in noise.factor:
            own = [(c, xi[j]) for j, c in enumerate(row) if c]
            value.append(self.update(own) if own else names[START][0] * 0.0)
        return value


def arrays_of(
    program: Program, start: Sequence[Any], normals: Normals | None = None, update: Update = plain
) -> Algebra[Blocks]:
    """The algebra of a run of a program on arrays.

    program, start, normals, update   as of a `Stepper`
    raises   InputError where its directions are those of data of another size
    """
    if program.directions is None:
        return Arrays(normals, update)
    from numtoolkit.program.directional import Directional  # which is made of what stands here

    return Directional(program.directions, start[0], normals, update)


class Stepper(Walk[Blocks]):
    """A run that is called rather than calls: it says where the network is wanted next, and is sent what it returned.

        own, on = scheme("unipc"), process("vp")
        run = Stepper(lower(own, on, grid("log-snr", on, 20), "noise"), [x])
        while not run.done:
            run.send([network(run.row[0], run.time)])
        run.state

    program   what `lower` returns
    start     one array a state block, all of one shape; kept unchanged
    normals   needed by programs that draw noise: (step, slot) -> standard normal blocks, such as `Origin.noise`; asked
              where a noise is first used
    update    how a combination is summed: `plain`, or `numtoolkit.sampling.fused.fused`
    conditions   what the network is to be told of the samples, for whoever calls it; the run does not look at it
    row, time, index, step, done, state   as for a `Walk`: lists of blocks, process time, counts
    hand      as for a `Walk`
    raises    InputError for a program that draws noise without normals, or a send at the end of the run

    It is a plain object. `copy.deepcopy` and `pickle` take it anywhere in a run, in the middle of a step too, with its
    history and its place in the noise: stopped, kept and continued it gives the bits of the uncut run, as long as the
    normals are a function of (step, slot), which may be pickled if the run is to be.
        kept = pickle.dumps(run)
        run = pickle.loads(kept)
    Memory: at an evaluation the row, the state, and of all that was computed before what is read after it, in this step
    or a later one (`Program.lives`). Whoever sends decides on autograd and on the overflow warnings of numpy.
    """

    def __init__(
        self,
        program: Program,
        start: Sequence[Any],
        normals: Normals | None = None,
        update: Update = plain,
        hand: Hand[Blocks] = handed,
        conditions: Any = None,
    ) -> None:
        super().__init__(program, list(start), arrays_of(program, start, normals, update), hand)
        self.conditions = conditions

    def _go(self) -> None:
        """On, and at an evaluation let go of the values that nothing reads any more."""
        super()._go()
        if self.call is not None:
            wanted = self.program.lives[self.index] | {START, CONSTANT}
            self._names = {name: value for name, value in self._names.items() if name in wanted}

    def send(self, output: Blocks, row: Blocks | None = None) -> None:
        """As that of a `Walk`.

        raises  InputError also for what is no list of blocks, as many and of the shape that the program takes, and for
                one output of the network where the program takes the unguided one too
        """
        if not self.done:
            self._check(output)
        super().send(output, row)

    def _check(self, output: Any) -> None:
        own, shape = f"the run of {self.program.scheme}", tuple(self.row[0].shape)
        if not isinstance(output, (list, tuple)):
            raise InputError(f"{own} takes a list of blocks, but {typed(output)} came; send [output].")
        if self.program.both and len(output) != 2 * outputs(self.program.network, self.program.process):
            raise InputError(
                f"{own} takes the blocks of the guided and then of the unguided prediction, "
                f"but {len(output)} came; send both, as network.guided(...).on(process, both=True) returns them."
            )
        if not self.program.both and len(output) != (q := outputs(self.program.network, self.program.process)):
            raise InputError(f"{own} takes {counted(q, 'block')} an evaluation, but {len(output)} came; send {q}.")
        for block in output:
            if tuple(getattr(block, "shape", ())) != shape:
                its = getattr(block, "shape", None)
                came = typed(block) if its is None else f"shape {tuple(its)}"
                raise InputError(f"{own} takes blocks of shape {shape}, but {came} came; send those.")
