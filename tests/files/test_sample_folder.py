"""A folder of samples can be filled in any number of runs, and never mixes two specifications."""

from __future__ import annotations

import re
import shutil
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numtoolkit.cli.output import numbers
from numtoolkit.errors import InputError, StorageError
from numtoolkit.files.sample_folder import SampleFolder, _seal, spans
from numtoolkit.files.storage import checksum, json_text, read_json, read_npz, write_json, write_npz

SPECIFICATION = {"scheme": "ddim", "nfe": 10}
ABOUT = {"versions": {"numpy": "2.0"}}


def opened(path, warn=lambda line: None, specification=SPECIFICATION, about=ABOUT, shard=None):
    """The folder of these tests, whose samples are two numbers."""
    return SampleFolder.open(path, specification, about, (2,), "float64", warn, shard)


def rows(seeds):
    """What stands for the samples of these seeds."""
    return np.array([[seed, seed**2] for seed in seeds], dtype=float)


def fill(path, seeds, warn=lambda line: None, about=ABOUT):
    """Add the missing ones of these seeds, and return them."""
    with opened(path, warn, about=about) as kept:
        missing = kept.missing(seeds)
        if missing:
            kept.add(missing, rows(missing))
        np.testing.assert_array_equal(kept.read(list(seeds)), rows(seeds))
    return missing


def contents(path):
    """The bytes of every file of a folder, by name."""
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_a_specification_is_the_same_in_any_order_of_its_keys(tmp_path):
    """What is there is complete for it, and not damaged."""
    fill(tmp_path, [0, 1])
    turned, warned = dict(reversed(SPECIFICATION.items())), []
    with opened(tmp_path, warned.append, turned) as kept:
        assert kept.missing([0, 1, 2]) == [2]
    assert warned == []


def test_missing_samples_alone_are_added_and_all_are_read_back_in_order(tmp_path):
    """Seeds drawn before are not drawn again; the manifest lists each file with its seeds as spans."""
    assert fill(tmp_path, [3, 1, 2]) == [3, 1, 2]
    assert fill(tmp_path, [2, 5, 3]) == [5]
    assert fill(tmp_path, [5, 1]) == []
    manifest = read_json(tmp_path / "manifest.json")
    assert manifest["specification"] == SPECIFICATION
    assert {name: file["seeds"] for name, file in manifest["files"].items()} == {
        "samples-00000003.npz": "3,1-2",
        "samples-00000005.npz": "5",
    }


def test_another_specification_is_refused_and_changes_nothing(tmp_path):
    """The difference is named, and every file of the folder keeps its bytes."""
    fill(tmp_path, [1])
    before = contents(tmp_path)
    for other, words in (
        ({"nfe": 11}, r"holds samples with nfe 10, not 11; name another folder\.$"),
        ({"grid": "rho"}, r"holds samples with grid None, not 'rho'"),
    ):
        with pytest.raises(StorageError, match=words), opened(tmp_path, specification=SPECIFICATION | other):
            pass
    assert contents(tmp_path) == before


def test_each_file_keeps_the_versions_it_was_drawn_with(tmp_path):
    """A later run with other packages says so of its own files, whether or not the manifest was written."""
    newer = {"versions": {"numpy": "3.0"}}
    fill(tmp_path, [1])
    fill(tmp_path, [2], about=newer)
    for _ in range(2):
        manifest = read_json(tmp_path / "manifest.json")
        files = manifest["files"].values()
        assert [(file["seeds"], manifest["runs"][file["run"]]) for file in files] == [("1", ABOUT), ("2", newer)]
        (tmp_path / "manifest.json").unlink()
        fill(tmp_path, [1, 2], about={"versions": {}})


def test_samples_that_never_reached_the_manifest_are_found(tmp_path):
    """A run killed between samples and manifest has lost nothing: the archives know their seeds."""
    fill(tmp_path, [1, 2])
    manifest = (tmp_path / "manifest.json").read_bytes()
    fill(tmp_path, [7])
    complete = contents(tmp_path)
    for left in (
        manifest,
        None,
    ):  # as if killed between the two files, by this writer or by one that began with samples
        (tmp_path / "manifest.json").unlink()
        if left is not None:
            (tmp_path / "manifest.json").write_bytes(left)
        assert fill(tmp_path, [1, 2, 7]) == []
        assert contents(tmp_path) == complete


