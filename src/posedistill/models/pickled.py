"""Read checkpoints of torch.save: tensors and plain containers are built, nothing else ever.

A pickle is a program. Here it can name only what the tables below list; the first other name ends
the reading. Tensors are made after the pickle has ended, from what it said about them, so that it
cannot touch them; what training runs store beside the weights (histories, numpy arrays, devices)
is swallowed. Both formats of torch.save are read by this module itself, the zip archive and the
older stream of pickles: `torch.load` would choose by content among further readers, one of which
runs TorchScript.
"""

import io
import pickle
import pickletools
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import torch
from torch import Tensor

_MAGIC_NUMBER, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # torch/serialization.py
_ZIP_START = b"PK\x03\x04"


class _Refusal(ValueError):
    """What is wrong with a file, as the rest of a sentence that starts with its path."""


class _Ignored:
    """Swallow whatever a pickle does to an object, and stay as it was."""

    __slots__ = ()

    def __new__(cls, *_arguments: object, **_named: object) -> "_Ignored":
        return super().__new__(cls)

    def __call__(self, *_arguments: object) -> "_Ignored":
        return self

    # Any number of arguments: a pickle may do this to the class as well as to an instance.
    def __setstate__(*_state: object) -> None:
        pass

    append = extend = add = __setitem__ = __setstate__


class _Dict(dict[object, object]):
    """An OrderedDict whose attributes (state dicts have `_metadata`) are left out."""

    __slots__ = ()

    def __setstate__(*_state: object) -> None:
        pass


class _Builder:
    """Call a function of this module; unlike the function, a pickle cannot change it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> object:
        return self._function(*arguments)

    def __setstate__(*_state: object) -> None:
        pass


class _Storage(NamedTuple):
    """Numbers that several tensors may view."""

    dtype: torch.dtype
    key: str
    num_values: int


class _View(NamedTuple):
    """A tensor to be."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _view(*arguments: Any) -> _View:  # Any: from the file; torch checks them later
    storage, offset, size, stride = arguments[:4]
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor without storage")
    return _View(storage, offset, size, stride)


def _parameter(data: object, *_arguments: object) -> object:
    return data


def _attribute(owner: object, *_arguments: object) -> _Ignored:
    """Give the methods that histories keep; they are stand-ins like the histories."""
    if owner is _Ignored or isinstance(owner, _Ignored):
        return _Ignored()
    raise _refusal("builtins.getattr")


_DTYPES = {
    "Double": torch.float64,
    "Float": torch.float32,
    "Half": torch.float16,
    "BFloat16": torch.bfloat16,
    "Long": torch.int64,
    "Int": torch.int32,
    "Short": torch.int16,
    "Char": torch.int8,
    "Byte": torch.uint8,
    "Bool": torch.bool,
}
_CONSTANTS = {f"torch.{kind}Storage": dtype for kind, dtype in _DTYPES.items()} | {
    str(dtype): dtype for dtype in _DTYPES.values()
}
_BUILDERS: dict[str, Callable[..., object]] = {
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.Size": tuple,
    "collections.OrderedDict": _Dict,
    "builtins.set": set,
    "builtins.frozenset": frozenset,
    "builtins.getattr": _attribute,
}
_HISTORY = "mmengine.logging.history_buffer.HistoryBuffer"
_IGNORED = {
    _HISTORY,
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    *(f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")),
    *(f"numpy.{core}.numeric._frombuffer" for core in ("core", "_core")),
    "numpy.ndarray",
    "numpy.dtype",
    "torch.device",
    "_codecs.encode",
    "copyreg._reconstructor",
    *(f"builtins.{name}" for name in ("object", "bytes", "bytearray", "complex", "slice")),
    *(f"builtins.{name}" for name in ("range", "xrange")),
}
_PYTHON2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}  # protocols 0 to 2 say these


def _refusal(name: str) -> _Refusal:
    shown = ascii(name)[1:-1][:100]
    return _Refusal(
        f"wants to build {shown}; only tensors and plain containers are allowed, "
        "so nothing of it was run"
    )


def _checked(stream: IO[bytes]) -> IO[bytes]:
    """Give a stream whose next pickle takes no more memory than it is long.

    Picklers number what they remember one by one; a larger number would be a table of its size.
    Numbers of registered extensions would be a way around `find_class`.
    """
    start = stream.tell()
    for index, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
        is_beyond = opcode.name.endswith("PUT") and (argument or 0) > index
        if is_beyond or opcode.name.startswith("EXT"):
            raise pickle.UnpicklingError(f"unusual {opcode.name} {argument}")
    stream.seek(start)
    return stream


