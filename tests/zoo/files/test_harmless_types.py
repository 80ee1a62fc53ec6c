"""What a checkpoint may hold beside its tensors, and what is refused because it could run code."""

from __future__ import annotations

import argparse
import datetime
import os
import pickle
import types
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch

from rhovideo.errors import WeightsError
from rhovideo.zoo.files.checkpoint_files import read_weights
from rhovideo.zoo.files.harmless_types import HARMLESS
from rhovideo.zoo.files.safe_loading import load_content

ARRAYS = {
    "float16": np.arange(6, dtype=np.float16).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "big endian": np.arange(3, dtype=">i4"),
    "no dimension": np.array(3.0),
    "no element": np.zeros((0, 3)),
    "booleans": np.array([True, False]),
    "texts": np.array(["ab", "c"]),
    "bytes": np.array([b"ab"]),
    "complex": np.array([1j]),
    "days": np.array(["2020-01-01"], "M8[D]"),
    "objects": np.array(["a", None, 3], object),
}
PLAIN = {
    "number": np.float32(0.5),
    "boolean": np.bool_(True),
    "text": np.str_("abc"),
    "NumPy's type": np.dtype("f4"),
    "class": np.float32,
    "bool": True,
    "bytes": b"",
    "set": {1, 2},
    "frozenset": frozenset([1]),
    "counter": Counter("aab"),
    "ordered": OrderedDict(a=1),
    "slice": slice(1, 2),
    "time": datetime.datetime(2020, 1, 2),
    "namespace": argparse.Namespace(rate=0.1, names=["a"]),
    "simple": types.SimpleNamespace(a=1),
    "path": PurePosixPath("/a/b"),
    "windows": PureWindowsPath("a/b"),
}


