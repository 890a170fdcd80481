"""Conditions go with the samples: with their seeds, through every cut into tiles, to the network as they were given."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch

from numtoolkit import Network, fit, process, sample, stepper
from numtoolkit.errors import InputError, NonFiniteError
from numtoolkit.models.conditions import Conditions
from numtoolkit.program.walk import follow
from tests.support.sampling_cases import Linear

LABELS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
RUN = {"process": "vp", "grid": "log-snr", "steps": 3, "shape": 2}


def halved(z, t, label):
    """A data prediction that differs by label; labels are an array."""
    return z * 0.5 + label[:, None]


def drawn(network, conditions=LABELS, **changes):
    return sample("dpmpp-2m", network=network, conditions=conditions, **{**RUN, "seeds": range(10), **changes}).samples


@pytest.mark.parametrize("dtype", [np.float64, torch.float64])
@pytest.mark.parametrize("batch", [1, 3, 4, 10, 16])
def test_every_tile_sees_the_conditions_of_its_own_samples(batch, dtype):
    """The samples have the same bits for each cut into tiles, whole or filled up."""
    found, whole = (drawn(Network(halved, "data"), batch=size, dtype=dtype) for size in (batch, None))
    assert found.tolist() == whole.tolist()


def test_a_sample_is_that_of_its_own_seed_and_condition():
    """A batch in another order, or fewer of it, gives the same samples in that order."""
    order = [7, 0, 3]
    kept = drawn(Network(halved, "data"), [LABELS[i] for i in order], seeds=order, dtype=np.float64)
    assert kept.tolist() == drawn(Network(halved, "data"), dtype=np.float64)[order].tolist()


def test_a_tile_is_filled_up_with_the_last_condition():
    """Sizes and rows of what the network sees are those of the tile."""
    seen = []

    def network(z, t, label):
        seen.append(label.tolist())
        return z * 0.5

    drawn(Network(network, "data"), batch=4, steps=1)
    assert seen == [LABELS[:4], LABELS[4:8], [5, 3, 3, 3]]


def test_conditions_by_name_go_by_name():
    """A dict is handed on by its names; a list of what is no number stays a list."""
    seen = {}

    def network(z, t, *, text, size):
        seen.update(text=text, size=size)
        return z * 0.5

    names, sizes = [f"prompt {i}" for i in range(3)], torch.arange(6.0).reshape(3, 2)
    drawn(Network(network, "data"), {"text": names, "size": sizes}, seeds=range(3), batch=2)
    assert seen["text"] == ["prompt 2", "prompt 2"]
    assert torch.equal(seen["size"], sizes[[2, 2]])


@pytest.mark.parametrize("given", [LABELS, tuple(LABELS), np.array(LABELS), torch.tensor(LABELS)])
@pytest.mark.parametrize("like", [np.float32, torch.float32])
def test_arrays_come_in_the_library_of_the_run(given, like):
    """Numbers are an integer array of the run's library, however they were given."""
    kinds = set()

    def network(z, t, label):
        kinds.add((type(label) is type(z), label.dtype in (np.int64, torch.int64), tuple(label.shape)))
        return z * 0.5

    drawn(Network(network, "data"), given, dtype=like)
    assert kinds == {(True, True, (10,))}


def test_arrays_are_moved_once_a_tile():
    """The same object at each evaluation of a tile."""
    seen = []
    drawn(Network(lambda z, t, label: (seen.append(label), z * 0.5)[1], "data"), batch=5)
    assert [a is b for a, b in pairwise(seen)] == [True, True, False, True, True]


def test_a_stepper_has_the_conditions_that_its_call_was_made_with():
    """The run by hand is that of sample."""
    network = Network(halved, "data")
    run = stepper("dpmpp-2m", network=network, seeds=range(10), dtype=np.float64, **RUN)
    state = follow(run, network.on(process("vp"), LABELS))
    assert state[0].tolist() == drawn(network, dtype=np.float64).tolist()


