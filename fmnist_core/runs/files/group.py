"""Which runs belong together, and as what: a kind and a name, as `config.json` keeps them."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Literal, get_args

GroupKind = Literal["sweep", "label check", "seeds"]
"""Settings tried to choose among them; the parts of a cross-validation; the same settings with other seeds."""


@dataclass(frozen=True, order=True)
class Group:
    """One group of runs."""

    kind: GroupKind
    name: str
    """Tells it from others of its kind: 12 hexadecimal characters for a sweep, a number for a label check, a run's id for seeds."""

    def to_dict(self) -> dict[str, str]:
        """As JSON stores it."""
        return asdict(self)

    @classmethod
    def read(cls, value: object, run_name: str = "") -> Group | None:
        """Back from `config.json`; None where the run stands alone. Raises ValueError for what is no group.

        Until 2026-11-28 a group was a string. "Train more seeds" then put its runs under the string of the run that it came
        from: `run_name`, the run's own name, tells these from the others.

        >>> Group.read("sweep-0123456789ab")
        Group(kind='sweep', name='0123456789ab')
        >>> Group.read("Label check 2", "Label check 2, part 1 of 5, seed 3")
        Group(kind='seeds', name='Label check 2')
        """
        match value:
            case None | "":
                return None
            case {"kind": str(kind), "name": str(name)} if kind in get_args(GroupKind):
                return cls(kind, name)  # type: ignore[arg-type]
            case str() if re.search(r", seed [0-9]+$", run_name):
                return cls("seeds", value)
            case str():
                if sweep := re.fullmatch(r"sweep-([0-9a-f]{12})", value):
                    return cls("sweep", sweep[1])
                if check := re.fullmatch(r"Label check ([0-9]+)", value):
                    return cls("label check", check[1])
                return cls("seeds", value)
        raise ValueError(f"not a group of runs: {value!r}")
