"""Pictures that people keep: 28 x 28 pixels, a name and, where it is known, a class; a small file each beside the runs.

`.yours/ID.json` in the runs folder. What was brought is not kept, only what the network sees of it. Each belongs to whoever kept
it; as everywhere, that name proves nothing.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fmnist_core.data.brought.files import tidy_name
from fmnist_core.data.brought.pixels import as_text, from_text
from fmnist_core.data.dataset import CLASSES
from fmnist_core.files import Unreadable, make_folder, read_json, to_json, write_whole

FOLDER = ".yours"
VERSION = 1
MOST = 500
"""Pictures that one person may keep."""
MOST_BYTES = 10_000
_ID = re.compile(r"[0-9a-f]{12}")


class CollectionFull(Exception):
    """A person keeps as many pictures as they may."""


@dataclass(frozen=True, eq=False)
class Kept:
    """One picture of a collection."""

    id: str
    owner: str
    """The id of whoever kept it."""
    name: str
    label: int | None
    """The class that its owner gave it, 0 to 9."""
    picture: npt.NDArray[np.uint8]
    """(28, 28) uint8."""


def collection(runs: Path, owner: str) -> list[Kept]:
    """What `owner` keeps, the oldest first. Files that cannot be read are left out; they harm nothing."""
    return [kept for kept in _all(runs) if kept.owner == owner]


def _all(runs: Path) -> list[Kept]:
    try:
        files = sorted((runs / FOLDER).glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    except OSError:
        return []
    found = []
    for path in files:
        try:
            found.append(_read(path))
        except (OSError, ValueError):
            continue
    return found


def _read(path: Path) -> Kept:
    """Raises OSError, Unreadable or ValueError."""
    content = read_json(path, MOST_BYTES)
    if not _ID.fullmatch(path.stem) or not isinstance(content, dict) or content.get("version") != VERSION:
        raise Unreadable(f"{path} holds no picture of version {VERSION}.")
    owner, name, label, pixels = (content.get(key) for key in ("owner", "name", "label", "pixels"))
    is_class = label is None or (type(label) is int and 0 <= label < len(CLASSES))
    if not (isinstance(owner, str) and isinstance(name, str) and isinstance(pixels, str) and is_class):
        raise Unreadable(f"{path} holds something else than a picture.")
    return Kept(path.stem, owner, tidy_name(name).strip("“”"), label, from_text(pixels))


def keep(runs: Path, owner: str, name: str, picture: npt.NDArray[np.uint8], label: int | None = None) -> Kept:
    """Keep the picture (28, 28) uint8. Raises CollectionFull, or OSError where it cannot be written."""
    if len(collection(runs, owner)) >= MOST:
        raise CollectionFull(f"You keep {MOST} pictures already: delete some first.")
    kept = Kept(secrets.token_hex(6), owner, tidy_name(name).strip("“”"), label, np.array(picture, np.uint8))
    _write(runs, kept)
    return kept


def relabel(runs: Path, owner: str, id: str, label: int | None) -> None:
    """Give a picture of one's own another class, None for none. What is not there, or another's, stays as it is."""
    for kept in collection(runs, owner):
        if kept.id == id:
            _write(runs, replace(kept, label=label))


def delete(runs: Path, owner: str, id: str) -> None:
    """Delete a picture of one's own. Raises OSError where it cannot be deleted."""
    for kept in collection(runs, owner):
        if kept.id == id:
            (runs / FOLDER / f"{id}.json").unlink(missing_ok=True)


def _write(runs: Path, kept: Kept) -> None:
    make_folder(runs / FOLDER)
    content = {
        "version": VERSION,
        "owner": kept.owner,
        "name": kept.name,
        "label": kept.label,
        "pixels": as_text(kept.picture),
    }
    write_whole(runs / FOLDER / f"{kept.id}.json", to_json(content, indent=1).encode())
