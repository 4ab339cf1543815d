"""Everything that a GPU is needed for, in one command and at most six minutes: is it right, how fast, how good?

python -m benchmarks.gpu               on the first NVIDIA GPU; without one it says so and exits 0
python -m benchmarks.gpu --rehearse    the same questions, small, on the CPU: does this program work?
python -m benchmarks.gpu --only right fast --seconds 180

Needs torch, torchvision, numpy and safetensors only. Each part is a process with a time limit of its own, the most worthwhile
first: what a part had found when its time was over counts, and what it could not do is said. The last line is one JSON document, also
written to $OUT/gpu.json where OUT is set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.turns import ROOT

Found = Iterator[tuple[str, object]]
TESTED_WITH = "2.11"
"""The oldest torch that this is meant for."""

WANTED = {
    "losses: largest relative difference to the CPU": "1e-3",
    "same seed twice": "same bits",
    "resumed from a checkpoint": "same bits",
    "branch that changes nothing": "same bits",
    "out of memory": "a sentence, device free",
    "batch 20: captured / plain": "5 times",
    "batch 20: captured / notebook": "20 times",
    "tutorial: accuracy": "87.4 %",
    "gpu: accuracy": "96 % after 200 epochs",
}


def is_it_right(device: str, small: bool) -> Found:
    """200 steps of the tutorial: against the CPU, twice, resumed, as a branch; then a batch that fits no memory."""
    import torch

    from fmnist_core.settings.config import TrainingConfig
    from fmnist_core.training.state import TrainingData, TrainingState

    steps = 20 if small else 200
    data = TrainingData.load(torch.device(device))
    on_cpu = TrainingData.load(torch.device("cpu"))
    undropped = TrainingConfig(device=device, dropout=0.0, step_limit=steps)
    ours, _state = trained(TrainingState.new(undropped), data)
    reference = TrainingState.new(TrainingConfig(device="cpu", dropout=0.0, step_limit=steps))
    reference.leave_compiled()
    theirs, _state = trained(reference, on_cpu)
    yield (
        "losses: largest relative difference to the CPU",
        max(abs(a / b - 1) for a, b in zip(ours, theirs, strict=True)),
    )

    config = TrainingConfig(device=device, step_limit=steps)
    wanted, whole = trained(TrainingState.new(config), data)
    bits = {name: tensor.clone() for name, tensor in whole.tensors().items()}

    def verdict(losses: list[float], state: TrainingState) -> str:
        if losses == wanted and all(tensor.equal(bits[name]) for name, tensor in state.tensors().items()):
            return "same bits"
        return f"differs: losses by {max(abs(a - b) for a, b in zip(losses, wanted, strict=True)):.1e}"

    yield "same seed twice", verdict(*trained(TrainingState.new(config), data))
    first, half = trained(TrainingState.new(config), data, steps // 3)
    kept = {name: tensor.clone() for name, tensor in half.tensors().items()}
    resumed = TrainingState.restore(config, kept, half.step, half.seconds)
    later, resumed = trained(resumed, data)
    yield "resumed from a checkpoint", verdict(first + later, resumed)
    branch = TrainingState.restore(config, kept, len(first), 0.0)
    branch.change(config.learning_rate, config.momentum)
    later, branch = trained(branch, data)
    yield "branch that changes nothing", verdict(first + later, branch)
    if device == "cuda":
        yield "out of memory", out_of_memory(data)


def out_of_memory(data: object) -> str:
    """What the run says, and whether the device can be used afterwards."""
    import gc
    import tempfile

    import torch

    from fmnist_core.runs.files.folder import RunFolder
    from fmnist_core.runs.files.writing import EventWriter
    from fmnist_core.runs.service.recorder import Recorder
    from fmnist_core.settings.config import TrainingConfig

    before = torch.cuda.memory_allocated()
    config = TrainingConfig(device="cuda", architecture="wide", batch_size=60_000, epochs=1)
    with tempfile.TemporaryDirectory() as runs:
        folder = RunFolder.create(Path(runs), "0" * 12, 1, "", config)
        writer = EventWriter(folder.path)
        try:
            Recorder(folder, writer, folder.run()).train(data)  # type: ignore[arg-type]
        except RuntimeError:
            pass
        else:
            return "a batch of 60,000 images fitted"
        finally:
            writer.close()
        said = folder.run().apply_all(folder.events()).reason
    gc.collect()
    torch.cuda.empty_cache()
    left = (torch.cuda.memory_allocated() - before) / 2**20
    return f"{said!r}; {left:,.0f} MB more in use than before"


def how_fast(device: str, small: bool) -> Found:
    """Images per second at batch 20, 64 and 512: the notebook's loop, ours plain, ours captured, torch.compile."""
    seconds = 0.5 if small else 4.0
    for batch_size in (20, 64, 512):
        speeds: dict[str, float] = {}
        ways: dict[str, Callable[[str, int, float], float]] = {
            "captured": captured, "plain": plain, "notebook": notebook_loop, "torch.compile": with_compile,
        }  # fmt: skip
        for name, way in ways.items():
            if device != "cuda" and name in ("captured", "torch.compile"):
                continue
            try:
                speeds[name] = way(device, batch_size, seconds)
                yield f"batch {batch_size}: {name}, images/s", round(speeds[name])
            except Exception as error:
                yield f"batch {batch_size}: {name}", f"failed: {type(error).__name__}: {str(error)[:200]}"
        for other in ("plain", "notebook", "torch.compile"):
            if "captured" in speeds and other in speeds:
                yield f"batch {batch_size}: captured / {other}", f"{speeds['captured'] / speeds[other]:.1f} times"


