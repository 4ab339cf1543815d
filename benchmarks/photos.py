"""How much of a network's accuracy the way from photograph to 28 x 28 brings back, stage by stage.

python -m benchmarks.photos [--photos 1000] [--recipes tutorial fast]

Test pictures are made photographs (`fmnist_core/data/brought/photos.py`: 600 x 800 pixels, colour, light and uneven
background, off centre, turned by up to 15 degrees, JPEG), prepared without a word from anybody, and shown to networks
that are trained here. Each row is what they recognise where one stops at that stage.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks import turns
from fmnist_core.data import dataset
from fmnist_core.data.brought.files import decode
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.brought.photos import as_photo
from fmnist_core.data.brought.way import Choices, prepare
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.recipes import RECIPES

WANTED = 0.9
AUGMENTED = "fast, shifted and mirrored"


def trained(config: TrainingConfig):
    """A function from pictures (N, 28, 28) uint8 to classes (N,), of a network trained with `config`."""
    import torch

    from fmnist_core.evaluation.evaluate import evaluate
    from fmnist_core.training.loop import TrainingData, TrainingState, train

    state = TrainingState.new(config)
    for _event in train(state, TrainingData.load(torch.device("cpu"))):
        pass

    def predict(pictures: np.ndarray) -> np.ndarray:
        labels = np.zeros(len(pictures), np.uint8)
        return evaluate(state.net, torch.tensor(pictures), labels, standardise=config.standardise).predictions

    return predict


def configs(names: list[str]) -> dict[str, TrainingConfig]:
    """The recipes, and "fast" with moved pictures, whose accuracy on test pictures is lower and elsewhere higher."""
    from dataclasses import replace

    augmented = replace(RECIPES["fast"].config, shift=2, flip=True)
    return {name: augmented if name == AUGMENTED else RECIPES[name].config for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--recipes", nargs="+", default=["fast", AUGMENTED])
    arguments = parser.parse_args()
    test = dataset.load("test")
    chosen = np.random.default_rng(0).permutation(len(test))[: arguments.photos]
    likeness = Likeness.to(dataset.load("train").images)
    seen: dict[str, list[np.ndarray]] = {}
    began = time.process_time()
    for index in chosen:
        way = prepare(decode(as_photo(test.images[index], np.random.default_rng(int(index)))), Choices(), likeness)
        for stage in way.stages:
            seen.setdefault(stage.name, []).append(stage.seen)
    seconds = (time.process_time() - began) / len(chosen)
    pictures = {name: np.stack(found) for name, found in seen.items()}
    labels = test.labels[chosen]
    rows = [("milliseconds of a processor for a photograph, making it included", f"{1000 * seconds:.0f}", "")]
    result: dict[str, object] = {"photos": len(chosen), "ms": round(1000 * seconds)}
    for name, config in configs(arguments.recipes).items():
        predict = trained(config)
        right = int((predict(test.images[chosen]) == labels).sum())
        low, high = wilson(right, len(labels))
        rows.append((f"{name}: the originals", f"{right / len(labels):.3f} ({low:.3f} to {high:.3f})", ""))
        found = {stage: int((predict(given) == labels).sum()) for stage, given in pictures.items()}
        rows.append((f"{name}: squeezed and negated", f"{(predict(255 - pictures['gray']) == labels).mean():.3f}", ""))
        rows += [(f"{name}: stopped at {stage}", f"{count / len(labels):.3f}", "") for stage, count in found.items()]
        share = found["mirrored"] / right
        rows.append((f"{name}: brought back", f"{share:.3f}", f"{WANTED:g} at least"))
        result[name] = {"originals": right / len(labels), "brought_back": round(share, 4), "stages": found}
    turns.report("photos", rows, result)


if __name__ == "__main__":
    main()
