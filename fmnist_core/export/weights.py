"""The weights as safetensors, with a model card that says what they are, how to load them, and what they are not for."""

from __future__ import annotations

import io
import zipfile

import numpy as np

from fmnist_core.data.dataset import CLASSES, MEAN, STD
from fmnist_core.evaluation.calibration import reliability
from fmnist_core.evaluation.evaluate import wilson
from fmnist_core.export import words
from fmnist_core.export.history import ExportRefused, last_step, weights_of
from fmnist_core.export.quoting import quoted
from fmnist_core.export.results import Results, results_of
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig

FILE, CARD = "model.safetensors", "README.md"


def weights(run: Run) -> bytes:
    """A zip archive of `model.safetensors` and `README.md`, the card. Raises ExportRefused."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(zipfile.ZipInfo(FILE), tensors(run))
        archive.writestr(zipfile.ZipInfo(CARD), card(run))
    return content.getvalue()


def tensors(run: Run) -> bytes:
    """The newest weights as a safetensors file; what they are stands in its metadata, too. Raises ExportRefused."""
    from safetensors.numpy import save

    step = newest_step(run)
    facts = {"format": "pt", "architecture": run.config.architecture, "run": run.id, "step": str(step)}
    return save({name: np.ascontiguousarray(array) for name, array in weights_of(run, step).items()}, facts)


def newest_step(run: Run) -> int:
    """The step of the newest weights. Raises ExportRefused where there are none."""
    step = last_step(run)
    if step is None or run.job:
        raise ExportRefused("There is no trained network yet: wait for the first checkpoint.")
    return step


def card(run: Run) -> str:
    """The model card, as Hugging Face shows it and as a person reads it. Raises ExportRefused."""
    step, results = newest_step(run), results_of(run)
    count = sum(array.size for name, array in weights_of(run, step).items() if not _is_statistic(name))
    lines = [
        "---",
        "license: mit",
        "library_name: pytorch",
        "pipeline_tag: image-classification",
        "tags: [fashion-mnist, image-classification]",
        "---",
        "",
        f"# {words.title(run)}",
        "",
        f'A network of the kind "{run.config.architecture}" with {count:,} weights and biases that tells ten kinds of garment '
        f"apart on pictures of 28 x 28 pixels. Trained for {step:,} steps ({_epochs(run, step)}) with Fashion-MNIST Lab "
        f"{words.app_version()}; state of the run: {run.state}.",
        "",
        *_how_it_did(results, step),
        "## How to load it",
        "",
        "```python",
        code(run.config),
        "```",
        "",
        "## What it was trained on",
        "",
        f"Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017, https://arxiv.org/abs/1708.07747; MIT licence, Zalando SE): "
        f"{run.config.training_images:,} of its 60,000 training images, none of its test images."
        + (
            f" {run.config.validation:,} training images were held out to choose settings by."
            if run.config.validation
            else ""
        ),
        "",
        "## Settings",
        "",
        "| setting | value |",
        "|---|---|",
        *(f"| {words.label(name)} | {words.number(value)} |" for name, value in run.config.to_dict().items()),
        "",
        *_changes(run),
        f"Trained on {run.device or 'an unknown device'} by {words.ENGINES[run.engine]}, in {run.seconds:,.0f} s. The seed "
        "fixes the initial weights, the order of the images, augmentation and dropout: one seed says nothing about "
        "how much another one would differ.",
        "",
        "## What it must not be used for",
        "",
        "It has seen catalogue pictures of single garments, gray, centred, on black. On photographs it guesses, and with "
        "great confidence. It is made to learn from: not for sorting real goods, not for anything about people.",
        "",
    ]
    return "\n".join(lines)


def _is_statistic(name: str) -> bool:
    """Whether a tensor is what normalisation remembers, and not changed by the gradient."""
    return name.rpartition(".")[2] in ("running_mean", "running_var", "num_batches_tracked")


def _epochs(run: Run, step: int) -> str:
    epochs = step / run.config.steps_per_epoch
    return f"{epochs:.3g} epoch{'s' * (epochs != 1)}"


def _how_it_did(results: Results | None, step: int) -> list[str]:
    if results is None:
        return ["It has not been tested yet.", ""]
    score, lines = results.score, ["## How well it does", ""]
    low, high = wilson(sum(score.correct), sum(score.total))
    lines.append(
        f"**{score.accuracy:.2%}** of {results.images} (95 % interval {low:.2%} to {high:.2%}), mean cross-entropy "
        f"{score.loss:.4f} nats" + (f", measured after step {results.step:,}." if results.step != step else ".")
    )
    if results.split == "validation":
        lines += ["", "The test images wait until the choice in the run's sweep has been made."]
    if results.evaluation is not None:
        error = reliability(results.evaluation).error
        lines += [
            "",
            f"Its confidences are off by {100 * error:.1f} points on average (expected calibration error).",
        ]
    lines += ["", "| class | right | of | 95 % interval |", "|---|---|---|---|"]
    for name, correct, total in zip(CLASSES, score.correct, score.total, strict=True):
        low, high = wilson(correct, total)
        lines.append(f"| {name} | {correct:,} | {total:,} | {low:.1%} to {high:.1%} |")
    return [*lines, ""]


def _changes(run: Run) -> list[str]:
    if not run.changes:
        return []
    lines = ["Changed while it trained:", ""]
    lines += [
        f"* after step {change.step:,}: learning rate {change.learning_rate:g}, momentum {change.momentum:g}"
        for change in run.changes
    ]
    return [*lines, ""]


# --- The lines that load it ----------------------------------------------------------------------------------------


def code(config: TrainingConfig) -> str:
    """The lines that load `model.safetensors` into PyTorch and classify pictures."""
    mirrored = " + net(inputs.flip(-1))) / 2" if config.flip_test else ")"
    standardised = f" - {MEAN}) / {STD}" if config.standardise else ")"
    lines = [
        "import torch",
        *(["import torch.nn.functional as F"] if config.architecture == "wide" else []),
        "from safetensors.torch import load_file",
        "from torch import nn",
        "",
        *_network(config),
        f'net.load_state_dict(load_file("{FILE}"))',
        "net.eval()",
        "images = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)  # yours: gray, light on black",
        f"inputs = (images.float().div(255){standardised}",
        f"logits = (net(inputs){mirrored}  # (N, 10)",
        f"classes = {list(CLASSES)}",
        "print([classes[number] for number in logits.argmax(1)])",
    ]
    return "\n".join(lines)


def _network(config: TrainingConfig) -> list[str]:
    source = "networks/architectures.py"
    match config.architecture:
        case "net":
            one, two, hidden = config.conv1_channels, config.conv2_channels, config.hidden_units
            layers = {
                "conv1": f"nn.Conv2d(1, {one}, 3)",
                "relu1": "nn.ReLU()",
                "pool1": "nn.MaxPool2d(2)",
                "conv2": f"nn.Conv2d({one}, {two}, 3)",
                "relu2": "nn.ReLU()",
                "pool2": "nn.MaxPool2d(2)",
                "flatten": "nn.Flatten()",
                "fc1": f"nn.Linear({25 * two}, {hidden})",
                "relu3": "nn.ReLU()",
                "fc2": f"nn.Linear({hidden}, 10)",
            }
        case "linear":
            layers = {"flatten": "nn.Flatten()", "fc": "nn.Linear(784, 10)"}
        case "perceptron":
            hidden = config.hidden_units
            layers = {
                "flatten": "nn.Flatten()",
                "fc1": f"nn.Linear(784, {hidden})",
                "relu": "nn.ReLU()",
                "fc2": f"nn.Linear({hidden}, 10)",
            }
        case "residual":
            return [quoted(source, "Convolution", "Block", "Residual"), "", "", "net = Residual((32, 64), (1, 1), 1)"]
        case "deep":
            return [quoted(source, "Convolution", "Block", "Residual"), "", "", "net = Residual((48, 96), (1, 1))"]
        case "wide":
            return [quoted(source, "WideBlock", "WideResidual"), "", "", "net = WideResidual(40, 4)"]
    inside = ", ".join(f"{name}={layer}" for name, layer in layers.items())
    return ["net = nn.Sequential()", f"for name, layer in dict({inside}).items():", "    net.add_module(name, layer)"]
