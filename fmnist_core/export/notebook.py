"""A run as a notebook in the tutorial's style, which trains it again and compares itself with it, loss by loss.

It needs torch, torchvision and NumPy, and imports nothing of ours. On the same kind of processor, with the same version of
torch, its losses and its weights are equal to the run's to the last bit, for both engines; elsewhere it says what differs.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import textwrap
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from fmnist_core.export import c_cells, cells, words
from fmnist_core.export.cells import Needs
from fmnist_core.export.history import (
    ExportRefused,
    History,
    Stretch,
    history_of,
    state_of,
    weights_of,
)
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.training.compiled.library import fingerprint

LARGEST_BEGINNING = 8 << 20
"""Bytes of a state to begin with that a notebook may carry."""

Cell = dict[str, Any]


def notebook(run: Run) -> bytes:
    """The file `run.ipynb`, for the newest weights of the run. Raises ExportRefused with a sentence."""
    history = history_of(run)
    is_hidden = run.is_sealed
    configs = (history.origin, *(stretch.config for stretch in history.stretches))
    is_compiled = any(stretch.engine == "compiled" for stretch in history.stretches)
    needs = Needs(configs, is_compiled, history.stretches[-1].device)
    found = [
        _text(_introduction(history)),
        _code(cells.imports(needs, beginning=history.checkpoint is not None)),
        _text("## Load the data\nDownloaded where it is not there (31 MB)."),
        _code(cells.LOAD),
        _text("## Look at it\nThe first pictures that training sees, in its order."),
        _code(cells.order(needs)),
        _text("## Define the network"),
        _code(cells.network(needs)),
    ]
    if more := cells.definitions(needs):
        found += [_text("## What torch does not have"), _code(more)]
    found += [
        _text("## Settings, loss and optimizer"),
        _code(cells.as_input(history.origin)),
        _code(cells.set_up(needs)),
    ]
    found += [
        _text("## The training loop"),
        _code(cells.train(needs)),
    ]
    if is_compiled:
        found += [
            _text(
                "### The same steps in C\nThe run took its steps with these files, compiled for the processor: the "
                "loop above, many steps in one call. Where there is no C compiler, PyTorch takes the steps here."
            ),
            *(_code(source, folded=True) for source in c_cells.sources()),
            _code(c_cells.compiled(needs)),
        ]
    if history.checkpoint:
        found += _beginning(history, history.checkpoint)
    images, labels = (
        ("train_images[held_out]", "train_labels[held_out]") if is_hidden else ("test_images", "test_labels")
    )
    where = "## Accuracy before training"
    if is_hidden:
        where += "\nOn the held-out images: the test images wait for the choice in the run's sweep."
    found += [
        _text(where),
        _code(
            f"{cells.logits_of(history.run.config)}\n\n\n"
            f"accuracy = 100.0 * int((logits_of({images}).argmax(1) == {labels}).sum()) / len({labels})\n"
            f'print("Accuracy before training: ", accuracy)'
        ),
        _text("## Train\nWhat was done, in its order."),
        *_training(history),
        _text("## Test" + (" on the held-out images" if is_hidden else "")),
        _code(cells.test(images, labels)),
        *_certificate(history, is_hidden=is_hidden),
    ]
    return _file(found)


def _introduction(history: History) -> str:
    run, last = history.run, history.stretches[-1]
    lines = [
        f"# {words.title(run)}: Fashion-MNIST, trained again",
        "",
        f"This notebook takes the {history.last - history.first:,} training steps of a run of Fashion-MNIST Lab again. It needs "
        "torch, torchvision and NumPy, and nothing else. At its end it compares itself with the run: the loss of "
        "every step, and the weights.",
        "",
        f"* Run `{run.id}`, started {run.created_at[:10]}.",
        f"* Trained on {last.device} with {last.threads} thread{'s' * (last.threads != 1)}, by {words.ENGINES[last.engine]}. "
        f"Exported with torch {words.torch_version()} on {words.plain(words.processor())}.",
    ]
    lineage = history.lineage
    if len(lineage) > 1:
        way = " → ".join(f"{words.title(other)}" for other in lineage)
        lines.append(f"* It branched off: {way}. All of its steps are here, from the first one on.")
    if history.checkpoint:
        lines.append(
            f"* Its first {history.first:,} steps were taken by a run that is not here any more. So this notebook begins with "
            "the state that was kept from it."
        )
    if any(stretch.engine == "compiled" and stretch.library != fingerprint() for stretch in history.stretches):
        lines.append(
            "* Steps of it were taken by C of another version, or compiled for another processor, than the one below: expect "
            "losses that differ by rounding, more so with every step."
        )
    changed = words.changed_settings(run.config)
    if changed:
        lines += ["", "| setting | this run | the tutorial |", "|---|---|---|"]
        default = TrainingConfig()
        lines += [
            f"| {words.label(name)} | {words.number(value)} | {words.number(getattr(default, name))} |"
            for name, value in changed.items()
        ]
    return "\n".join(lines)


def _training(history: History) -> list[Cell]:
    """A cell for each stretch, with what was changed before it."""
    found: list[Cell] = []
    config, threads, run_id = history.origin, 0, history.lineage[0].id
    for stretch in history.stretches:
        lines = _changes(config, stretch.config, has_begun=stretch.first > history.first)
        if stretch.threads != threads:
            lines.append(f"torch.set_num_threads({stretch.threads})  # with another number, sums are rounded otherwise")
        lines.append(f"{'train_in_c' if stretch.engine == 'compiled' else 'train'}({stretch.last})")
        if why := _why(stretch, config, run_id):
            found.append(_text(why))
        found.append(_code("\n".join(lines)))
        config, threads, run_id = stretch.config, stretch.threads, stretch.run.id
    return found


def _why(stretch: Stretch, before: TrainingConfig, run_id: str) -> str:
    """What happened before a stretch, as a sentence; empty where nothing did."""
    if stretch.run.id != run_id:
        return f"After step {stretch.first:,} {words.title(stretch.run)} branched off, with these settings changed."
    if stretch.config != before and stretch.first:
        rates = f"learning rate {words.number(stretch.config.learning_rate)}, momentum {words.number(stretch.config.momentum)}"
        return f"After step {stretch.first:,} somebody changed the settings: {rates}."
    if stretch.first and stretch.first != stretch.run.first_step:
        threads = f"{stretch.threads} thread{'s' * (stretch.threads != 1)}"
        return f"From step {stretch.first + 1:,} on {words.ENGINES[stretch.engine]} took the steps, with {threads}."
    return ""


def _changes(before: TrainingConfig, now: TrainingConfig, *, has_begun: bool) -> list[str]:
    """The statements that lead from one set of settings to the next."""
    differing = [f.name for f in fields(now) if getattr(before, f.name) != getattr(now, f.name)]
    shown: tuple[str, ...] = (
        "learning_rate",
        "momentum",
        "seed",
        "batch_size",
        "dropout",
        "weight_decay",
        "label_smoothing",
    )
    shown += ("shift", "flip", "erase")
    lines = [f"{name} = {getattr(now, name)!r}" for name in shown if name in differing]
    if {"validation", "fold"} & set(differing):
        lines += cells.trained_on(now)
    if {"validation", "batch_size"} & set(differing):
        lines.append(cells.STEPS_PER_EPOCH)
    if "dropout" in differing and now.architecture in ("net", "perceptron"):
        lines.append("net.fc1_drop.p = dropout")
    if "standardise" in differing:
        lines += ["", "", cells.as_input(now), "", ""]
    if {"loss", "label_smoothing"} & set(differing):
        lines.append(cells.criterion(now))
    if {"optimizer", "weight_decay"} & set(differing):
        lines += ["remembered = optimizer.state", cells.optimizer(now)]
        if has_begun:
            lines.append("optimizer.state.update(remembered)")
    elif "momentum" in differing:
        lines += [
            "for group in optimizer.param_groups:",
            '    if "momentum" in group:',
            '        group["momentum"] = momentum',
        ]
    if {"schedule", "epochs", "step_limit", "batch_size", "validation"} & set(differing) and (
        before.schedule != "constant" or now.schedule != "constant"
    ):
        lines.append(cells.factors(now))
    return lines


def _beginning(history: History, checkpoint: Path) -> list[Cell]:
    """The state that a branch began with, where the run before it has been deleted."""
    state = state_of(checkpoint)
    if sum(array.nbytes for array in state.values()) > LARGEST_BEGINNING:
        raise ExportRefused(
            f"The first {history.first:,} steps were taken by a run that is not here any more, and the state after them is too "
            "large for a notebook: take the archive or the weights instead."
        )
    content = io.BytesIO()
    np.savez_compressed(content, **state)  # type: ignore[arg-type]
    return [
        _text(
            f"## After {history.first:,} steps\nThe steps before were taken by a run that is not here any more: its state was kept."
        ),
        _code(
            f"state = np.load(io.BytesIO(base64.b64decode({_block(content.getvalue())})))\n"
            'net.load_state_dict({name: torch.from_numpy(state["net." + name]) for name in net.state_dict()})\n'
            "for name, parameter in net.named_parameters():\n"
            "    for key in state:\n"
            '        if key.startswith(f"optimizer.{name}."):\n'
            "            value = torch.from_numpy(state[key])\n"
            "            if value.shape == parameter.shape:  # in the parameter's memory layout\n"
            "                value = torch.empty_like(parameter, requires_grad=False).copy_(value)\n"
            '            optimizer.state[parameter][key.removeprefix(f"optimizer.{name}.")] = value\n'
            'torch.set_rng_state(torch.from_numpy(state["generator.cpu"]))\n'
            f"step = {history.first}",
            folded=True,
        ),
    ]


def _certificate(history: History, *, is_hidden: bool) -> list[Cell]:
    """What the run recorded, and the comparison with it."""
    losses = history.losses()
    weights = weights_of(history.run, history.last)
    digests = {name: hashlib.sha256(array.tobytes()).hexdigest()[:16] for name, array in sorted(weights.items())}
    whole = hashlib.sha256()
    for name, array in sorted(weights.items()):
        whole.update(name.encode())
        whole.update(array.tobytes())
    measured = [m for m in history.run.measured if m.step == history.last]
    score = (measured[-1].validation if is_hidden else measured[-1].test) if measured else None
    recorded = (
        f"recorded = np.frombuffer(zlib.decompress(base64.b64decode({_block(zlib.compress(losses.tobytes(), 9))})), np.float32)\n"
        f"wanted = {whole.hexdigest()!r}\n"
        f"wanted_of = {json.dumps(digests, indent=4)}\n"
        f"wanted_correct = {list(score.correct) if score else None!r}  # of each class\n"
        f"made_with = {f'torch {words.torch_version()} on {words.processor()}'!r}"
    )
    labels = "train_labels[held_out]" if is_hidden else "test_labels"
    return [
        _text(
            f"## Is it the same run?\nThe losses of its {len(losses):,} steps as they were recorded, and the SHA-256 hash of its "
            "weights. Equal to the last bit is to be expected on the same kind of processor with the same version of torch: "
            "elsewhere sums are rounded otherwise, and the difference grows from step to step."
        ),
        _code(recorded, folded=True),
        _code(VERDICT.replace("LABELS", labels)),
    ]


VERDICT = """ours = np.array(losses, np.float32)
same = ours.view(np.uint32) == recorded.view(np.uint32)
whole, differing = hashlib.sha256(), []
for name, tensor in sorted(net.state_dict().items()):
    content = tensor.cpu().contiguous().numpy().tobytes()
    whole.update(name.encode())
    whole.update(content)
    if hashlib.sha256(content).hexdigest()[:16] != wanted_of[name]:
        differing.append(name)

