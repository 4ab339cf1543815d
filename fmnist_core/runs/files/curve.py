"""The losses of a run, read once in a process: asked again, only what has been written since is read.

Every viewer of a branch in training asks for two such curves every two seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.training.events import Losses

KEPT = 64
"""Runs whose losses stay in memory: 0.8 MB each for a run of 200,000 steps."""

Curve = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Read:
    losses: Curve
    offset: int
    """Bytes of the record that are in it."""
    inode: int
    size: int
    written: int
    """When the record was written last, as its file tells."""


_read: dict[RunFolder, _Read] = {}
"""Those asked for last stand at the end."""


def losses(folder: RunFolder) -> Curve:
    """The loss of every step so far, (steps,) float32, not to be written to; as `RunFolder.losses` gives them.

    Raises Unreadable, OSError.
    """
    status = (folder.path / "events.jsonl").stat()
    known = _read.pop(folder, None)
    stands = (status.st_ino, status.st_size, status.st_mtime_ns)
    if known and (known.inode, known.size, known.written) != stands:
        is_longer = known.inode == status.st_ino and known.size < status.st_size
        known = known if is_longer else None  # else it is another file, or was repaired
    elif known:
        _read[folder] = known
        return known.losses
    found, offset = ([known.losses], known.offset) if known else ([np.empty(0, np.float32)], 0)
    while True:
        told, after = folder.news(offset)
        if not told:
            break
        found += [np.asarray(event.losses, np.float32) for event in told if isinstance(event, Losses)]
        offset = after
    curve = np.concatenate(found)
    curve.flags.writeable = False
    _read[folder] = _Read(curve, offset, *stands)
    while len(_read) > KEPT:
        _read.pop(next(iter(_read)), None)
    return curve
