"""Reads pickles as data: a closed list of names, each standing for a function that keeps its arguments.

A pickle is a program, and Python's own reader runs whatever it names. This one resolves names to the functions below
only; classes of networks become :class:`Holder`, which has the attributes and no behaviour. PyTorch's own loader of
nested storages, ``torch.storage._load_from_bytes``, is an unrestricted unpickler itself, so it is replaced as well.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from qdbench.datasets import DataError

MOST_BYTES = 16 << 30
"""The most that one tensor, or all of a file, may take."""

_STORAGES: dict[str, str] = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_NUMPY_KINDS = "biuf"


class RefusedError(DataError):
    """A file that names something that this reader does not know, or whose geometry is impossible."""


@dataclasses.dataclass
class Holder:
    """An object of a class that is not known: its name, what it was made of and its state."""

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


@dataclasses.dataclass
class Storage:
    """The numbers of tensors; they may come after the pickle that refers to them."""

    dtype: str
    count: int
    data: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return 2 if self.dtype == "bf16" else np.dtype(self.dtype).itemsize

    def fill(self, data: bytes) -> None:
        """Gives it its numbers.

        Raises:
            RefusedError: If there are too few.
        """
        if len(data) < self.count * self.size:
            raise RefusedError(
                f"a storage of {self.count} numbers has {len(data)} bytes; it should have {self.count * self.size}"
            )
        self.data = data

    def numbers(self) -> np.ndarray:
        """All numbers, bfloat16 as float32."""
        assert self.data is not None
        if self.dtype == "bf16":
            wide = np.frombuffer(self.data, "<u2", self.count).astype(np.uint32) << 16
            return wide.view(np.float32)
        return np.frombuffer(self.data, np.dtype(self.dtype).newbyteorder("<"), self.count)


@dataclasses.dataclass
class Tensor:
    """A view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> np.ndarray:
        """The tensor's numbers.

        Raises:
            RefusedError: If the view leaves its storage or is larger than any file.
        """
        geometry = (self.offset, *self.shape, *self.strides)
        if len(self.shape) != len(self.strides) or any(type(number) is not int or number < 0 for number in geometry):
            raise RefusedError(f"a tensor has the impossible geometry {geometry}")
        count, last = 1, self.offset
        for size, stride in zip(self.shape, self.strides, strict=True):
            count *= size
            last += max(size - 1, 0) * stride
        if count * self.storage.size > MOST_BYTES:
            raise RefusedError(f"a tensor of the shape {self.shape} would take {count * self.storage.size:,} bytes")
        if count and last >= self.storage.count:
            raise RefusedError(
                f"a tensor of the shape {self.shape} ends at number {last} of a storage of {self.storage.count}"
            )
        numbers = self.storage.numbers()
        if not count:
            return np.zeros(self.shape, numbers.dtype)
        strides = tuple(stride * numbers.itemsize for stride in self.strides)
        return np.lib.stride_tricks.as_strided(numbers[self.offset :], self.shape, strides, writeable=False).copy()


class _Dtype:
    """NumPy's description of a type."""

    def __init__(self, code: Any, *_: Any) -> None:
        self.code, self.order = str(code), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = "<" if state[1] == "|" else str(state[1])

    def build(self) -> np.dtype[Any]:
        try:
            dtype = np.dtype(self.code)
        except (TypeError, ValueError) as error:
            raise RefusedError(f"an array has the unknown type {self.code!r}") from error
        if dtype.kind not in _NUMPY_KINDS or self.order not in "<>=":
            raise RefusedError(f"an array has the type {self.code!r}; only numbers are read")
        return dtype.newbyteorder(">" if self.order == ">" else "<")


class _Array:
    """A NumPy array whose numbers come with its state."""

    def __init__(self, *_: Any) -> None:
        self.value = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise RefusedError("a NumPy array holds Python objects; only numbers are read")
        flat = np.frombuffer(data, dtype.build())
        self.value = flat.reshape(tuple(shape), order="F" if fortran else "C")


def _scalar(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.build())[0].item()


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    if not isinstance(storage, Storage):
        raise RefusedError(f"a tensor has a {type(storage).__name__} in place of a storage")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


def _keep_first(first: Any, *_: Any) -> Any:
    return first


def _encoded(text: str, encoding: str = "latin1") -> bytes:
    # How Python 3 writes bytes for readers of protocol 2.
    if encoding != "latin1":
        raise RefusedError(f"bytes are written in {encoding!r}; it should be 'latin1'")
    return text.encode("latin1")