def test_the_replay_of_a_lost_sample_sees_its_conditions():
    """The search for the first value that is not finite repeats the tile with its own rows."""
    poisoned = Network(lambda z, t, label: torch.where((label == 9)[:, None], float("nan"), z * 0.5), "data")
    with pytest.raises(NonFiniteError, match=r"^sample 5 \(seed 5\) leaves .* the network returned NaN"):
        drawn(poisoned, batch=4)


def test_a_fit_in_tiles_sees_the_conditions_of_its_samples():
    """The coefficients are those of the whole batch, and not those of another order of the conditions."""

    def fitted(labels, **changes):
        given = {"seeds": range(10), "substeps": 2, "steps": 3, "shape": 2}
        return fit("iia-ddim", "vp", Network(halved, "data"), "log-snr", conditions=labels, **given, **changes)

    whole = fitted(LABELS)
    assert [step.values for step in fitted(LABELS, tile=3).steps] == [step.values for step in whole.steps]
    assert [step.values for step in fitted(LABELS[::-1]).steps] != [step.values for step in whole.steps]


def test_provenance_tells_conditions_apart():
    """A digest of numbers and texts, the same in both libraries; none of what has no bytes of its own."""

    def told(given):
        keywords = {"seeds": range(2), **RUN}
        return sample("ddim", network=Network(lambda z, t, c: z, "data"), conditions=given, **keywords).provenance[
            "conditions"
        ]["conditions"]

    one, two = np.array([1, 2]), torch.tensor([1, 2])
    assert told(one)["sha256"] == told(two)["sha256"] != told(one[::-1])["sha256"]
    assert told(["a", "b"])["sha256"] not in (None, told(["a", "c"])["sha256"])
    assert told([object(), object()]) == {"entries": 2, "sha256": None}


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        (LABELS[:9], ["9 conditions", "10 samples"]),
        (torch.arange(11), ["11 conditions", "10 samples"]),
        ({"a": LABELS, "b": LABELS[:3]}, ["10 of a", "3 of b"]),
        ({}, ["empty dict"]),
        ("a cat", ["a str", "list"]),
        (7, ["an int", "list"]),
        (np.array(7), ["without an axis"]),
        ({"label": LABELS}, ["z, t, label=", "wrap it"]),
    ],
)
def test_conditions_that_no_batch_has_are_refused(conditions, names):
    """One sentence, before the network is called."""
    network = Network(lambda z, t, given: z, "data")
    with pytest.raises(InputError) as refused:
        drawn(network, conditions)
    assert all(name in str(refused.value) for name in names)
    assert not network.calls


def test_a_network_that_takes_no_conditions_says_so():
    """A law and a function of (z, t) have none, one that needs them asks for them, and one of z alone does not."""
    for network in ("mixture(dim=2)", Network(lambda z, t: z, "data")):
        with pytest.raises(InputError, match=r"cannot be called as \(z, t, condition\).*leave conditions out"):
            drawn(network)
    with pytest.raises(InputError, match=r"cannot be called as \(z, t\).*give conditions="):
        drawn(Network(halved, "data"), None)
    with pytest.raises(InputError, match=r"cannot be called as \(z, t\).*wrap it as a function of \(z, t\)"):
        drawn(Network(lambda z: z, "data"), None)
    assert len(drawn(Network(Linear(2, 2).eval(), "data"), None)) == 10


def test_a_call_refuses_a_batch_of_another_size():
    """Of conditions that a person bound to the network himself."""
    call = Network(halved, "data").on(process("vp"), Conditions(LABELS))
    with pytest.raises(InputError, match="conditions of 10 samples for a batch of 3"):
        call([np.zeros((3, 2))], 0.5)


def test_a_module_that_takes_no_conditions_says_so():
    """What its `forward` takes counts, not the call of every module, which takes anything."""
    with pytest.raises(InputError, match=r"cannot be called as \(z, t, condition\)"):
        drawn(Network(Linear(2, 2).eval(), "data"), LABELS)


@pytest.mark.parametrize("given", [LABELS, np.array(LABELS), torch.tensor(LABELS)])
def test_arrays_are_moved_to_the_device_of_the_samples(given):
    """On a device that holds no numbers they are as large as they were; one for all samples too."""
    seen = torch.empty(10, 2, device="meta")
    ((own,), _), ((one,), _) = Conditions(given).beside(seen), Conditions(given, same=True).beside(seen)
    assert (own.device.type, tuple(own.shape)) == ("meta", (10,))
    if not isinstance(given, list):
        assert (one.device.type, tuple(one.shape)) == ("meta", (10, 10))


