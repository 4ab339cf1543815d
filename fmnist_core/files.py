"""How files are read and written: without waiting, within bounds, and whole or not at all.

Whoever reads a file here gets its content, or `Unreadable` with a sentence that names the file and says what is wrong,
or the OSError of the system (not there, no permission). A FIFO in the place of a file is not waited for, a link is not
followed, a file larger than it can be is not loaded.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import shutil
import stat
import threading
from pathlib import Path
from typing import IO

DEPTH = 32
"""Brackets within brackets that JSON of ours may have."""

_WITHOUT_WAITING = os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC

_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Unreadable(ValueError):
    """A file is there and is not what it should be. The sentence is meant for the page."""


def explain(error: Exception) -> str:
    """What is wrong, as a sentence for the page."""
    if isinstance(error, OSError):
        return f"{error.filename or 'A file'} cannot be used ({error.strerror or type(error).__name__})."
    return str(error) if isinstance(error, Unreadable) else f"{type(error).__name__}: {error}."


# --- Reading -------------------------------------------------------------------------------------------------------


def open_file(path: Path, flags: int = os.O_RDONLY) -> int:
    """A descriptor of a regular file; with O_CREAT it is made where there is none. Never waits.

    Raises Unreadable where something else has that name, and OSError.
    """
    try:
        if wrong := wrong_kind(path):
            raise Unreadable(f"{path} is {wrong}, not a file.")
        handle = os.open(path, flags | _WITHOUT_WAITING, file_mode())
    except ValueError as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable(f"{path!r} cannot be the name of a file.") from error  # a NUL in it
    if not stat.S_ISREG(os.fstat(handle).st_mode):  # exchanged since
        os.close(handle)
        raise Unreadable(f"{path} is not a file.")
    return handle


def wrong_kind(path: Path) -> str | None:
    """What stands in the place of a file, such as "a FIFO"; None for a file, and where there is nothing."""
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    return next((name for is_kind, name in _KINDS if is_kind(mode)), None)


def read(path: Path, most: int = 1 << 20) -> bytes:
    """All of a file of at most `most` bytes. Raises Unreadable, OSError."""
    with os.fdopen(open_file(path), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= most:
            content = file.read(most + 1)
            if len(content) <= most:
                return content
    raise Unreadable(f"{path} has {size:,} bytes: it can have {most:,} at most.")


def read_json(path: Path, most: int = 1 << 20) -> object:
    """The value in a file of strict JSON. Raises Unreadable, OSError."""
    try:
        return parse(read(path, most))
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(f"{path} is not JSON: {error}.") from error


def parse(content: bytes | str) -> object:
    """Strict JSON in UTF-8: no NaN, no number beyond the largest, no deeper than `DEPTH`. Raises ValueError.

    >>> parse(b'{"rates": [0.1, null]}')
    {'rates': [0.1, None]}
    >>> parse("[NaN]")
    Traceback (most recent call last):
        ...
    ValueError: NaN is not a number
    """
    text = content.decode() if isinstance(content, bytes) else content
    try:
        value: object = json.loads(text, parse_constant=_refuse, parse_float=_finite)
        _check_depth(value)
    except RecursionError as error:
        raise ValueError(f"more than {DEPTH} brackets within each other") from error
    return value


def _refuse(word: str) -> float:
    raise ValueError(f"{word} is not a number")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a number that can be stored")
    return number


def _check_depth(value: object, depth: int = 0) -> None:
    if depth > DEPTH:
        raise ValueError(f"more than {DEPTH} brackets within each other")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, depth + 1)


def to_json(value: object, indent: int | None = None) -> str:
    """Strict JSON. Raises ValueError for a number that is not finite."""
    return json.dumps(value, allow_nan=False, indent=indent, separators=None if indent else (",", ":"))


# --- Writing -------------------------------------------------------------------------------------------------------


def is_shared() -> bool:
    """Whether other users of this machine may read what is written: `FMNIST_SHARED=1`; then the umask decides."""
    return os.environ.get("FMNIST_SHARED", "") not in ("", "0")


def file_mode(*, public: bool = False) -> int:
    """Permissions of a new file, before the umask."""
    return 0o666 if public or is_shared() else 0o600


def make_folder(path: Path, *, parents: bool = False) -> None:
    """A folder that only its owner may enter, unless sharing is asked for; one that is there stays as it is.

    Raises OSError.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o777 if is_shared() else 0o700, exist_ok=True)


def write_whole(
    path: Path, content: bytes, *, durable: bool = True, by_several: bool = False, public: bool = False
) -> None:
    """Appears complete or not at all: written under a temporary name, then renamed. Raises OSError.

    `durable`: a power cut cannot take it away either. `by_several`: two processes or threads may write it at once.
    `public`: it is nobody's own, such as the data set.
    """
    mark = f".{os.getpid()}-{threading.get_ident()}" if by_several else ""
    temporary, mode = path.with_name(f".{path.name}{mark}.tmp"), file_mode(public=public)
    try:
        temporary.unlink(missing_ok=True)  # left by a process that was killed
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def lock(path: Path) -> IO[bytes] | None:
    """The open file that holds this lock until it is closed or the process ends; None where another has it.

    Raises Unreadable and OSError: also where the file system knows no locks.
    """
    file = os.fdopen(open_file(path, os.O_RDWR | os.O_CREAT), "r+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:
        file.close()
        raise
    return file


def remove(path: Path) -> None:
    """Whatever has this name is gone. Raises OSError."""
    try:
        path.unlink(missing_ok=True)
    except (IsADirectoryError, PermissionError):  # macOS says the second of a folder
        if wrong_kind(path) != "a folder":
            raise
        shutil.rmtree(path)


def lock_of_ours(path: Path) -> IO[bytes] | None:
    """As `lock`; what stands in the place of the file is set aside."""
    try:
        return lock(path)
    except Unreadable:
        set_aside(path)
        return lock(path)


def open_log(path: Path) -> int:
    """A descriptor to append to; what stands in the place of the file is set aside. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        return open_file(path, flags)
    except Unreadable:
        set_aside(path)
        return open_file(path, flags)


def set_aside(path: Path) -> Path:
    """Rename what stands in the way of a file of ours, so that it can be made anew; the new name. Raises OSError."""
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.name}.set-aside-{number}")):
        number += 1
    return path.rename(aside)