if same.all() and whole.hexdigest() == wanted:
    print(f"Equal to the last bit: all {len(recorded):,} losses and the weights (SHA-256 {wanted[:16]}…).")
else:
    print("Not equal to the last bit.")
    print(f"Losses: {same.sum():,} of {len(recorded):,} are equal.")
    if not same.all():
        first = int(same.argmin())
        relative = np.abs(ours / recorded - 1)
        print(f"The first that differs is that of step {first + 1:,} of this notebook: {ours[first]} here, {recorded[first]} recorded.")
        print(f"Largest relative difference: {relative[:100].max():.1e} in the first 100 steps, {relative.max():.1e} in all.")
    print("Tensors that differ:", ", ".join(differing) or "none")
    if wanted_correct:
        here = [int((logits.argmax(1) == LABELS)[LABELS == number].sum()) for number in range(10)]
        print(f"Right at the end: {sum(here):,} here, {sum(wanted_correct):,} recorded.")
    print("The run was exported with", made_with)
    print("Here is torch", torch.__version__, "on", device, platform.processor() or platform.machine())
    print("Rounding begins at about 1e-7 and grows with every step: a difference that is large from the first step on is not rounding.")"""


# --- The file ------------------------------------------------------------------------------------------------------


def _block(content: bytes) -> str:
    """Bytes as a string of lines, for a cell."""
    lines = textwrap.wrap(base64.b64encode(content).decode(), 116)
    return '"""\n' + "\n".join(lines) + '\n"""'


def _text(source: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def _code(source: str, *, folded: bool = False) -> Cell:
    metadata = {"jupyter": {"source_hidden": True}, "tags": ["hide-input"]} if folded else {}
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}


def _file(found: list[Cell]) -> bytes:
    """Notebook format 4.5."""
    for number, cell in enumerate(found):
        cell["id"] = f"cell-{number}"
        cell["source"] = cell["source"].splitlines(keepends=True)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    content = {"cells": found, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False).encode()
