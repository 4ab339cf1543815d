"""The flag "unlike anything it was trained on": how well it works, for trained networks and many kinds of strangers.

python -m benchmarks.strangers [--recipes tutorial fast] [--seeds 3] [--photographs FOLDER] [--emoji FOLDER] [--font FILE]

`--photographs`: pictures of other things; squares cut out of them at random go the automatic way of a photograph.
`--emoji`: the files of npm's @lobehub/fluent-emoji-3d (MIT), `--font`: NotoColorEmoji.ttf; both hold 17 garments, which are
counted right or wrong, and the first hundreds of other things, which are strangers. None of them is part of this repository.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks import turns
from benchmarks.photos import AUGMENTED, configs
from fmnist_core.data import dataset
from fmnist_core.data.brought.files import decode
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.brought.way import Choices, prepare
from fmnist_core.inside.network import Network
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.studies.answers import Respondent
from fmnist_core.studies.flag import quality

GARMENTS = {
    "1f455": {0, 6},
    "1f45a": {0, 2, 6},
    "1f456": {1},
    "1f457": {3},
    "1f458": {3, 4},
    "1f9e5": {4},
    "1f461": {5},
    "1f460": {5},
    "1f45f": {7},
    "1f45e": {7, 9},
    "1f45c": {8},
    "1f45d": {8},
    "1f392": {8},
    "1f4bc": {8},
    "1f462": {9},
    "1f97e": {9},
    "1f454": {0, 6},
}
"""Emoji of garments, and the classes that are right for each."""


def network(config: TrainingConfig) -> Network:
    """Trained here with `config`."""
    import torch

    from fmnist_core.training.loop import TrainingData, TrainingState, train

    state = TrainingState.new(config)
    for _event in train(state, TrainingData.load(torch.device("cpu"))):
        pass
    weights = {
        name: value.float().numpy() for name, value in state.net.state_dict().items() if value.is_floating_point()
    }
    return Network(config, weights)


def prepared(images: list[Image.Image], likeness: Likeness) -> np.ndarray:
    """Each the automatic way, as a file that somebody brings: (N, 28, 28)."""
    out = []
    for image in images:
        packed = io.BytesIO()
        image.save(packed, "PNG")
        out.append(prepare(decode(packed.getvalue()), Choices(), likeness).picture)
    return np.stack(out)


def crops(folder: Path, count: int, random: np.random.Generator) -> list[Image.Image]:
    """Squares out of the photographs in `folder`."""
    found = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
    whole = [Image.open(path).convert("RGB") for path in found]
    whole = [image for image in whole if min(image.size) >= 100]
    out = []
    for n in range(count):
        image = whole[n % len(whole)]
        side = int(random.integers(90, min(image.size)))
        left, top = (int(random.integers(0, edge - side + 1)) for edge in image.size)
        out.append(image.crop((left, top, left + side, top + side)))
    return out


def emoji(folder: Path | None, font: Path | None) -> tuple[list[tuple[Image.Image, set[int]]], list[Image.Image]]:
    """(garments with their classes, other things)."""
    garments, others = [], []
    if folder:
        for path in sorted(folder.rglob("*.webp")):
            if path.stem in GARMENTS:
                garments.append((Image.open(path).convert("RGBA"), GARMENTS[path.stem]))
            elif "1f400" <= path.stem <= "1f43f" or "1f32d" <= path.stem <= "1f37f":  # animals, food
                others.append(Image.open(path).convert("RGBA"))
    if font:
        face = ImageFont.truetype(str(font), 109)
        for code in (*GARMENTS, *(f"{n:x}" for n in (*range(0x1F400, 0x1F43F), *range(0x1F32D, 0x1F37F)))):
            image = Image.new("RGBA", (136, 128))
            ImageDraw.Draw(image).text((0, 0), chr(int(code, 16)), font=face, embedded_color=True)
            if code in GARMENTS:
                garments.append((image, GARMENTS[code]))
            elif image.getbbox():
                others.append(image)
    return garments, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["fast", AUGMENTED])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=300, help="pictures of each kind")
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--emoji", type=Path)
    parser.add_argument("--font", type=Path)
    arguments = parser.parse_args()
    test, random = dataset.load("test"), np.random.default_rng(0)
    likeness, more = Likeness.to(dataset.load("train").images), {}
    if arguments.photographs:
        more["photographs of other things"] = prepared(crops(arguments.photographs, arguments.count, random), likeness)
    garments, others = emoji(arguments.emoji, arguments.font)
    if others:
        more["emoji of animals and food"] = prepared(others, likeness)
    clothes = prepared([image for image, _ in garments], likeness) if garments else None
    rows: list[tuple[str, str, str]] = []
    result: dict[str, object] = {"count": arguments.count, "seeds": arguments.seeds}
    for name, config in configs(arguments.recipes).items():
        respondents = [Respondent.of(network(replace(config, seed=seed))) for seed in range(arguments.seeds)]
        measured = [quality(respondent, arguments.count, more) for respondent in respondents]
        mean = float(np.mean([one.mean(held_out=True) for one in measured]))
        chosen = float(np.mean([one.mean(held_out=False) for one in measured]))
        alarms = float(np.mean([one.false_alarms for one in measured]))
        rows.append((f"{name}: mean AUROC, kinds held out", f"{mean:.3f}", "0.95 at least"))
        rows.append((f"{name}: mean AUROC, kinds it was chosen by", f"{chosen:.3f}", ""))
        rows.append((f"{name}: test pictures flagged by mistake", f"{100 * alarms:.1f} %", "5 %"))
        kinds: dict[str, dict[str, float]] = {}
        for group in zip(*(one.kinds for one in measured), strict=True):
            figures = {
                what: round(float(np.mean([getattr(kind, what) for kind in group])), 3)
                for what in ("auroc", "share", "by_picture", "by_network", "by_softmax")
            }
            kinds[group[0].kind] = figures
            mark = "" if group[0].held_out else " (chosen by)"
            rows.append(
                (f"{name}: {group[0].kind}{mark}", f"{figures['auroc']:.3f}, {100 * figures['share']:.0f} %", "")
            )
        softmax = float(np.mean([kind.by_softmax for one in measured for kind in one.kinds if kind.held_out]))
        rows.append((f"{name}: mean AUROC of the softmax alone, kinds held out", f"{softmax:.3f}", ""))
        result[name] = {
            "auroc": round(mean, 4),
            "chosen": round(chosen, 4),
            "softmax": round(softmax, 4),
            "kinds": kinds,
        }
        right = np.mean([(one.answer(test.images).classes == test.labels).mean() for one in respondents])
        rows.append((f"{name}: right of the 10,000 test pictures", f"{100 * right:.1f} %", ""))
        if clothes is not None:
            answers = [one.answer(clothes) for one in respondents]
            hits = np.mean(
                [[int(k) in fits for k, (_, fits) in zip(a.classes, garments, strict=True)] for a in answers]
            )
            flagged = np.mean([a.strangeness.is_stranger.mean() for a in answers])
            rows.append((f"{name}: right of {len(garments)} emoji of garments", f"{100 * hits:.0f} %", ""))
            rows.append((f"{name}: of these flagged", f"{100 * flagged:.0f} %", ""))
            result[name] |= {
                "test": round(float(right), 4),
                "emoji": round(float(hits), 3),
                "emoji_flagged": round(float(flagged), 3),
            }
    turns.report("strangers", rows, result)


if __name__ == "__main__":
    main()
