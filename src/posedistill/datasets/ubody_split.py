"""The split lists of UBody: names in a .npy file, read without running the pickle it may hold.

`numpy.save` writes an array of text plainly, and an array of objects as a pickle, which is a
program. Here such a pickle can name only what numpy needs to say "a list of text"; all of that is
replaced by stand-ins that build nothing, and the first other name ends the reading.
"""

import io
import math
import pickle
import pickletools
from pathlib import Path
from typing import IO, Any

import numpy as np

_BUILDERS = {
    *(f"numpy.{core}.multiarray._reconstruct" for core in ("core", "_core")),
    "numpy.ndarray",
    "numpy.dtype",
    "_codecs.encode",  # by which older protocols say bytes
}
# What reading a damaged file raises; the C code of pickle names no narrower classes.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    MemoryError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Refusal(Exception):
    """What is wrong with a file, as the rest of a sentence that starts with its path."""


class _Array:
    """Stand in for all that a pickle may name, and remember the items of an array."""

    __slots__ = ("items",)

    def __init__(self, *_arguments: object) -> None:
        self.items: object = None

    def __setstate__(self, state: object) -> None:
        # An array says (version, shape, dtype, is_fortran, items), a dtype something longer.
        if isinstance(state, tuple) and len(state) == 5:
            self.items = state[4]


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if f"{module}.{name}" not in _BUILDERS:
            shown = ascii(f"{module}.{name}")[1:-1][:100]
            raise _Refusal(
                f"wants to build {shown}; only an array of text is allowed, so nothing was run"
            )
        return _Array


def _unpickle(stream: IO[bytes]) -> object:
    """Give the items of a pickled array of objects."""
    data = stream.read()
    for index, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        # A large number would be a table of its size; registered extensions bypass find_class.
        is_beyond = opcode.name.endswith("PUT") and (argument or 0) > index
        if is_beyond or opcode.name.startswith("EXT"):
            raise pickle.UnpicklingError(f"unusual {opcode.name} {argument}")
    array = _Unpickler(io.BytesIO(data)).load()
    return array.items if isinstance(array, _Array) else None


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], Any]:  # Any: a dtype of some kind
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    return shape, dtype


def _names(path: Path) -> list[str]:
    with path.open("rb") as stream:
        shape, dtype = _header(stream)
        if len(shape) != 1:
            raise _Refusal(f"holds an array of shape {shape}; expected a list of video names")
        if dtype.kind == "U":
            stream.seek(0)
            return [str(name) for name in np.lib.format.read_array(stream, allow_pickle=False)]
        if not dtype.hasobject:
            raise _Refusal(f"holds {dtype}; expected video names as text")
        items = _unpickle(stream)
    if not isinstance(items, list) or len(items) != math.prod(shape):
        raise _Refusal(f"does not hold the {math.prod(shape)} objects that it announces")
    other = [item for item in items if type(item) is not str]
    if other:
        raise _Refusal(f"holds a {type(other[0]).__name__} among the names; expected text only")
    return items


def read_split_list(path: Path) -> frozenset[str]:
    """Read the names of a one-dimensional .npy file of text, or of objects that are all text.

    Raises FileNotFoundError; ValueError when the file holds anything else, wants to build
    anything else (naming it; nothing of it is run) or is damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "intra_scene_test_list.npy")
    ...     np.save(file, np.array(["a", "b"], object))
    ...     sorted(read_split_list(file))
    ['a', 'b']
    """
    if not path.is_file():
        raise FileNotFoundError(f"no such split list: {path}")
    try:
        return frozenset(_names(path))
    except _Refusal as error:
        raise ValueError(f"{path} {error}") from None
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is damaged or no .npy file ({type(error).__name__}: {error}); fetch it again"
        ) from error