def written(path, name, seeds, samples=None, **others):
    """A file as the folder would write it, of samples that it would not take; `others` replace what is in it."""
    with SampleFolder.open(path / "apart", SPECIFICATION, ABOUT, (2,), "float64") as kept:
        kept.add(list(seeds), rows(seeds))
    arrays = read_npz(next((path / "apart").glob("*.npz")))
    shutil.rmtree(path / "apart")
    samples = arrays["samples"] if samples is None else samples
    seal = _seal(samples, arrays["seeds"], str(arrays["specification"]), str(arrays["about"]))
    write_npz(path / name, arrays | {"samples": samples, "sha256": np.array(seal)} | others)


FIRST = "samples-00000001.npz"  # of the seeds 1 and 2


def cut(path):
    """A file without its end."""
    path.write_bytes(path.read_bytes()[:-40])


def flipped(path):
    """A file with another bit in a number."""
    path.write_bytes(path.read_bytes().replace(b"\0\0\xf0?", b"\0\0\xe0?", 1))


def changed(**others):
    """A file with other arrays of its own, the rest as it was."""
    return lambda path: write_npz(path, read_npz(path) | others)


def without(*keys):
    """A file that lacks arrays."""
    return lambda path: write_npz(path, {key: array for key, array in read_npz(path).items() if key not in keys})


def sealed(samples, **others):
    """A file that says of other samples that they are what was written."""
    return lambda path: written(path.parent, FIRST, [1, 2], samples, **others)


