"""Reading checkpoints: what torch.save wrote comes back, and nothing else is ever built or run."""

import contextlib
import io
import os
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from posedistill.models import pickled
from posedistill.models.pickled import read_checkpoint

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]
is_zip = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "older"])


def _saved(checkpoint: object, *, is_zip: bool, protocol: int = 2) -> bytes:
    stream = io.BytesIO()
    torch.save(checkpoint, stream, _use_new_zipfile_serialization=is_zip, pickle_protocol=protocol)
    return stream.getvalue()


def _write(folder: Path, content: bytes, *, name: str = "model.pth") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _archive(**files: bytes) -> bytes:
    """Give a zip archive of files; in their names __ stands for the dot."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"archive/{name.replace('__', '.')}", content)
    return stream.getvalue()


def _views() -> dict[str, torch.Tensor]:
    base = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "whole": base,
        "shared": base[1, :, 1:3],
        "turned": base.permute(2, 0, 1),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "scalar": torch.tensor(7),
        "bool": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "parameter": torch.nn.Parameter(torch.ones(2)),
    } | {name: torch.tensor([0, 1, 3]).to(getattr(torch, name)) for name in DTYPES}


@is_zip
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_tensors_come_back_as_torch_reads_them(is_zip: bool, protocol: int, tmp_path: Path) -> None:
    path = _write(tmp_path, _saved(_views(), is_zip=is_zip, protocol=protocol))
    read, wanted = read_checkpoint(path), torch.load(path, weights_only=False)
    assert list(read) == list(wanted)
    for name, value in wanted.items():
        assert read[name].dtype == value.dtype
        assert read[name].stride() == value.stride()
        assert torch.equal(read[name], value)


@is_zip
def test_tensors_that_share_numbers_still_share_them(is_zip: bool, tmp_path: Path) -> None:
    read = read_checkpoint(_write(tmp_path, _saved(_views(), is_zip=is_zip)))
    read["whole"].zero_()
    assert not read["shared"].any()


@is_zip
def test_containers_numbers_and_text_come_back(is_zip: bool, tmp_path: Path) -> None:
    checkpoint = {
        "list": [1, -2.5, None, True, 2**70],
        "tuple": ("text", ()),
        "ordered": OrderedDict(b=1, a=2),
        "sets": [{1, 2}, frozenset({3})],
        "size": torch.Size([2, 3]),
        "dtype": torch.float16,
    }
    assert read_checkpoint(_write(tmp_path, _saved(checkpoint, is_zip=is_zip))) == checkpoint


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> object:
    """Give a history like those that mmengine stores in checkpoints."""

    class HistoryBuffer:
        def __init__(self) -> None:
            self.log, self.last = np.arange(4.0), np.float64(3)
            self.statistics_methods = {"mean": HistoryBuffer.mean}

        def mean(self) -> None: ...

    name = "mmengine.logging.history_buffer"
    for thing, qualified in ((HistoryBuffer, ""), (HistoryBuffer.mean, ".mean")):
        thing.__module__, thing.__qualname__ = name, f"HistoryBuffer{qualified}"
    module = ModuleType(name)
    module.HistoryBuffer = HistoryBuffer  # type: ignore[attr-defined]
    for part in ("mmengine", "mmengine.logging"):
        monkeypatch.setitem(sys.modules, part, ModuleType(part))
    monkeypatch.setitem(sys.modules, name, module)
    return HistoryBuffer()


@is_zip
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_histories_and_arrays_are_swallowed(
    history: object, is_zip: bool, protocol: int, tmp_path: Path
) -> None:
    checkpoint = {
        "message_hub": {"log_scalars": OrderedDict(loss=history)},
        "meta": {
            "array": np.arange(6, dtype=np.int16).reshape(2, 3)[:, 1:],
            "names": np.array(["nose", b"x"], dtype=object),
            "scalar": np.float32(2),
            "rest": [b"", b"\xff\x00", 1j, slice(1, 2), range(3), torch.device("cuda:1")],
        },
        "state_dict": {"a": torch.ones(2)},
    }
    content = _saved(checkpoint, is_zip=is_zip, protocol=protocol)
    del sys.modules["mmengine.logging.history_buffer"]
    read = read_checkpoint(_write(tmp_path, content))
    assert torch.equal(read["state_dict"]["a"], torch.ones(2))
    assert read["message_hub"] == {"log_scalars": {"loss": None}}
    assert [read["meta"][name] for name in ("array", "names", "scalar")] == [None, None, None]
    assert read["meta"]["rest"][2:] == [None, None, None, None]


class _Call:
    """Pickle as a call of a function."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def _touch(marker: Path) -> str:
    return f"open({str(marker)!r}, 'w').close()"


