"""The whole test set, and one picture: our seconds against those of the notebook's test loop, and that both count the same.

python -m benchmarks.evaluation [--rounds 7]

Each side is a process of its own and they take turns; ours with a worker's memory.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from benchmarks import notebook, turns
from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import Evaluation, evaluate
from fmnist_core.networks.net import Net
from fmnist_core.runs.service.executor import MEMORY
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled import engine
from fmnist_core.training.compiled.predict import predict
from fmnist_core.training.state import TrainingState

WANTED, WANTED_SECONDS = 5.0, 0.1
BATCH = 20
COMPARED = 2_000 if turns.IS_QUICK else 10_000
"""Test images that both sides count."""
SINGLE = 100 if turns.IS_QUICK else 300
"""Pictures that are predicted one by one."""


def net() -> Net:
    """The tutorial's network with the fresh weights of seed 0, in the layout that training gives it."""
    return TrainingState.new(TrainingConfig(device="cpu")).net


def notebook_seconds() -> float:
    """Seconds that the notebook's loop takes for the 10,000 test images; of as many as it can, scaled, where the machine is slow."""
    torch.manual_seed(0)
    theirs, loader = Net(), notebook.loader(train=False, batch_size=BATCH)
    taken = 0

    def counted() -> notebook.Batches:
        nonlocal taken
        for batch in turns.for_a_while(iter(loader), 10_000 // BATCH, 2 * turns.TURN):
            taken += 1
            yield batch

    began = time.perf_counter()
    notebook.test(theirs, counted())
    return (time.perf_counter() - began) * 10_000 / (BATCH * taken)


def our_seconds(images: torch.Tensor, labels: torch.Tensor) -> float:
    """Seconds that `evaluate` takes for the 10,000 test images, which lie in memory as they do while training."""
    ours = net()
    began = time.perf_counter()
    _ = evaluate(ours, images, labels).score
    return time.perf_counter() - began


def compiled_seconds(images: torch.Tensor, labels: torch.Tensor) -> float:
    """Seconds of the same in C, where there is a compiler, else in NumPy: what a run's measurement is made of."""
    weights = {name: tensor.numpy() for name, tensor in net().state_dict().items()}
    began = time.perf_counter()
    _ = Evaluation.from_logits(predict(weights, images.numpy()), labels).score
    return time.perf_counter() - began


def notebook_one() -> float:
    """Milliseconds for one picture, from the data set to its class: the median of `SINGLE`."""
    torch.manual_seed(0)
    theirs, pictures = Net().eval(), notebook.pictures(train=False)

    def one(index: int) -> int:
        image, _label = pictures[index]
        with torch.no_grad():
            return int(theirs(image.unsqueeze(0)).argmax())

    return median_ms(one)


def our_one(images: torch.Tensor, labels: torch.Tensor) -> float:
    """The same by `evaluate`, which also gives the probabilities."""
    ours = net()
    return median_ms(
        lambda index: int(evaluate(ours, images[index : index + 1], labels[index : index + 1]).predictions[0])
    )


def median_ms(one: Callable[[int], int]) -> float:
    """Milliseconds of one call, the median of `SINGLE` with different pictures, after a few to get warm."""
    times = []
    for index in range(SINGLE + 20):
        began = time.perf_counter()
        one(index)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[20:])


def peer(side: str) -> turns.Turn:
    """One side of the comparison."""
    split = dataset.load("test")
    images, labels = torch.tensor(split.images), torch.tensor(split.labels)
    of_all: dict[str, turns.Turn] = {
        "notebook": notebook_seconds,
        "ours": lambda: our_seconds(images, labels),
        "compiled": lambda: compiled_seconds(images, labels),
        "notebook-one": notebook_one,
        "ours-one": lambda: our_one(images, labels),
    }
    return of_all[side]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    engine.prepare()
    sides = {"notebook": {}, "ours": MEMORY, "compiled": MEMORY, "notebook-one": {}, "ours-one": MEMORY}
    found = turns.take_turns({side: (partial(peer, side), extra) for side, extra in sides.items()}, arguments.rounds)
    one_theirs, one_ours = (statistics.median(found[side]) for side in ("notebook-one", "ours-one"))
    theirs, ours, in_c = (statistics.median(found[side]) for side in ("notebook", "ours", "compiled"))
    how = "in C" if engine.find() else "in NumPy: nothing is compiled"
    ratio = turns.ratio(found["notebook"], found["ours"])
    split = dataset.load("test")
    images, labels = torch.tensor(split.images[:COMPARED]), torch.tensor(split.labels[:COMPARED])
    in_order = notebook.loader(train=False, batch_size=BATCH, order=range(COMPARED))
    loss, correct = notebook.test(net(), in_order)
    score = evaluate(net(), images, labels).score
    apart = sum(abs(a - b) for a, b in zip(score.correct, correct, strict=True))
    rows = [
        (
            f"10,000 test images, the notebook's loop (what it does of them in {2 * turns.TURN:.0f} s, scaled), s",
            f"{theirs:.2f}",
            "",
        ),
        ("10,000 test images, ours with PyTorch, s", f"{ours:.3f}", ""),
        (f"10,000 test images, ours {how}, s", f"{in_c:.3f}", f"{WANTED_SECONDS:g} at most"),
        (f"ratio to ours {how}", f"{turns.ratio(found['notebook'], found['compiled']):.1f}", "25 at least"),
        ("ratio", f"{ratio:.1f}", f"{WANTED:g} at least"),
        ("one picture, as in the notebook, ms", f"{one_theirs:.2f}", ""),
        ("one picture, ours, ms", f"{one_ours:.2f}", ""),
        ("relative difference of the losses", f"{abs(score.loss - loss) / loss:.1e}", "1e-05 at most"),
        (f"of {COMPARED:,} images counted differently", str(apart), "0"),
    ]
    figures = {
        "notebook_s": theirs,
        "ours_s": ours,
        "compiled_s": in_c,
        "ratio": ratio,
        "notebook_one_ms": one_theirs,
        "ours_one_ms": one_ours,
    }
    turns.report("evaluation", rows, {name: round(figure, 4) for name, figure in figures.items()})
    return


if __name__ == "__main__":
    main()