FAULTS = [
    ("cut", cut, "is damaged"),
    ("flipped", flipped, "is damaged"),
    ("keyless", without("seeds"), "is damaged"),
    ("foreign", sealed(rows([1, 2]), specification=np.array("?")), "is of another run"),
    ("shifted", changed(samples=rows([1, 2]) + 100), "does not hold what was written"),
    ("reversed", changed(samples=rows([2, 1])), "does not hold what was written"),
    ("unsealed", without("sha256"), "says neither what wrote it nor its checksum"),
    ("nan", sealed(rows([1, 2]) * np.nan), "holds numbers that are not finite"),
    ("dtype", sealed(rows([1, 2]).astype("f4")), "holds float32 of shape (2, 2), not float64 of (2, *(2,))"),
    ("shape", sealed(rows([1, 2])[:, :1]), "holds float64 of shape (2, 1), not float64 of (2, *(2,))"),
    ("short", sealed(rows([1])), "holds float64 of shape (1, 2), not float64 of (2, *(2,))"),
]


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize(("spoil", "words"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_file_that_cannot_be_trusted_is_set_aside_and_drawn_again(tmp_path, spoil, words, listed):
    """Cut, of another run, changed, not finite: its bytes are kept under another name, with a sentence.

    Where the manifest names the file any change shows in its checksum; where it does not, in what the file holds.
    """
    fill(tmp_path, [1, 2])
    fill(tmp_path, [3])
    path = tmp_path / FIRST
    if not listed:
        manifest = read_json(tmp_path / "manifest.json")
        del manifest["files"][FIRST]
        write_json(tmp_path / "manifest.json", manifest)
    spoil(path)
    spoilt, warnings = path.read_bytes(), []
    assert fill(tmp_path, [1, 2, 3], warnings.append) == [1, 2]
    assert path.with_suffix(".aside").read_bytes() == spoilt
    if listed and words not in ("is damaged", "is of another run"):
        words = "is not the file that manifest.json names"
    assert warnings == [f"{path} {words}; it is now samples-00000001.aside, and what is missing is drawn again"]


def test_what_is_set_aside_replaces_nothing_that_was(tmp_path):
    """A second bad file of one name takes a new name beside the first."""
    fill(tmp_path, [1])
    for content in (b"one", b"two", b"three"):
        (tmp_path / FIRST).write_bytes(content)
        fill(tmp_path, [1])
    assert [(tmp_path / f"samples-00000001.aside{n}").read_bytes() for n in ("", 1, 2)] == [b"one", b"two", b"three"]


def test_a_file_under_a_second_name_is_set_aside(tmp_path):
    """Its seeds would be counted twice, and a later file of that name would replace it."""
    fill(tmp_path, [1, 2])
    shutil.copy(tmp_path / FIRST, tmp_path / "samples-00000000.npz")
    warnings = []
    assert fill(tmp_path, [1, 2], warnings.append) == []
    (tmp_path / FIRST).rename(tmp_path / "samples-00000009.npz")
    assert fill(tmp_path, [1, 2, 9], warnings.append) == [1, 2, 9]
    named = "has not the name of its first seed, samples-00000001.npz"
    assert [re.sub(".*/", "", warning).split(";")[0] for warning in warnings] == [
        f"samples-00000000.npz {named}",
        "samples-00000001.npz is gone",
        f"samples-00000009.npz {named}",
    ]


def test_a_seed_is_taken_from_one_file_alone(tmp_path):
    """Of two files that hold a seed the one that the manifest names stays."""
    fill(tmp_path, [2, 1])
    written(tmp_path, FIRST, [1])
    warnings = []
    assert fill(tmp_path, [1, 2], warnings.append) == []
    assert "holds seed 1, which another file holds" in warnings[0]


def test_only_samples_that_a_later_run_would_take_up_are_added(tmp_path):
    """Not finite, of another shape, of seeds that are there: refused, and nothing is written."""
    fill(tmp_path, [1])
    before = contents(tmp_path)
    with opened(tmp_path) as kept:
        for seeds, samples in (
            ([2], rows([2]) * np.nan), ([2], rows([2])[0]), ([2, 3], rows([2])), ([1], rows([1])),
            ([2, 2], rows([2, 2])), ([4, 1], rows([4, 1])), ([-1], rows([-1])),
        ):  # fmt: skip
            with pytest.raises(InputError, match="a file of samples "):
                kept.add(seeds, samples)
    assert contents(tmp_path) == before


def test_a_file_that_changes_while_the_folder_is_open_is_not_read(tmp_path):
    """What is handed out is what was checked."""
    with opened(tmp_path) as kept:
        kept.add([1, 2], rows([1, 2]))
        write_npz(tmp_path / FIRST, read_npz(tmp_path / FIRST) | {"samples": rows([2, 1])})
        with pytest.raises(StorageError, match="has changed while it was open; run again"):
            kept.read([1])


@pytest.mark.parametrize("manifest", ["[]", "{}", "{", '{"specification": 3}', None])
def test_a_folder_with_a_foreign_manifest_is_refused(tmp_path, manifest):
    """A manifest that is none of ours is never overwritten, whether it lacks specification or files."""
    text = json_text({"specification": SPECIFICATION, "files": [3]}) if manifest is None else manifest
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(StorageError), opened(tmp_path):
        pass
    assert (tmp_path / "manifest.json").read_text() == text


def test_samples_of_another_run_without_a_manifest_are_refused(tmp_path):
    """They are neither mixed nor overwritten nor set aside: the folder is somebody else's."""
    fill(tmp_path, [1])
    (tmp_path / "manifest.json").unlink()
    before = contents(tmp_path)
    with (
        pytest.raises(StorageError, match=r"of another run without its manifest\.json; name another folder\.$"),
        opened(tmp_path, specification=SPECIFICATION | {"nfe": 11}),
    ):
        pass
    assert contents(tmp_path) == before


def test_a_folder_of_the_first_release_is_taken_up(tmp_path):
    """Its files say neither versions nor checksum, but its manifest does, of all."""
    fill(tmp_path, [1, 2])
    arrays = {key: value for key, value in read_npz(tmp_path / FIRST).items() if key not in ("about", "sha256")}
    sha256 = checksum(write_npz(tmp_path / FIRST, arrays))
    files = {FIRST: {"seeds": "1-2", "sha256": sha256}}
    write_json(tmp_path / "manifest.json", {"specification": SPECIFICATION, **ABOUT, "files": files})
    assert fill(tmp_path, [1, 2]) == []
    assert read_json(tmp_path / "manifest.json")["runs"] == [ABOUT]


def test_an_opened_folder_stays_empty_until_samples_come(tmp_path):
    """Opening writes nothing, so that a refused run leaves nothing behind."""
    with opened(tmp_path / "new"):
        pass
    assert list((tmp_path / "new").iterdir()) == []


def test_one_run_at_a_time_is_in_a_folder(tmp_path):
    """A second one is refused in one sentence while the first is there, and let in when that ends."""
    with opened(tmp_path) as kept:
        kept.add([1], rows([1]))
        with pytest.raises(StorageError, match=r"another run writes to .*; wait until it ends, or name another\.$"):
            fill(tmp_path, [2])
    assert fill(tmp_path, [1, 2]) == [2]


def test_shards_have_a_folder_open_at_once_and_merge_what_they_wrote(tmp_path):
    """None shuts another out but itself and a run that wants it alone; the end is that of one run, without litter."""
    fill(tmp_path / "one", [1, 2])
    fill(tmp_path / "one", [3])
    young = tmp_path / "all" / ".samples-00000009.npz.01234567.partial"  # another shard may be writing it
    with opened(tmp_path / "all", shard=(1, 2)) as first, opened(tmp_path / "all", shard=(2, 2)) as second:
        young.touch()
        with opened(tmp_path / "all", shard=(3, 3)):
            assert young.exists()
        for shard, words in (((2, 2), "another run draws shard 2/2 into .*; wait"), (None, "another run writes to")):
            with pytest.raises(StorageError, match=words), opened(tmp_path / "all", shard=shard):
                pass
        second.add([3], rows([3]))
        first.add([1, 2], rows([1, 2]))
    assert list(read_json(tmp_path / "all" / "manifest.json")["files"]) == [FIRST, "samples-00000003.npz"]
    with opened(tmp_path / "all"), pytest.raises(StorageError, match="another run writes to"):
        with opened(tmp_path / "all", shard=(1, 2)):
            pass
    assert contents(tmp_path / "all") == contents(tmp_path / "one")


def test_the_manifest_never_says_less_than_another_shard_wrote(tmp_path):
    """The first file of a shard leaves in it what one that has ended put there, and its end adds to that."""
    with opened(tmp_path, shard=(1, 2)) as second:
        with opened(tmp_path, shard=(2, 2)) as first:
            first.add([1], rows([1]))
        second.add([2], rows([2]))
        assert list(read_json(tmp_path / "manifest.json")["files"]) == [FIRST]
    assert list(read_json(tmp_path / "manifest.json")["files"]) == [FIRST, "samples-00000002.npz"]


def test_what_a_run_of_other_shards_wrote_meanwhile_stays(tmp_path):
    """A file that both have drawn is one; one of the same name with other seeds is refused, and loses nothing."""
    with opened(tmp_path, shard=(1, 2)) as first, opened(tmp_path, shard=(1, 3)) as second:
        first.add([1, 2], rows([1, 2]))
        before = (tmp_path / FIRST).stat().st_ino
        second.add([1, 2], rows([1, 2]))
        assert second.seeds == {1, 2}
        first.add([5, 6], rows([5, 6]))
        with pytest.raises(InputError, match="is there already"):
            second.add([5], rows([5]))
    assert (tmp_path / FIRST).stat().st_ino == before


def test_claims_that_shards_left_as_they_died_go(tmp_path):
    """All of them with a run that has the folder alone, those of files with any shard."""
    names = ["samples-00000001.npz.claim", "manifest.json.claim", "shard-2-of-3.claim"]
    for shard, left in (((1, 2), names[2:]), (None, [])):
        for name in names:
            (tmp_path / name).touch()
        with opened(tmp_path, shard=shard):
            pass
        assert [path.name for path in tmp_path.iterdir()] == left


def test_what_was_added_before_a_failure_is_in_the_manifest(tmp_path):
    """An exception inside loses nothing and lists everything."""
    with suppress(ZeroDivisionError), opened(tmp_path) as kept:
        kept.add([1], rows([1]))
        kept.add([2], rows([2]))
        raise ZeroDivisionError
    assert list(read_json(tmp_path / "manifest.json")["files"]) == [FIRST, "samples-00000002.npz"]


@given(st.lists(st.integers(0, 50), unique=True, min_size=1))
def test_spans_are_read_back(seeds):
    """What `spans` writes the command line reads: "3,1-2" is the seeds 3, 1, 2, in this order."""
    assert numbers(spans(seeds), "--seeds") == seeds


def test_a_specification_that_says_less_is_another_one(tmp_path):
    """What the folder knows of its samples and the run does not is named."""
    fill(tmp_path, [0])
    less = SampleFolder.open(tmp_path, {"scheme": "ddim"}, {}, (2,), "float64")
    with pytest.raises(StorageError, match="holds samples with nfe 10, not None"), less:
        pass