Attack = Callable[[Path], object]
ATTACKS: dict[str, Attack] = {
    "system": lambda marker: _Call(os.system, f'{sys.executable} -c "{_touch(marker)}"'),
    "eval": lambda marker: _Call(eval, _touch(marker)),
    "exec": lambda marker: _Call(exec, _touch(marker)),
    "check_call": lambda m: _Call(subprocess.check_call, [sys.executable, "-c", _touch(m)]),
    "_load_from_bytes": lambda m: _Call(
        torch.storage._load_from_bytes, pickle.dumps(_Call(exec, _touch(m)))
    ),
    "loads": lambda m: _Call(pickle.loads, pickle.dumps(_Call(exec, _touch(m)))),
    "__import__": lambda m: _Call(getattr, _Call(__import__, "os"), "system"),
    "builtins.getattr": lambda m: _Call(getattr, OrderedDict, "update"),
    "torch.serialization.load": lambda m: _Call(torch.load, str(m)),
    "torch.hub.load": lambda m: _Call(torch.hub.load, "someone/something", "model"),
    "numpy.load": lambda m: _Call(np.load, str(m), None, True),
    "Unpickler": lambda m: _Call(pickle.Unpickler, None),
    "partial": lambda m: _Call(partial, exec, _touch(m)),
    "Conv2d": lambda m: torch.nn.Conv2d(1, 1, 1),
}
WRAPPINGS: dict[str, Callable[[object], bytes]] = {
    **{f"pickle{protocol}": partial(pickle.dumps, protocol=protocol) for protocol in range(6)},
    "in zip": lambda attack: _saved({"state_dict": OrderedDict(a=attack)}, is_zip=True),
    "in older": lambda attack: _saved({"meta": [torch.ones(2), attack]}, is_zip=False),
    "before older": lambda attack: pickle.dumps(attack) + _saved({}, is_zip=False),
    "among keys": lambda attack: _saved({}, is_zip=False)[:-4] + pickle.dumps(attack),
    "as itself": lambda attack: _archive(data__pkl=pickle.dumps(attack)),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("name", ATTACKS)
def test_anything_else_is_refused_by_name_and_not_run(
    name: str, wrap: Callable[[object], bytes], tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    path = _write(tmp_path, wrap(ATTACKS[name](marker)))
    with pytest.raises(ValueError, match=rf"model\.pth wants to build \S*{name}; only tensors"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["system", "eval", "exec", "check_call", "loads"])
def test_the_attacks_would_run_in_an_ordinary_reader(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = _saved(ATTACKS[name](marker), is_zip=True)
    torch.load(io.BytesIO(content), weights_only=False)
    assert marker.exists()


HISTORY = b"cmmengine.logging.history_buffer\nHistoryBuffer\n"
HAND_MADE = {
    "os.system": b"cos\nsystem\n(S'echo'\ntR.",
    "posix.system": b"(S'echo'\niposix\nsystem\n.",
    "collections.OrderedDict.copy": b"\x80\x04\x8c\x0bcollections\x8c\x10OrderedDict.copy\x93.",
    "builtins.getattr": b"cbuiltins\ngetattr\n(ccollections\nOrderedDict\nS'x'\ntR.",
    "posedistill.models.pickled._tensor": b"cposedistill.models.pickled\n_tensor\n.",
    r"os.\x1b[31msystem": b"cos\n\x1b[31msystem\n.",
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made_pickles_are_refused_by_name(name: str, tmp_path: Path) -> None:
    for content in (HAND_MADE[name], _archive(data__pkl=HAND_MADE[name])):
        with pytest.raises(ValueError, match=re.escape(f" wants to build {name};")):
            read_checkpoint(_write(tmp_path, content))


def test_what_a_history_gives_is_swallowed_too(tmp_path: Path) -> None:
    pickled = b"cbuiltins\ngetattr\n(" + HISTORY + b"S'__init__'\ntR"
    chain = b"cbuiltins\ngetattr\n(" + pickled + b"S'__globals__'\ntR."
    assert read_checkpoint(_write(tmp_path, _archive(data__pkl=chain))) is None


TAMPERING = {
    name: b"\x80\x02c" + name.replace(" ", "\n").encode() + b"\nN}X\x03\x00\x00\x00hitK\x01s\x86b."
    for name in (
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch FloatStorage",
        "collections OrderedDict",
        "builtins getattr",
        "mmengine.logging.history_buffer HistoryBuffer",
    )
}


@pytest.mark.parametrize("name", TAMPERING)
def test_a_file_cannot_change_what_later_files_are_built_with(name: str, tmp_path: Path) -> None:
    tampering = _write(tmp_path, _archive(data__pkl=TAMPERING[name]))
    good = _write(tmp_path, _saved({"a": torch.ones(2)}, is_zip=True), name="good.pth")
    before = {key: value for key, value in vars(pickled).items() if hasattr(value, "__dict__")}
    dictionaries = {key: dict(vars(value)) for key, value in before.items()}
    with contextlib.suppress(ValueError):
        read_checkpoint(tampering)
    assert {key: dict(vars(value)) for key, value in before.items()} == dictionaries
    assert read_checkpoint(good)["a"].tolist() == [1, 1]


def _storage(count: int, *, size: int, stride: int = 1) -> bytes:
    """Give the pickle of a tensor (size,) on a storage of count numbers."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n((S'storage'\nctorch\nFloatStorage\nS'0'\nS'cpu'\n"
        + f"I{count}\ntQI0\n(I{size}\nt(I{stride}\ntI00\nccollections\nOrderedDict\n)RtR.".encode()
    )


def test_the_hand_made_tensor_is_a_good_one(tmp_path: Path) -> None:
    files = {"data__pkl": _storage(2, size=2), "data/0": struct.pack("<2f", 3, 4)}
    assert read_checkpoint(_write(tmp_path, _archive(**files))).tolist() == [3, 4]


@pytest.mark.parametrize(
    "made",
    [_storage(10**15, size=2), _storage(-1, size=2), _storage(2, size=3), _storage(1, size=2)],
    ids=["storage beyond memory", "negative storage", "view beyond it", "storage short of it"],
)
def test_a_tensor_beyond_its_numbers_is_refused(made: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path, _archive(data__pkl=made, **{"data/0": bytes(4)}))
    with pytest.raises(ValueError, match=r"model\.pth is damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "opcode",
    [b"r\xff\xff\xff\x7f", b"p2000000000\n", b"\x82\x01"],
    ids=["memo", "put", "extension"],
)
def test_opcodes_that_no_pickler_writes_are_refused_unread(opcode: bytes, tmp_path: Path) -> None:
    path = _write(tmp_path, b"\x80\x02N" + opcode + b".")
    with pytest.raises(ValueError, match=r"damaged.*unusual (LONG_BINPUT|PUT|EXT1) "):
        read_checkpoint(path)


GOOD = {
    kind: _saved({"a": torch.arange(40.0), "n": [1, "x"]}, is_zip=kind == "zip")
    for kind in ("zip", "older")
}


@pytest.mark.parametrize("kind", GOOD)
def test_a_truncated_checkpoint_is_refused(kind: str, tmp_path: Path) -> None:
    for length in range(1, len(GOOD[kind]), 7):
        with pytest.raises(ValueError, match=r"model\.pth .*(damaged|is a pickle)"):
            read_checkpoint(_write(tmp_path, GOOD[kind][:length]))


def test_a_changed_number_in_an_archive_is_noticed(tmp_path: Path) -> None:
    content = GOOD["zip"].replace(struct.pack("<f", 17), struct.pack("<f", 18))
    with pytest.raises(ValueError, match="damaged.*CRC"):
        read_checkpoint(_write(tmp_path, content))


@given(
    kind=st.sampled_from(sorted(GOOD)),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
@settings(max_examples=300)
def test_random_damage_is_read_or_refused_in_words(
    kind: str, changes: list[tuple[float, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(GOOD[kind])
    for place, value in changes:
        content[int(place * len(content))] = value
    path = _write(tmp_path_factory.getbasetemp(), bytes(content))
    with contextlib.suppress(ValueError):
        read_checkpoint(path)


def _tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    return stream.getvalue()


OTHERS = {
    "empty.pth": (b"", "is empty"),
    "page.pth": (b"\n<!DOCTYPE html><html>Not found</html>", "is a web page"),
    "text.pth": (b"404: Not Found", "no checkpoint of torch.save"),
    "old.pth": (_tar(), "no checkpoint of torch.save"),
    "dict.pth": (pickle.dumps({"state_dict": {}}), "is a pickle, but no checkpoint"),
    "docs.pth": (_archive(text=b"x"), "is a zip archive, but no checkpoint"),
    "script.pth": (_archive(data__pkl=b"N.", constants__pkl=b"N."), "is a TorchScript archive"),
    "code.pth": (_archive(data__pkl=b"N.", **{"code/m__py": b""}), "is a TorchScript archive"),
    "big.pth": (_archive(data__pkl=b"N.", byteorder=b"big"), "big-endian"),
    "m.safetensors": (GOOD["zip"], r"is a \.safetensors file"),
    "named.pth": (safetensors.torch.save({"a": torch.ones(1)}), r"is a \.safetensors file"),
    "m.onnx": (b"\x08\x07", r"is an \.onnx file"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_refused_in_words(name: str, tmp_path: Path) -> None:
    content, words = OTHERS[name]
    with pytest.raises(ValueError, match=rf"{name} .*{words}"):
        read_checkpoint(_write(tmp_path, content, name=name))


@pytest.mark.parametrize("name", ["missing.pth", "."])
def test_a_file_that_is_not_there_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="does not exist, or is no file"):
        read_checkpoint(tmp_path / name)
