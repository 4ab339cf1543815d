"""What people say of doubtful labels, in one small file of the runs folder."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
from pathlib import Path
from typing import Literal, get_args

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.data.duplicates import Place
from fmnist_core.files import Unreadable, make_folder, read_json, set_aside, to_json, write_whole

Verdict = Literal["right", "wrong", "unsure"]
FILE = "label-judgements.json"
MOST_BYTES = 8 << 20
"""All 70,000 pictures judged take 2 MB."""
IMAGES = {"train": 60_000, "test": 10_000}
"""Pictures of each split."""
_INDEX = re.compile(r"[0-9]{1,5}")


def read(runs: Path) -> dict[Place, Verdict]:
    """All verdicts; what cannot be read is left out."""
    try:
        return _read(runs)
    except (OSError, ValueError):
        return {}


def _read(runs: Path) -> dict[Place, Verdict]:
    """Raises FileNotFoundError, other OSErrors, and Unreadable."""
    kept = read_json(runs / FILE, MOST_BYTES)
    if not isinstance(kept, dict):
        raise Unreadable(f"{runs / FILE} holds no judgements.")
    found: dict[Place, Verdict] = {}
    for key, verdict in kept.items():
        split, _, index = key.partition("/")
        is_place = split in IMAGES and _INDEX.fullmatch(index) and int(index) < IMAGES[split]
        if is_place and verdict in get_args(Verdict):
            found[Place(split, int(index))] = verdict
    return found


def judge(runs: Path, place: Place, verdict: Verdict | None) -> None:
    """Keep a verdict, or take it back (None). Two people at once: both are kept. Raises OSError."""
    make_folder(runs, parents=True)
    handle = os.open(runs, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            verdicts = _read(runs)
        except FileNotFoundError:
            verdicts = {}
        except Unreadable:
            set_aside(runs / FILE)  # what is in it may be saved by hand
            verdicts = {}
        if verdict is None:
            verdicts.pop(place, None)
        else:
            verdicts[place] = verdict
        content = {f"{where.split}/{where.index}": said for where, said in sorted(verdicts.items())}
        write_whole(runs / FILE, to_json(content, indent=1).encode())
    finally:
        os.close(handle)


def to_csv(verdicts: dict[Place, Verdict], splits: dict[str, Split]) -> str:
    """One line for each verdict: split, index, the given label as number and word, verdict. `splits` by name."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("split", "index", "label", "class", "verdict"))
    for place, verdict in sorted(verdicts.items()):
        label = int(splits[place.split].labels[place.index])
        lines.writerow((place.split, place.index, label, CLASSES[label], verdict))
    return text.getvalue()
