"""`make gpu` where there is no GPU: it says so, and what it would do is tried on the CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parent.parent


@pytest.mark.thorough
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_says_so_without_a_gpu(tmp_path: Path):
    """Exit status 0, a sentence, one line of JSON, the same in $OUT; nothing but what a bare machine has is imported."""
    code = (
        "import sys, runpy\n"
        "for name in ('streamlit', 'pandas', 'plotly', 'scipy', 'sklearn', 'PIL'): sys.modules[name] = None\n"
        "import benchmarks.gpu as gpu\nsys.argv = ['gpu']\ngpu.main()"
    )
    environment = os.environ | {"OUT": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "No NVIDIA GPU that torch can use is here: nothing was measured." in done.stdout
    assert json.loads(done.stdout.splitlines()[-1]) == json.loads((tmp_path / "gpu.json").read_text())


@pytest.mark.slow
def test_is_it_right_on_the_cpu():
    """The first part, small: another device's losses, the same seed, a checkpoint and a branch, all come out right."""
    found = dict(gpu.is_it_right("cpu", small=True))
    assert found.pop("losses: largest relative difference to the CPU") < 1e-5
    assert found == dict.fromkeys(
        ("same seed twice", "resumed from a checkpoint", "branch that changes nothing"), "same bits"
    )


def test_what_a_part_found_before_its_time_was_over_counts(monkeypatch: pytest.MonkeyPatch):
    """A part that fails or is cut leaves what it printed, and says why there is no more."""
    script = "import sys, time\nprint('{\"a\": 1}', flush=True)\n"
    real = subprocess.Popen
    for rest, wanted in (("time.sleep(60)", "cut after 5 s"), ("raise ValueError('no')", "failed: ValueError: no")):
        monkeypatch.setattr(
            gpu.subprocess,
            "Popen",
            lambda _command, rest=rest, **options: real([sys.executable, "-c", script + rest], **options),
        )
        assert gpu.in_a_process("right", "cpu", True, 5) == ({"a": 1}, wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("best", 2), ("gpu", 1)])
def test_the_large_recipes_rehearsed(name: str, steps: int):
    """The recipes that nobody waits for on a CPU, for a few steps of 64 pictures: they train and are measured."""
    found = dict(gpu.recipe(name, "cpu", steps))
    assert found.keys() == {f"{name}: accuracy", f"{name}: training"}
    assert 0 <= float(found[f"{name}: accuracy"].removesuffix(" %")) <= 100
