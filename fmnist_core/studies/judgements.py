"""What people say of doubtful labels, in one small file of the runs folder."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from pathlib import Path
from typing import Literal, get_args

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.data.duplicates import Place

Verdict = Literal["right", "wrong", "unsure"]
FILE = "label-judgements.json"


def read(runs: Path) -> dict[Place, Verdict]:
    """All verdicts; what cannot be read is left out."""
    try:
        kept = json.loads((runs / FILE).read_bytes())
        pairs = [(key.partition("/"), verdict) for key, verdict in kept.items()]
    except (OSError, ValueError, AttributeError):
        return {}
    return {
        Place(split, int(index)): verdict
        for (split, _, index), verdict in pairs
        if split in ("train", "test") and index.isdecimal() and verdict in get_args(Verdict)
    }


def judge(runs: Path, place: Place, verdict: Verdict | None) -> None:
    """Keep a verdict, or take it back (None). Two people at once: both are kept. Raises OSError."""
    runs.mkdir(parents=True, exist_ok=True)
    handle = os.open(runs, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        verdicts = read(runs)
        if verdict is None:
            verdicts.pop(place, None)
        else:
            verdicts[place] = verdict
        content = {f"{where.split}/{where.index}": said for where, said in sorted(verdicts.items())}
        temporary = runs / f".{FILE}.tmp"
        temporary.write_text(json.dumps(content, indent=1))
        temporary.replace(runs / FILE)
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
