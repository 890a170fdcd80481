"""Weights of other people's networks come from files as data, to the module that they fit, or not at all."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from numtoolkit import InputError, StorageError
from numtoolkit.models.weights import HASH, WHOLE, give_weights


class Net(torch.nn.Module):
    """Two layers, a buffer that is floating and one that is not, and a weight that is not trained."""

    def __init__(self, width=3):
        super().__init__()
        self.first, self.norm = torch.nn.Linear(2, width), torch.nn.BatchNorm1d(width)
        self.W = torch.nn.Parameter(torch.zeros(2), requires_grad=False)


def weights(seed=1, width=3):
    random = torch.Generator().manual_seed(seed)
    own = Net(width).state_dict()
    return OrderedDict(
        (name, torch.randn(w.shape, generator=random) if w.is_floating_point() else torch.tensor(seed))
        for name, w in own.items()
    )


def under(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def listed(tensors):
    """As score_sde keeps an average: the trained parameters in order."""
    return [tensors[name] for name, parameter in Net().named_parameters() if parameter.requires_grad]


def has(module, tensors):
    return all(torch.equal(own, tensors[name]) for name, own in module.state_dict().items())


ONLINE, AVERAGE = weights(1), weights(2)


@pytest.mark.parametrize(
    ("held", "part", "taken", "own"),
    [
        (AVERAGE, None, WHOLE, AVERAGE),
        (under("module.", AVERAGE), None, "module", AVERAGE),
        ({"state_dict": AVERAGE, "epoch": 3}, None, "state_dict", AVERAGE),
        ({"model": under("module.", ONLINE), "ema": AVERAGE}, None, "ema", AVERAGE),
        ({"model": ONLINE, "ema": AVERAGE}, "model", "model", ONLINE),
        ({"net": {"params": ONLINE, "params_ema": AVERAGE}}, None, "net/params_ema", AVERAGE),
        (
            {"state_dict": {**under("score_fn.", ONLINE), **under("ema_score_fn.", AVERAGE)}},
            None,
            "state_dict/ema_score_fn",
            AVERAGE,
        ),
        (
            {"state_dict": {**under("score_fn.", ONLINE), **under("ema_score_fn.", AVERAGE)}},
            "score_fn",
            "state_dict/score_fn",
            ONLINE,
        ),
        (
            {"model": under("module.", ONLINE), "ema": {"decay": 0.9, "shadow_params": listed(AVERAGE)}, "step": 7},
            None,
            "ema/shadow_params",
            {**ONLINE, **{name: AVERAGE[name] for name in ("first.weight", "first.bias", "norm.weight", "norm.bias")}},
        ),
    ],
)
def test_the_part_of_a_checkpoint_that_fits_is_taken_and_said(tmp_path, held, part, taken, own):
    """Plain, nested, behind prefixes, as a list in order; of several the running average, unless another is named."""
    path, module = tmp_path / "x.pt", Net()
    torch.save(held, path)
    said = give_weights(module, path, part)
    assert said == {"file": "x.pt", "sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "part": taken}
    assert has(module, own)
    assert not module.training


def test_weights_keep_the_dtype_of_the_module(tmp_path):
    """A checkpoint in half precision fills a module in single precision, and the other way round."""
    for stored, own in ((torch.float16, torch.float32), (torch.float64, torch.float32)):
        given = {name: w.to(stored) if w.is_floating_point() else w for name, w in AVERAGE.items()}
        save_file(given, tmp_path / "x.safetensors")
        module = Net()
        give_weights(module, tmp_path / "x.safetensors")
        assert module.first.weight.dtype == own
        assert torch.equal(module.first.weight, given["first.weight"].to(own))


@pytest.mark.parametrize(
    ("held", "part", "said"),
    [
        (weights(width=4), None, r"its weights 'first.weight' are \[4, 2\], but those of Net \[3, 2\]"),
        ({**AVERAGE, "second.weight": torch.zeros(2)}, None, "Net has no place for its weights 'second.weight'"),
        ({name: w for name, w in AVERAGE.items() if name != "W"}, None, "it lacks the weights 'W' of Net"),
        ({**AVERAGE, "W": torch.tensor([0.0, torch.inf])}, None, "its weights 'W' are not finite"),
        ({**AVERAGE, "W": torch.tensor([0, 1])}, None, "its weights 'W' are of int64"),
        ({"other": torch.zeros(2)}, None, "it lacks the weights 'W' of Net, and has other"),
        ({"a": 1}, None, "it holds no tensors by name"),
        ({"a": ONLINE, "b": AVERAGE}, None, "holds the weights in 2 parts, a, b; say by part="),
        ({"a": ONLINE, "b": AVERAGE}, "c", "has no one part 'c' that fits; those that do: a, b"),
        ({"ema": ONLINE, "ema_2": AVERAGE}, None, "holds the weights in 2 parts, ema, ema_2"),
    ],
)
def test_weights_that_are_not_those_of_the_module_are_refused(tmp_path, held, part, said):
    """By the first thing that does not fit, or the parts that do; the module keeps what it had."""
    path, module = tmp_path / "x.pt", Net()
    torch.save(held, path)
    before = {name: own.clone() for name, own in module.state_dict().items()}
    with pytest.raises(InputError, match=said) as caught:
        give_weights(module, path, part)
    assert str(path) in str(caught.value)
    assert has(module, before)
    with pytest.raises(InputError, match="a function has no weights; give a torch"):
        give_weights(has, path)


class Code:
    """What runs a function as it is unpickled, as a harmful file would."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('run')",))