def through_a_file(folder: Path, value: object, zipped: bool = True) -> object:
    torch.save(
        {"model_state": {"w": torch.ones(2)}, "extra": value}, folder / "f.pyth", _use_new_zipfile_serialization=zipped
    )
    file = read_weights(folder / "f.pyth")
    assert torch.equal(file.state["w"], torch.ones(2))
    return file.content["extra"]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read(tmp_path, name, zipped):
    found = through_a_file(tmp_path, ARRAYS[name], zipped)
    assert type(found) is np.ndarray
    assert (found.dtype, found.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
    assert found.tolist() == ARRAYS[name].tolist()


@pytest.mark.parametrize("name", PLAIN)
def test_what_runs_nothing_is_read(tmp_path, name):
    found = through_a_file(tmp_path, PLAIN[name])
    assert found == PLAIN[name]
    assert type(found) is type(PLAIN[name])


def test_containers_that_torch_does_not_fill_are_read_as_plain_ones(tmp_path):
    counts = defaultdict(list, a=[np.arange(2)])
    found = through_a_file(tmp_path, {"counts": counts, "last": deque([1, 2], 3), "path": Path("a")})
    assert found["counts"]["a"][0].tolist() == [0, 1]
    assert (found["last"], str(found["path"])) == ([1, 2], "a")


def test_arrays_are_made_wherever_they_are(tmp_path):
    array = np.arange(3)
    cycle = [array]
    cycle.append(cycle)
    given = {"tuple": (array, [array]), "space": argparse.Namespace(a=array), "objects": np.array([array, 0], object)}
    found = through_a_file(tmp_path, given | {"cycle": cycle})
    all_ = [found["tuple"][0], found["tuple"][1][0], found["space"].a, found["objects"][0], found["cycle"][0]]
    assert all(one.tolist() == [0, 1, 2] for one in all_)
    assert all_[0] is all_[1]
    assert found["cycle"][1] is found["cycle"]


def test_values_may_stay_on_the_disk(tmp_path):
    through_a_file(tmp_path, ARRAYS["texts"])
    found = load_content(tmp_path / "f.pyth", shapes_only=True)
    assert found["model_state"]["w"].shape == (2,)
    assert found["extra"].tolist() == ["ab", "c"]


class Calls:
    """Pickled as a call of a function."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(ran: Path) -> dict[str, tuple[object, str]]:
    """What could run code, each with the name that must be told."""
    touch = f"touch {ran}"
    python = f"open({str(ran)!r}, 'w')"
    return {
        "system": (Calls(os.system, touch), f"{os.system.__module__}.system"),
        "eval": (Calls(eval, python), "builtins.eval"),
        "exec": (Calls(exec, python), "builtins.exec"),
        "getattr": (Calls(getattr, os.system, "__self__"), "builtins.getattr"),
        "torch.load": (Calls(torch.load, str(ran)), "torch.serialization.load"),
        "torch.hub": (Calls(torch.hub.load, str(ran.parent), "x"), "torch.hub.load"),
        "_load_from_bytes": (Calls(torch.storage._load_from_bytes, b"x"), "torch.storage._load_from_bytes"),
        "factory": (Calls(defaultdict, os.system), f"{os.system.__module__}.system"),
        "torch's factory": (Calls(defaultdict, torch._utils._rebuild_parameter), "defaultdict of <function"),
        "objects": (np.array([Calls(os.system, touch)], object), f"{os.system.__module__}.system"),
        "namespace": (argparse.Namespace(a=Calls(os.system, touch)), f"{os.system.__module__}.system"),
        "from a file": (Calls(np.load, str(ran)), "numpy.load"),
        "unpickler": (Calls(pickle.loads, b"x"), "pickle.loads"),
        "module": (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        # Its own words about an array's memory are not believed.
        "records": (np.zeros(1, [("a", "i4")]), "V4, such as records"),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", attacks(Path("ran")))
def test_what_could_run_code_is_refused_by_its_name(tmp_path, name, zipped):
    value, told = attacks(tmp_path / "ran")[name]
    torch.save(
        {"model_state": {"w": torch.ones(2)}, "extra": value},
        tmp_path / "f.pyth",
        _use_new_zipfile_serialization=zipped,
    )
    with pytest.raises(WeightsError) as caught:
        read_weights(tmp_path / "f.pyth")
    assert told in str(caught.value)
    assert "could run code" in str(caught.value)
    assert "weights_only=False" in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("protocol", [2, 4])
def test_caffe2s_files_hold_arrays_alone(tmp_path, protocol):
    path = tmp_path / "f.pkl"
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": np.ones(2), "lr": np.float32(1)}}, protocol))
    assert read_weights(path).state["s1.pathway0_stem.conv.weight"].tolist() == [1, 1]
    for value in (Calls(os.system, f"touch {tmp_path / 'ran'}"), np.zeros(1, [("a", "i4")]), np.array([{}], object)):
        path.write_bytes(pickle.dumps({"blobs": {"conv1_w": np.ones(2), "x": value}}, protocol))
        with pytest.raises(WeightsError):
            read_weights(path)
    assert not (tmp_path / "ran").exists()


def test_an_arrays_memory_is_not_what_the_file_says(tmp_path):
    """With NumPy's own function the flags of the type, here 63 for bytes, would turn bytes into pointers."""
    data = pickle.dumps({"blobs": {"conv1_w": np.ones(1), "x": np.arange(1)}}, 2)
    forged = data.replace(b"K\x00t", b"K?t")
    assert forged != data
    (tmp_path / "f.pkl").write_bytes(forged)
    assert read_weights(tmp_path / "f.pkl").state["s1.pathway0_stem.conv.weight"].tolist() == [1]


@pytest.mark.parametrize(
    "write", [lambda c, p: p.write_bytes(pickle.dumps(c)), lambda c, p: torch.save(c, p, pickle_protocol=4)]
)
def test_a_whole_file_that_torch_cannot_read_is_not_called_damaged(tmp_path, write):
    write({"model_state": {"w": [1.0]}, "epoch": frozenset([3])}, tmp_path / "f.pyth")
    with pytest.raises(WeightsError, match=r"is a pickle that torch does not read .* write torch\.save"):
        read_weights(tmp_path / "f.pyth")


def test_nothing_that_stands_for_a_name_runs_what_it_is_given():
    """The types and functions that a pickle may call: none takes a function to call it."""
    called = []
    for made in set(HARMLESS.values()):
        for arguments in ((called.append,), (called.append, [1]), ([called.append],)):
            try:
                made(*arguments)
            except Exception:
                continue
    assert called == []