def captured(device: str, batch_size: int, seconds: float) -> float:
    os.environ["FMNIST_GRAPHS"] = "1"
    return ours(device, batch_size, seconds)


def plain(device: str, batch_size: int, seconds: float) -> float:
    os.environ["FMNIST_GRAPHS"] = "0"
    return ours(device, batch_size, seconds)


def ours(device: str, batch_size: int, seconds: float) -> float:
    """Of our loop, after its first half second."""
    import torch

    from fmnist_core.settings.config import TrainingConfig
    from fmnist_core.training.events import Losses
    from fmnist_core.training.loop import train
    from fmnist_core.training.state import TrainingData, TrainingState

    state = TrainingState.new(TrainingConfig(device=device, batch_size=batch_size))
    state.leave_compiled()
    warm: tuple[int, float] | None = None
    for event in train(state, TrainingData.load(torch.device(device))):
        if isinstance(event, Losses) and state.seconds > seconds / 8 and warm is None:
            warm = state.step, state.seconds
        elif isinstance(event, Losses) and warm and state.seconds - warm[1] > seconds:
            break
    assert warm
    return (state.step - warm[0]) * batch_size / (state.seconds - warm[1])


def with_compile(device: str, batch_size: int, seconds: float) -> float:
    """Of our loop with the network compiled by torch, in the mode that captures graphs by itself."""
    import torch

    from fmnist_core.training import state as of_state

    build = of_state.build
    os.environ["FMNIST_GRAPHS"] = "0"
    try:
        of_state.build = lambda config: torch.compile(build(config), mode="reduce-overhead")  # type: ignore[assignment,return-value]
        return ours(device, batch_size, seconds)
    finally:
        of_state.build = build


