"""NumPy's files, read without believing what their headers claim: no object, no more numbers than there are bytes."""

from __future__ import annotations

import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fmnist_core.files import Unreadable, open_file, wrong_kind

MOST_BYTES = 256 << 20
"""Of a file of arrays: the largest one of ours, the hidden layer of 512 units for 70,000 images, has 72 MB."""

Array = npt.NDArray[Any]


def read_array(path: Path, *, mapped: bool = False) -> Array:
    """The array of a .npy file; `mapped`: its numbers stay on the disk until they are looked at.

    Raises Unreadable, OSError.
    """
    with os.fdopen(open_file(path), "rb") as file, _as_unreadable(path):
        shape, dtype = _header(file)
        size = os.fstat(file.fileno()).st_size - file.tell()
        if size != math.prod(shape) * dtype.itemsize or size > MOST_BYTES:
            raise ValueError(f"its header announces {shape} numbers, and {size:,} bytes follow")
        if mapped and size:
            return np.memmap(file, dtype, "r", file.tell(), shape)
        return np.fromfile(file, dtype).reshape(shape)


def read_archive(path: Path) -> dict[str, Array]:
    """The arrays of a .npz file by name. Raises Unreadable, OSError."""
    with os.fdopen(open_file(path), "rb") as file, _as_unreadable(path), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) > 1_000 or sum(member.file_size for member in members) > MOST_BYTES:
            raise ValueError("it is too large")
        found = {}
        for member in members:
            with archive.open(member) as part:
                shape, dtype = _header(part)
                content = part.read()
                if len(content) != math.prod(shape) * dtype.itemsize:
                    raise ValueError(f"{member.filename} is not as long as its header says")
                found[member.filename.removesuffix(".npy")] = np.frombuffer(content, dtype).reshape(shape).copy()
        return found


def is_readable(path: Path) -> bool:
    """Whether a library may open this file by its name: a regular one, of a size that can be."""
    try:
        return wrong_kind(path) is None and path.stat().st_size <= MOST_BYTES
    except OSError:
        return False


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its format {version} is unknown")
    if fortran or dtype.hasobject or len(shape) > 8 or any(length < 0 for length in shape):
        raise ValueError("its header announces what none of ours has")
    return shape, dtype


@contextmanager
def _as_unreadable(path: Path) -> Iterator[None]:
    damaged = (
        ValueError,
        KeyError,
        TypeError,
        EOFError,
        MemoryError,
        OverflowError,
        NotImplementedError,
        RuntimeError,
        SyntaxError,
        struct.error,
        zipfile.BadZipFile,
        zlib.error,
    )
    try:
        yield
    except damaged as error:
        raise Unreadable(f"{path} cannot be read: {error}.") from error
