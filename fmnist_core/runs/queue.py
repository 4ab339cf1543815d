"""Which run is next, and when: fair between people, in each person's own order. Pure functions."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fmnist_core.files import parse
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings.config import TrainingConfig

MOST_WAITING = 20
"""Waiting runs of one person."""
MOST_REMEMBERED = 500
"""People whose latest turn a new dispatcher takes up."""

ANY = "any"
"""A slot for a run of whatever device."""


@dataclass(frozen=True)
class Waiting:
    """A run in the queue."""

    run: Run
    place: int
    """1 is next."""
    starts_in: float | None
    """Expected seconds until it starts, from the speed of runs like those before it; None where nothing is known."""


def in_order(waiting: Iterable[Run], served: Mapping[str, int]) -> list[Run]:
    """The waiting runs, the next one first: owners take turns, each with its own runs in their order.

    `served`: for each owner the number of its latest turn; who has waited longest since is next, and before all others
    who has had none.
    """
    own: dict[str, list[Run]] = {}
    for run in sorted(waiting, key=lambda run: (run.order, run.sequence)):
        own.setdefault(run.whose, []).append(run)
    turns, now, order = dict(served), max(served.values(), default=0), []
    while own:
        owner = min(own, key=lambda name: (turns.get(name, 0), own[name][0].order, own[name][0].sequence))
        order.append(own[owner].pop(0))
        turns[owner] = now = now + 1
        if not own[owner]:
            del own[owner]
    return order


def turns_told(told: str | None) -> dict[str, int]:
    """`served` as the dispatcher before told of it, so that a new one takes up its turns; those who had one long ago are left out.

    >>> turns_told('{"Ada": 2, "Grace": 1, "Alan": "never"}'), turns_told("[1]"), turns_told(None)
    ({'Grace': 1, 'Ada': 2}, {}, {})
    """
    try:
        found = parse(told or "{}")
    except ValueError:
        return {}
    turns = {whose: turn for whose, turn in found.items() if isinstance(turn, int)} if isinstance(found, dict) else {}
    return dict(sorted(turns.items(), key=lambda one: one[1])[-MOST_REMEMBERED:])


def moved(own: Sequence[Run], run_id: str, place: int) -> float:
    """The `order` that brings a run to `place` (0 is the first) among its owner's waiting runs, which are in order."""
    others = [run.order for run in own if run.id != run_id]
    place = min(max(0, place), len(others))
    if not others:
        return own[0].order
    if place == 0:
        return others[0] - 1
    if place == len(others):
        return others[-1] + 1
    return (others[place - 1] + others[place]) / 2


def kind_of(config: TrainingConfig, gpus: int) -> str:
    """The kind of slot that a run needs: "cuda" or "cpu"."""
    return "cuda" if config.device == "cuda" or (config.device == "auto" and gpus) else "cpu"


def slots_of(gpus: int, wanted: int | None) -> tuple[str, ...]:
    """The slots of a machine: one for each GPU and one for the CPU; or as many as `wanted`, for any run.

    >>> slots_of(0, None), slots_of(2, None), slots_of(2, 1)
    (('any',), ('cuda:0', 'cuda:1', 'cpu'), ('any',))
    """
    if wanted:
        return (ANY,) * wanted
    return (*(f"cuda:{number}" for number in range(gpus)), "cpu") if gpus else (ANY,)


def free_slot(kind: str, slots: Iterable[str], taken: Iterable[str]) -> str | None:
    """A slot for a run of that kind that nobody has; None where there is none."""
    left = list(slots)
    for slot in taken:
        if slot in left:
            left.remove(slot)
    return next((slot for slot in left if slot == ANY or slot.startswith(kind)), None)


# --- Expectations --------------------------------------------------------------------------------------------------


def seconds_left(run: Run, known: Iterable[Run]) -> float | None:
    """Expected seconds of training that `run` still needs, at its own speed or at that of the newest run like it.

    Races and rate tests are held against their own kind first: a race computes its copies side by side, a rate test looks at
    every loss. Without one of their kind, the speed of a run has to do.
    """
    if run.state is State.RUNNING and run.seconds_left is not None:
        return run.seconds_left
    alike = [other for other in known if other.images_per_second and _are_alike(other.config, run.config)]
    same_kind = [other for other in alike if type(other.job) is type(run.job)]
    images = max(0, run.steps_in_all - run.step) * run.images_per_step
    return next((images / other.images_per_second for other in same_kind or alike), None)


def _are_alike(one: TrainingConfig, other: TrainingConfig) -> bool:
    names = ("architecture", "batch_size", "optimizer", "device", "conv1_channels", "conv2_channels", "hidden_units")
    return all(getattr(one, name) == getattr(other, name) for name in names)


def expectations(order: Sequence[Run], active: Sequence[Run], known: Sequence[Run], slots: int) -> list[Waiting]:
    """The queue with its places and expected starts. `known`: runs whose speeds count, the newest first."""
    free: list[float | None] = [seconds_left(run, known) for run in active][:slots]
    is_known = None not in free
    times = [float(left or 0) for left in free] + [0.0] * (slots - len(free))
    heapq.heapify(times)
    found = []
    for place, run in enumerate(order, start=1):
        start = heapq.heappop(times)
        found.append(Waiting(run, place, start if is_known else None))
        lasts = seconds_left(run, known)
        is_known = is_known and lasts is not None
        heapq.heappush(times, start + (lasts or 0))
    return found