def test_what_only_running_code_could_read_is_refused_with_what_to_do(tmp_path):
    """A pickled module, a pickle of any code, one of EDM's: nothing of them is run."""
    path = tmp_path / "x.pkl"
    torch.save({"ema": Net()}, path)
    with pytest.raises(StorageError, match=r"an object of [\w.]+, which only running code could rebuild; load it once"):
        give_weights(Net(), path)
    torch.save({"ema": Code()}, path)
    with pytest.raises(StorageError, match="only running code could rebuild"):
        give_weights(Net(), path)
    path.write_bytes(pickle.dumps({"ema": Code(), "note": "torch_utils.persistence"}))
    with pytest.raises(StorageError, match=r"is a pickle of EDM's code, .*pickle.load\(open\('x.pkl', 'rb'\)\)"):
        give_weights(Net(), path)


def _old(tensors):
    written = io.BytesIO()
    torch.save(tensors, written, _use_new_zipfile_serialization=False)
    return written.getvalue()


def _archive(*records):
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name in records:
            archive.writestr(f"x/{name}", "3")
    return written.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"weight": [1.0]}), "it is a pickle that torch.save did not write, or was damaged; load it once"),
        (pickle.dumps({"weight": 1}, 2), "it is a pickle that torch.save did not write, or was damaged; load it once"),
        (b"\x80\x02.", "it is a pickle that torch.save did not write, or was damaged; load it once"),
        (
            _archive("version", "data.pkl", "constants.pkl"),
            "it is a program of TorchScript, which would have to be run; load it once",
        ),
        (
            _archive("readme.txt"),
            "it is an archive without data.pkl, which torch.save did not write; give another file",
        ),
        (_old({"weight": torch.eye(20)})[:-9], "it breaks off, or was changed; fetch it again"),
    ],
    ids=["pickle", "old pickle", "nothing", "TorchScript", "archive", "old and cut"],
)
def test_what_a_foreign_file_is_stands_in_words_of_our_own(tmp_path, content, said):
    """Not in those of torch's reader, which advise to run what is in it."""
    path = tmp_path / "x.pt"
    path.write_bytes(content)
    with pytest.raises(StorageError) as caught:
        give_weights(Net(), path)
    assert str(caught.value).startswith(f"cannot load {str(path)!r}: {said}")
    assert "weights_only" not in str(caught.value)


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_a_checkpoint_that_was_cut_or_is_none_is_refused(tmp_path, ending):
    """Cut anywhere, empty, a text, a picture, absent, a folder: one sentence, from the file's own reader."""
    path = tmp_path / f"x.{ending}"
    if ending == "pt":
        torch.save(AVERAGE, path)
    else:
        save_file(AVERAGE, path)
    content = path.read_bytes()
    for wrong in (
        *(content[:length] for length in (0, 7, 40, len(content) // 2, len(content) - 1)),
        b"\x89PNG",
        b"a,b",
    ):
        path.write_bytes(wrong)
        with pytest.raises(StorageError, match=r"^cannot load .*\.$") as caught:
            give_weights(Net(), path)
        assert "has not the checksum" not in str(caught.value)  # a cut archive names no record of it
    for other in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(StorageError, match="there is no checkpoint"):
            give_weights(Net(), other)


def test_a_flipped_bit_of_a_checkpoint_is_noticed(tmp_path):
    """By the checksums of an archive of torch, by the digest that a safetensors file says, by the one that is given."""
    path = tmp_path / "x.pt"
    torch.save(AVERAGE, path)
    content = path.read_bytes()
    place = content.index(AVERAGE["first.weight"].numpy().tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(StorageError, match="has not the checksum of the archive"):
        give_weights(Net(), path)

    plain, told = tmp_path / "plain.safetensors", tmp_path / "told.safetensors"
    save_file(AVERAGE, plain)
    body = plain.read_bytes()[8 + int.from_bytes(plain.read_bytes()[:8], "little") :]
    save_file(AVERAGE, told, {HASH: f"0x{hashlib.sha256(body).hexdigest()}"})
    give_weights(Net(), told)
    digest = hashlib.sha256(plain.read_bytes()).hexdigest()
    give_weights(Net(), plain, sha256=digest.upper())
    for file in (plain, told):
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.write_bytes(content)
    with pytest.raises(StorageError, match="do not have the digest that it says"):
        give_weights(Net(), told)
    with pytest.raises(StorageError, match=f"not {digest[:16]}..., so it was damaged, changed or is another file"):
        give_weights(Net(), plain, sha256=digest)
    with pytest.raises(InputError, match="is no SHA-256; give its 64 hexadecimal digits"):
        give_weights(Net(), plain, sha256="12ab")


def test_a_checkpoint_of_torch_before_archives_is_read(tmp_path):
    """What older versions of torch.save wrote, one pickle behind another."""
    path, module = tmp_path / "x.pth", Net()
    buffer = io.BytesIO()
    torch.save({"model": AVERAGE}, buffer, _use_new_zipfile_serialization=False)
    path.write_bytes(buffer.getvalue())
    assert give_weights(module, path)["part"] == "model"
    assert has(module, AVERAGE)