class _Unpickler(pickle.Unpickler):
    """Build what the tables list. `storages` are those that it named."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(_checked(stream))
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        """Give what a name stands for; all of it ignores the state that a pickle may set."""
        full = f"{_PYTHON2_MODULES.get(module, module)}.{name}"
        if full in _CONSTANTS:
            return _CONSTANTS[full]
        if full in _BUILDERS:
            return _Builder(_BUILDERS[full])
        if full in _IGNORED or full.startswith(f"{_HISTORY}."):
            return _Ignored
        raise _refusal(f"{module}.{name}")

    def persistent_load(self, record: Any) -> _Storage:  # Any: from the file, checked here
        """Give the storage that a record (kind, type, key, device, count[, view]) describes."""
        kind, dtype, key, _, count, *view = record
        if kind != "storage" or not isinstance(dtype, torch.dtype) or any(view):
            raise pickle.UnpicklingError(f"unknown kind of storage {kind!r}")
        return self.storages.setdefault(key, _Storage(dtype, key, count))


def _numbers(storage: _Storage, stream: IO[bytes]) -> Tensor:
    """Read little-endian numbers (N,)."""
    length = storage.num_values * storage.dtype.itemsize
    data = stream.read(length)
    if len(data) != length:
        raise EOFError(f"storage {storage.key} has fewer than {storage.num_values} numbers")
    if not data:
        return torch.empty(0, dtype=storage.dtype)
    return torch.frombuffer(bytearray(data), dtype=storage.dtype)


def _plain(value: object, numbers: dict[str, Tensor]) -> object:
    """Make the tensors of a checkpoint; put None for what was swallowed."""
    if isinstance(value, _View):
        storage, offset, size, stride = value
        return torch.as_strided(numbers[storage.key], size, stride, offset)
    if isinstance(value, dict):
        return {key: _plain(item, numbers) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, numbers) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item, numbers) for item in value)
    is_swallowed = value is _Ignored or isinstance(value, _Ignored | _Builder)
    return None if is_swallowed else value


def _read_zip(file: IO[bytes]) -> object:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
            raise _Refusal(
                "is a TorchScript archive, which holds code; only what torch.save wrote is read"
            )
        pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise _Refusal("is a zip archive, but no checkpoint of torch.save: no data.pkl in it")
        folder = pickles[0].removesuffix("/data.pkl")
        if f"{folder}/byteorder" in names and archive.read(f"{folder}/byteorder") != b"little":
            raise _Refusal("was saved on a big-endian machine; save it again on another")
        unpickler = _Unpickler(io.BytesIO(archive.read(pickles[0])))
        checkpoint, numbers = unpickler.load(), {}
        for key, storage in unpickler.storages.items():
            with archive.open(f"{folder}/data/{key}") as stream:
                numbers[key] = _numbers(storage, stream)
    return _plain(checkpoint, numbers)


def _read_stream(file: IO[bytes]) -> object:
    """Read four pickles (magic number, protocol, machine, checkpoint), storage keys, numbers."""
    if _Unpickler(file).load() != _MAGIC_NUMBER:
        raise _Refusal("is a pickle, but no checkpoint: torch.save did not write it")
    protocol, machine = _Unpickler(file).load(), _Unpickler(file).load()
    if protocol != _PROTOCOL or not machine["little_endian"]:
        raise _Refusal("was saved by an unknown torch or machine; save it again with a recent one")
    unpickler = _Unpickler(file)
    checkpoint, numbers = unpickler.load(), {}
    for key in _Unpickler(file).load():
        storage = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != storage.num_values:
            raise EOFError(f"storage {key} has not {storage.num_values} numbers")
        numbers[key] = _numbers(storage, file)
    return _plain(checkpoint, numbers)


def _check_kind(path: Path) -> None:
    """Refuse what is often given by mistake, in words of its own."""
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint {path} does not exist, or is no file")
    with path.open("rb") as file:
        start = file.read(256)
    if not start:
        raise _Refusal("is empty; download or copy it again")
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise _Refusal("is a web page, not a checkpoint; the download went wrong")
    if path.suffix == ".safetensors" or start[8:10] == b'{"':
        raise _Refusal("is a .safetensors file; only checkpoints of torch.save need converting")
    if path.suffix == ".onnx":
        raise _Refusal("is an .onnx file, which runs as it is; only checkpoints are converted")


# What reading a damaged pickle or archive raises; C code of both names no narrower classes.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    MemoryError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_checkpoint(path: str | Path) -> Any:  # Any: what the file holds
    """Read a checkpoint of torch.save, of the zip or the older format, running nothing of it.

    Gives tensors on the CPU, numbers and strings in dicts, lists, tuples and sets. Histories of
    mmengine, numpy arrays and devices become None.

    Raises FileNotFoundError; ValueError when the file wants to build anything else (naming it),
    is damaged, or is another kind of file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "model.pth")
    ...     torch.save({"state_dict": {"a": torch.ones(2)}}, file)
    ...     read_checkpoint(file)
    {'state_dict': {'a': tensor([1., 1.])}}
    """
    path = Path(path)
    try:
        _check_kind(path)
        with path.open("rb") as file:
            is_zip = file.read(len(_ZIP_START)) == _ZIP_START
            file.seek(0)
            return _read_zip(file) if is_zip else _read_stream(file)
    except _Refusal as error:
        raise ValueError(f"{path} {error}") from None
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is damaged, cut short or no checkpoint of torch.save "
            f"({type(error).__name__}: {error}); download or copy it again"
        ) from error
