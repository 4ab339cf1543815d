"""Runs that belong together: the same settings with several seeds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from fmnist_core.runs import client
from fmnist_core.runs.files.group import Group
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig


@dataclass(frozen=True)
class SeedGroup:
    """Finished runs that differ in nothing but the seed."""

    runs: tuple[Run, ...]
    """The oldest first, each with another seed."""
    waiting: int = 0
    """Runs with the same settings that have not ended yet."""
    taken: frozenset[int] = frozenset()
    """Seeds of all runs with these settings, however they ended or whether they have."""

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

    def free_seeds(self, count: int) -> list[int]:
        """The lowest seeds that no run has."""
        return [seed for seed in range(len(self.taken) + count) if seed not in self.taken][:count]


def by_seed(runs: Iterable[Run]) -> list[SeedGroup]:
    """All finished replicates whose test results may be seen, by settings; the largest group first.

    Whatever a person did to a run in flight, its settings alone did not make its result; nor do those of a branch.
    """
    alike: dict[TrainingConfig, dict[int, Run]] = defaultdict(dict)
    waiting: dict[TrainingConfig, int] = defaultdict(int)
    taken: dict[TrainingConfig, set[int]] = defaultdict(set)
    for run in sorted(runs, key=lambda run: run.sequence):
        if not run.is_replicate or (run.group and run.group.kind == "label check"):  # whose parts are one study already
            continue
        key = replace(run.config, seed=0)
        taken[key].add(run.config.seed)
        if run.is_active:
            waiting[key] += 1
        elif run.state is State.FINISHED and run.latest and run.latest.test:
            alike[key].setdefault(run.config.seed, run)
    groups = [SeedGroup(tuple(found.values()), waiting[key], frozenset(taken[key])) for key, found in alike.items()]
    return sorted(groups, key=lambda group: (-len(group.runs), -group.runs[-1].sequence))


def train_more_seeds(group: SeedGroup, count: int, owner: str = "") -> list[str]:
    """Put `count` more runs into the queue, with seeds of their own; their ids. Raises RunRefused."""
    return [
        client.start(
            replace(group.config, seed=seed),
            f"{group.title}, seed {seed}"[: client.NAME_LENGTH],
            owner=owner,
            group=Group("seeds", group.id),
        )
        for seed in group.free_seeds(count)
    ]
