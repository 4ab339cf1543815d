"""Runs that belong together: the same settings with several seeds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fmnist_core.runs import client
from fmnist_core.runs.record import Run, State
from fmnist_core.settings.config import TrainingConfig


@dataclass(frozen=True)
class SeedGroup:
    """Finished runs that differ in nothing but the seed."""

    runs: tuple[Run, ...]
    """The oldest first, each with another seed."""
    waiting: int = 0
    """Runs with the same settings that have not ended yet."""

    @property
    def id(self) -> str:
        """That of its oldest run."""
        return self.runs[0].id

    @property
    def config(self) -> TrainingConfig:
        """The settings, with the seed of the oldest run."""
        return self.runs[0].config

    @property
    def title(self) -> str:
        """The oldest run's, without the number of its seed. Plain text."""
        return re.sub(r",? seed [0-9]+$", "", self.runs[0].title) or self.runs[0].title

    @property
    def name(self) -> str:
        """For runs that are added: the name that its runs have as a group, else one made from its title."""
        return next((run.group for run in self.runs if run.group), f"Seeds of {self.title}")

    def free_seeds(self, count: int) -> list[int]:
        """The lowest seeds that no run of it has."""
        taken = {run.config.seed for run in self.runs}
        return [seed for seed in range(len(taken) + count) if seed not in taken][:count]


def by_seed(runs: Iterable[Run]) -> list[SeedGroup]:
    """All runs that finished undisturbed, by settings; the largest group first. Branches are left out."""
    alike: dict[TrainingConfig, dict[int, Run]] = defaultdict(dict)
    waiting: dict[TrainingConfig, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: run.sequence):
        key = replace(run.config, seed=0)
        if run.is_active:
            waiting[key] += 1
        elif run.state is State.FINISHED and run.latest and not run.parent:
            alike[key].setdefault(run.config.seed, run)
    groups = [SeedGroup(tuple(found.values()), waiting[key]) for key, found in alike.items()]
    return sorted(groups, key=lambda group: (-len(group.runs), -group.runs[-1].sequence))


def train_more_seeds(group: SeedGroup, count: int, owner: str = "") -> list[str]:
    """Put `count` more runs into the queue, with seeds of their own; their ids. Raises RunRefused."""
    return [
        client.start(
            replace(group.config, seed=seed),
            f"{group.title}, seed {seed}"[: client.NAME_LENGTH],
            owner=owner,
            group=group.name,
        )
        for seed in group.free_seeds(count + group.waiting)[group.waiting :]
    ]
