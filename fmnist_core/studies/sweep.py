"""A sweep: ordinary runs with a common group, and the one among them that is chosen. No torch.

The choice is made once, by accuracy on held-out training images, before anybody has looked at the test accuracies of the
group (`runs/sealed.py`).
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fmnist_core.files import make_folder, read_json, set_aside, to_json, write_whole
from fmnist_core.runs import client, sealed
from fmnist_core.runs.files.folder import is_run_id
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Run
from fmnist_core.settings import search
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.search import MOST_RUNS, SCALES, Ranges

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which settings a sweep tries: what its runs alone do not tell."""

    ranges: Ranges
    number: int
    """Values of each setting in a grid; runs of a random sample."""
    seed: int | None = None
    """Of a random sample; None for a grid."""

    def configs(self, base: TrainingConfig) -> list[TrainingConfig]:
        """The settings of its runs: `base` with the varied ones."""
        if self.seed is None:
            return search.grid(base, self.ranges, self.number)
        return search.at_random(base, self.ranges, self.number, self.seed)

    @classmethod
    def read(cls, value: object) -> Plan | None:
        """Back from its file; None for what is no plan.

        >>> Plan.read({"ranges": {"momentum": [0.5, 0.9]}, "number": 4, "seed": 7})
        Plan(ranges={'momentum': (0.5, 0.9)}, number=4, seed=7)
        """
        match value:
            case {"ranges": dict(ranges), "number": int(number), "seed": None | int() as seed}:
                pairs = {name: tuple(ends) for name, ends in ranges.items() if isinstance(ends, list)}
                fits = all(
                    name in SCALES and len(ends) == 2 and all(end in SCALES[name].values for end in ends)
                    for name, ends in pairs.items()
                )
                if fits and len(pairs) == len(ranges) and 1 < number <= MOST_RUNS and seed in (None, *SEEDS):
                    return cls(ranges=pairs, number=number, seed=seed)
        return None


SEEDS = range(10_000)
"""Of a random sample."""


def new_name() -> str:
    """Of a sweep that begins: 12 hexadecimal characters."""
    return secrets.token_hex(6)


def start(name: str, configs: Sequence[TrainingConfig], owner: str = "") -> list[str]:
    """Put runs into the queue; their ids. Raises RunRefused at the first that is refused: those before it stay."""
    return [client.start(config, owner=owner, group=Group("sweep", name)) for config in configs]


def start_planned(name: str, plan: Plan, base: TrainingConfig, owner: str = "") -> list[str]:
    """Put the runs of a plan into the queue, and write the plan down; as `start`."""
    ids = start(name, plan.configs(base), owner)
    try:
        make_folder(_path(name).parent)
        write_whole(_plan_path(name), to_json(asdict(plan)).encode())
    except OSError as error:  # the runs are there, and say themselves what they tried
        log.warning("the plan of sweep %s cannot be written down: %s", name, error)
    return ids


def plan(name: str) -> Plan | None:
    """What was asked for; None where nobody wrote it down."""
    try:
        return Plan.read(read_json(_plan_path(name), 4_000))
    except (OSError, ValueError):
        return None


def runs_of(name: str) -> list[Run]:
    """The runs to choose from, in the order of their start: branches of them are not among them."""
    return [run for run in reversed(client.list_runs()) if run.group == Group("sweep", name) and not run.parent]


def sweeps() -> dict[str, list[Run]]:
    """All sweeps with their runs, the newest first."""
    found: dict[str, list[Run]] = {}
    for run in client.list_runs():
        if run.group and run.group.kind == "sweep" and is_run_id(run.group.name) and not run.parent:
            found.setdefault(run.group.name, []).append(run)
    return found


def validation_accuracy(run: Run) -> float | None:
    """On the held-out images, at the end of training as far as it came; None before the first epoch."""
    return run.latest.validation.accuracy if run.latest and run.latest.step and run.latest.validation else None


def best(runs: Sequence[Run]) -> Run | None:
    """The run with the highest accuracy on the held-out images; the earlier of two equal ones.

    A run that was steered is not chosen: its settings alone did not make its result.
    """
    known = [run for run in runs if validation_accuracy(run) is not None and not run.is_steered]
    return max(known, key=lambda run: validation_accuracy(run) or 0.0, default=None)


def choose(name: str, run_id: str) -> str:
    """Choose a run of the sweep, for good: the id of the one that is chosen, which somebody else may have been first with.

    Raises RunRefused where it cannot be written down.
    """
    path = _path(name)
    try:
        if os.path.lexists(path.parent) and not path.parent.is_dir():
            set_aside(path.parent)
        make_folder(path.parent)
        with open(path, "x", encoding="ascii") as file:
            file.write(run_id)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    except OSError as error:
        raise client.RunRefused(f"The choice cannot be written down ({error.strerror}).") from error
    return chosen(name) or run_id


def chosen(name: str) -> str | None:
    """The id of the run that was chosen; None as long as none was."""
    return sealed.chosen(client.runs_folder(), name)


def _plan_path(name: str) -> Path:
    return _path(name).with_suffix(".json")


def _path(name: str) -> Path:
    if not is_run_id(name):
        raise ValueError(f"a sweep's name must be 12 hexadecimal characters, got {name!r}")
    return client.runs_folder() / sealed.CHOICES / name