@pytest.mark.parametrize("dtype", [np.float64, torch.float64])
@pytest.mark.parametrize(
    "entries",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        [(1.0, 2.0), [3.0, 4.0]],
        [np.array([1.0, 2.0]), np.array([3.0, 4.0])],
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
        np.array([[1.0, 2.0], [3.0, 4.0]]),
    ],
    ids=["lists", "tuple", "arrays", "tensors", "array"],
)
def test_a_list_that_makes_one_array_of_numbers_is_that_array(entries, dtype):
    """Of lists of numbers, of arrays or of tensors, of one shape each; in the library of the run."""
    seen = []
    network = Network(lambda z, t, rows: seen.append(rows) or z * 0.5, "data")
    drawn(network, entries, seeds=range(2), dtype=dtype)
    assert {type(rows) for rows in seen} == {np.ndarray if dtype is np.float64 else torch.Tensor}
    assert seen[0].tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    "entries", [["a", "b"], [[1.0], [1.0, 2.0]], [np.ones(1), np.ones(2)], [np.ones(1), "b"], [["a"], ["b"]]]
)
def test_a_list_that_makes_no_array_of_numbers_stays_a_list(entries):
    """Of texts, and of what differs in shape."""
    seen = []
    drawn(Network(lambda z, t, rows: seen.append(rows) or z * 0.5, "data"), entries, seeds=range(2), steps=1)
    assert isinstance(seen[0], list)
    assert len(seen[0]) == 2
    assert all(own is given for own, given in zip(seen[0], entries, strict=True))


def test_a_network_guided_away_from_none_is_told_none_as_it_is_told_conditions():
    """In place of the conditions, or under each of their names."""
    seen = []

    def network(z, t, *, labels):
        seen.append(labels)
        return z * 0.5

    drawn(Network(network, "data").guided(2.0), {"labels": LABELS}, steps=1, dtype=np.float64)
    assert [own if own is None else own.tolist() for own in seen] == [LABELS, None]
    seen.clear()
    drawn(Network(lambda z, t, labels: seen.append(labels) or z * 0.5, "data").guided(2.0), steps=1, dtype=np.float64)
    assert [own if own is None else own.tolist() for own in seen] == [LABELS, None]


def test_a_stepper_keeps_the_conditions_that_its_network_is_told():
    """Checked before the run and kept with it, as their call goes by them the samples are those of `sample`."""
    network = Network(halved, "data")
    run = stepper("dpmpp-2m", network=network, conditions=LABELS, dtype=np.float64, seeds=range(10), **RUN)
    run = pickle.loads(pickle.dumps(run))  # noqa: S301
    follow(run, network.on(process("vp"), run.conditions))
    assert run.state[0].tolist() == drawn(network, dtype=np.float64).tolist()
    with pytest.raises(InputError, match=r"there are 3 conditions for 10 samples; give one a sample\."):
        stepper("dpmpp-2m", network=network, conditions=LABELS[:3], seeds=range(10), **RUN)
    with pytest.raises(InputError, match="cannot be called as"):
        stepper("dpmpp-2m", network=Network(lambda z, t: z, "data"), conditions=LABELS, seeds=range(10), **RUN)


def test_samples_that_are_told_the_same_have_one_label():
    """Numbered by their first sample, from arrays, tensors, lists of anything, and under several names."""
    assert Conditions(LABELS).labels().tolist() == [0, 1, 2, 1, 3, 4, 5, 6, 3, 0]
    for rows in (np.array([[1.0, 2], [1, 3], [1, 2]]), torch.tensor([[1, 2], [1, 3], [1, 2]]), ["a", "b", "a"]):
        assert Conditions(rows).labels().tolist() == [0, 1, 0]
    assert Conditions({"label": [0, 1, 0], "text": ["a", "b", "b"]}).labels().tolist() == [0, 1, 2]
    assert Conditions(7, same=True).labels() is None