def notebook_loop(device: str, batch_size: int, seconds: float) -> float:
    """Of the notebook's loop with its DataLoader, each batch moved to the device."""
    import torch
    from torch import nn, optim

    from benchmarks import notebook
    from fmnist_core.networks.net import Net

    net, criterion = Net().to(device), nn.CrossEntropyLoss()
    optimizer, began, images = optim.SGD(net.parameters(), lr=0.001, momentum=0.9), 0.0, 0
    for number, (inputs, labels) in enumerate(notebook.loader(train=True, batch_size=batch_size)):
        if number == 10:
            began, images = time.perf_counter(), 0
        inputs, labels = inputs.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = criterion(net(inputs), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        images += len(labels)
        if began and time.perf_counter() - began > seconds:
            break
    if device == "cuda":
        torch.cuda.synchronize()
    return images / (time.perf_counter() - began)


def how_good(device: str, small: bool) -> Found:
    """The recipes in the order of their length, and a race of as many copies as there can be: seconds of training, accuracy on the test images."""
    for name in ("fast", "tutorial", "minute"):
        yield from recipe(name, device, 60 if small else None)
    yield from race(device, small)
    yield from recipe("best", device, 2 if small else None)


def race(device: str, small: bool) -> Found:
    import torch

    from fmnist_core.settings.config import TrainingConfig
    from fmnist_core.settings.jobs import LARGEST_RACE, Race
    from fmnist_core.training.events import CopiesMeasured, CopyLosses
    from fmnist_core.training.race import race as run_race
    from fmnist_core.training.state import TrainingData

    copies = 2 if small else LARGEST_RACE
    config = TrainingConfig(device=device, batch_size=64, learning_rate=0.05, epochs=1)
    data = TrainingData.load(torch.device(device))
    if small:
        data = TrainingData(data.images[:2000], data.labels[:2000], data.test_images, data.test_labels)
    for event in run_race(config, Race(copies=copies), data):
        if isinstance(event, CopyLosses):
            steps, seconds = event.step + len(event.losses), event.seconds
        if isinstance(event, CopiesMeasured):
            yield f"race of {copies}: images/s of all", round(steps * config.batch_size * copies / seconds)


def largest(device: str, small: bool) -> Found:
    """The recipe "gpu" as far as the time goes: 200 epochs take longer than this program."""
    yield from recipe("gpu", device, 1 if small else None)


def recipe(name: str, device: str, step_limit: int | None) -> Found:
    """Accuracy after each epoch that took seconds, so that a cut leaves the last one."""
    from dataclasses import replace

    import torch

    from fmnist_core.settings.recipes import RECIPES
    from fmnist_core.training import graphs
    from fmnist_core.training.events import Measured
    from fmnist_core.training.loop import train
    from fmnist_core.training.state import TrainingData, TrainingState

    config = replace(RECIPES[name].config, device=device)
    data = TrainingData.load(torch.device(device))
    if step_limit:
        few = 64 if step_limit > 2 else 16  # the large networks take a second a picture on a busy CPU
        config = replace(config, step_limit=step_limit, batch_size=min(config.batch_size, few))
        images, labels = data.images[: 10 * few], data.labels[: 10 * few]
        data = TrainingData(images, labels, data.test_images[: 3 * few], data.test_labels[: 3 * few])
    state = TrainingState.new(config)
    if device == "cuda":
        alone = f"launched one by one: {type(state.optimizer).__name__} is not captured"
        yield f"{name}: steps", "captured" if graphs.is_wanted() and graphs.covers(state) else alone
    for event in train(state, data):
        if isinstance(event, Measured) and event.step:
            yield f"{name}: accuracy", f"{100 * event.test.accuracy:.2f} %"
            yield f"{name}: training", f"{event.seconds:.1f} s, {event.epoch:g} of {config.epochs} epochs"
    if device == "cuda":
        yield f"{name}: memory", f"{torch.cuda.max_memory_allocated() / 2**20:,.0f} MB"


def trained(state, data, until: int | None = None):  # type: ignore[no-untyped-def]
    """Losses, and the state that they lead to: at the end, or after `until` steps."""
    from fmnist_core.training.events import Losses, Reached
    from fmnist_core.training.loop import train

    losses: list[float] = []
    for event in train(state, data, [until] if until else ()):
        if isinstance(event, Losses):
            losses += event.losses
        if isinstance(event, Reached):
            break
    return losses, state


PARTS: dict[str, tuple[Callable[[str, bool], Found], int]] = {
    "right": (is_it_right, 75),
    "fast": (how_fast, 105),
    "recipes": (how_good, 110),
    "largest": (largest, 60),
}
"""What they do and their time limits in seconds; the most worthwhile first."""
SECONDS = 360.0
"""For all of them."""


def in_a_process(name: str, device: str, small: bool, limit: float) -> tuple[dict[str, object], str]:
    """What the part found, and why it found no more."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--part", name, device, *(["--rehearse"] if small else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = process.communicate(timeout=limit)
        why = "" if process.returncode == 0 else f"failed: {(err.strip().splitlines() or ['?'])[-1][:300]}"
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        why = f"cut after {limit:.0f} s"
    found: dict[str, object] = {}
    for line in out.splitlines():
        if line.startswith("{"):
            found |= json.loads(line)
    return found, why


def card() -> dict[str, object] | None:
    """The first NVIDIA GPU, with what computes on it; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "card": properties.name,
        "memory_gb": round(properties.total_memory / 2**30, 1),
        "compute_capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="small, on the CPU")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help="for all parts together; their limits go with it"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts")
    parser.add_argument("--part", nargs=2, metavar=("PART", "DEVICE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        name, device = arguments.part
        for key, value in PARTS[name][0](device, arguments.rehearse):
            print(json.dumps({key: value}), flush=True)
        return

    import torch

    gpu = card()
    facts: dict[str, object] = {"benchmark": "gpu", "torch": torch.__version__, "python": platform.python_version()}
    facts |= gpu or {"card": None}
    print(f"torch {torch.__version__} (meant for {TESTED_WITH} or newer), Python {platform.python_version()}")
    if gpu is None and not arguments.rehearse:
        print("No NVIDIA GPU that torch can use is here: nothing was measured.")
    else:
        print(", ".join(f"{key} {value}" for key, value in (gpu or {"card": "none: a rehearsal on the CPU"}).items()))
        began, results = time.monotonic(), dict[str, object]()
        for name in (name for name in PARTS if name in arguments.only):
            limit = PARTS[name][1] * max(1.0, arguments.seconds / SECONDS)
            left = arguments.seconds - (time.monotonic() - began)
            found, why = {}, "no time was left"
            if left > 10:
                device = "cuda" if gpu and not arguments.rehearse else "cpu"
                found, why = in_a_process(name, device, arguments.rehearse, min(limit, left))
            if why:
                found[f"{name}: not all of it"] = why
            for key, value in found.items():
                shown = (
                    f"{value:.2g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
                )
                print(f"  {key:<50}  {shown!s:>28}  {WANTED.get(key, '')}", flush=True)
            results |= found
        facts |= {"seconds": round(time.monotonic() - began), "results": results}
    line = json.dumps(facts)
    if out := os.environ.get("OUT"):
        Path(out, "gpu.json").write_text(line + "\n", encoding="utf-8")
    print(line)


if __name__ == "__main__":
    main()