def _persistent(meta: Any) -> Holder:
    # NVIDIA's classes: the source code that stands in the file beside the state is left alone.
    state = meta.get("state") if isinstance(meta, dict) else None
    return Holder(str(meta.get("class_name")) if isinstance(meta, dict) else "unknown", (), state)


class _Dict(dict[str, Any]):
    """A dictionary that is also written as a class of its own; its attributes are its items."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.update(state)


_KNOWN: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): _Dict,
    ("dnnlib.util", "EasyDict"): _Dict,
    ("dnnlib", "EasyDict"): _Dict,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _keep_first,
    ("torch.jit._pickle", "build_intlist"): _keep_first,
    ("torch.jit._pickle", "build_doublelist"): _keep_first,
    ("torch.jit._pickle", "build_boollist"): _keep_first,
    ("torch.jit._pickle", "build_tensorlist"): _keep_first,
    ("torch.jit._pickle", "restore_type_tag"): _keep_first,
    ("torch", "Size"): tuple,
    ("torch", "device"): lambda *arguments: Holder("torch.device", arguments),
    ("_codecs", "encode"): _encoded,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _KNOWN[_module, "_reconstruct"] = _Array
    _KNOWN[_module, "scalar"] = _scalar

StorageOf = Callable[[str, str, int], Storage]
"""Gives the storage of a key, a type and a count."""


class Reader(pickle.Unpickler):
    """Reads one pickle; storages that it refers to come from ``storage_of``."""

    def __init__(self, file: io.BufferedIOBase, storage_of: StorageOf | None, nested: Callable[[bytes], Any]) -> None:
        super().__init__(file, encoding="latin1")
        self._storage_of = storage_of
        self._nested = nested

    def find_class(self, module: str, name: str) -> Any:
        """The inert stand-in of a name.

        Raises:
            RefusedError: If it is not on the list.
        """
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return self._nested
        if module == "torch" and name in _STORAGES:
            return _StorageType(name)
        if module.startswith("__torch__"):
            return _holder_of(f"{module}.{name}")
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        raise RefusedError(
            f"it names {module}.{name}, which is not part of any checkpoint that qdbench reads; nothing was run"
        )

    def persistent_load(self, pid: Any) -> Storage:
        """The storage of a persistent id.

        Raises:
            RefusedError: If it is none.
        """
        if self._storage_of is None or not isinstance(pid, tuple) or len(pid) < 5 or pid[0] != "storage":
            raise RefusedError(f"it refers to {pid!r}, which is no storage")
        kind, key, count = pid[1], pid[2], pid[4]
        if not isinstance(kind, _StorageType) or type(count) is not int or not 0 <= count <= MOST_BYTES:
            raise RefusedError(f"a storage has the type {kind!r} and {count!r} numbers")
        return self._storage_of(str(key), _STORAGES[kind.name], count)


@dataclasses.dataclass(frozen=True)
class _StorageType:
    """The name of a type of storage; it cannot be called."""

    name: str


def _holder_of(name: str) -> type[Holder]:
    def make(cls: type[Holder], *arguments: Any) -> Holder:
        made = object.__new__(cls)
        made.name, made.arguments, made.state = name, arguments, None
        return made

    return type("Named", (Holder,), {"__new__": make, "__init__": _ignore})


def _ignore(*_: Any) -> None:
    return


def unpickle(
    data: bytes | io.BufferedIOBase, storage_of: StorageOf | None, nested: Callable[[bytes], Any], source: str
) -> Any:
    """Reads one pickle.

    Args:
        data: The pickle; of a file, the first one from where it stands.
        storage_of: Gives the storages that it refers to; None if it must not refer to any.
        nested: Reads the nested storages of NVIDIA's pickles.
        source: The file, for messages.

    Raises:
        DataError: If it names what is not known, or is damaged.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    try:
        return Reader(file, storage_of, nested).load()
    except RefusedError as error:
        raise RefusedError(f"{source} is refused: {error}") from error
    # A damaged or hostile pickle can make the interpreter's machine fail in any way; none of it runs anything.
    except Exception as error:
        raise DataError(f"{source} cannot be read as a pickle ({type(error).__name__}: {error})") from error


def plain(value: Any) -> Any:
    """The value with tensors and arrays as NumPy arrays; containers and holders stay."""
    if isinstance(value, Tensor):
        return value.array()
    if isinstance(value, _Array):
        return value.value
    return value


def mapping_of(value: Any) -> Mapping[str, Any]:
    """A value's items: those of a dictionary, or the attributes of a holder; empty for anything else."""
    state = value.state if isinstance(value, Holder) else value
    return state if isinstance(state, dict) else {}
