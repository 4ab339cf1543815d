"""What the time slider reads: weights and predictions at many steps, whatever happened to the files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.runs.bell import REPOSITORY
from fmnist_core.runs.files.snapshots import Snapshots, as_float16, spread
from fmnist_core.runs.service.keeping import film_steps

RANDOM = np.random.default_rng(0)


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    return Snapshots(tmp_path)


def logits(rows: int = 500) -> np.ndarray:
    """As a network gives them, with the two highest often close together."""
    return RANDOM.normal(0, 5, (rows, 10)).astype(np.float32)


def weights(factor: float) -> dict[str, np.ndarray]:
    return {
        "conv1.weight": np.full((2, 1, 3, 3), factor, np.float32),
        "norm.num_batches_tracked": np.array(int(factor), np.int64),
    }


def test_half_precision_changes_no_prediction():
    """Kept in half the bytes, every image stays on its side, also where two logits round to the same number."""
    close = logits(20_000)
    close[:, 3] = close[:, 7] = 9
    close[::2, 7] += np.float32(1e-4)
    close[1::2, 3] -= np.float32(1e-4)
    kept = as_float16(close)
    assert (kept.argmax(1) == close.argmax(1)).all()
    assert (close.astype(np.float16).argmax(1) != close.argmax(1)).any(), "plain rounding would change some"
    assert np.allclose(kept, close, rtol=2e-3, atol=1e-6)


def test_half_precision_of_huge_logits():
    """Beyond what half precision can hold, the largest stays the largest and every number finite."""
    huge = np.array([[1e6, 2e6, -1e9], [7e4, 6e4, 8e4]], np.float32)
    assert as_float16(huge).argmax(1).tolist() == [1, 2]
    assert np.isfinite(as_float16(huge)).all()


def test_logits_there_and_back(snapshots: Snapshots):
    """Logits come back as float32; the test's and the validation's are kept apart; an older file in float32 is read too."""
    test, validation, older = logits(), logits(), logits()
    snapshots.write_logits(100, test)
    snapshots.write_logits(100, validation, "validation")
    np.save(snapshots.path / "00000007.npy", older)
    assert snapshots.logit_steps() == [7, 100]
    assert snapshots.logit_steps("validation") == [100]
    assert snapshots.logits(100).dtype == np.float32
    assert np.array_equal(snapshots.logits(100), as_float16(test))
    assert np.array_equal(snapshots.logits(100, "validation"), as_float16(validation))
    assert np.array_equal(snapshots.logits(7), older)
    with pytest.raises(FileNotFoundError):
        snapshots.logits(8)


def test_weights_there_and_back(snapshots: Snapshots):
    """Weights of any step come back exactly, from whatever file they are in, with the shapes of the network's tensors."""
    snapshots.write_weights({step: weights(step) for step in (0, 1, 2)})
    snapshots.write_weights({step: weights(step) for step in (5, 100)})
    snapshots.write_weights({})
    assert snapshots.weight_steps() == [0, 1, 2, 5, 100]
    for step in snapshots.weight_steps():
        found = snapshots.weights(step)
        assert found.keys() == weights(step).keys()
        for name, tensor in weights(step).items():
            assert found[name].shape == tensor.shape
            assert found[name].tobytes() == tensor.tobytes()
    with pytest.raises(FileNotFoundError, match="the weights after step 3 were not kept"):
        snapshots.weights(3)


def test_nothing_there(snapshots: Snapshots):
    """A run of an older version, without weights, and one that has kept nothing yet are no errors."""
    assert (snapshots.logit_steps(), snapshots.weight_steps(), snapshots.undeveloped()) == ([], [], [])
    assert snapshots.predictions().classes.shape == (0, 0)
    assert Snapshots(snapshots.path / "gone").predictions().steps.size == 0


def test_predictions(snapshots: Snapshots):
    """Class and confidence of each snapshot are those of its logits, also for one that comes later."""
    for step in (0, 1, 10):
        snapshots.write_logits(step, logits())
        found = snapshots.predictions()
        assert found.steps.tolist() == snapshots.logit_steps()
        for row, kept in enumerate(found.steps):
            evaluation = Evaluation.from_logits(snapshots.logits(int(kept)), np.zeros(500))
            assert np.array_equal(found.classes[row], evaluation.predictions)
            assert np.allclose(found.confidences[row], evaluation.probabilities.max(1), atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"nonsense"])
def test_damaged_files(snapshots: Snapshots, content: bytes):
    """A damaged file of predictions is made again; damaged logits and weights are left out, all others are read."""
    for step in (0, 5):
        snapshots.write_logits(step, logits())
        snapshots.write_weights({step: weights(step), step + 1: weights(step + 1)})
    snapshots.predictions()
    (snapshots.path / "predictions.npz").write_bytes(content)
    (snapshots.path / "00000009.npy").write_bytes(content)
    (snapshots.path / "film" / "00000000-00000001.safetensors").write_bytes(content)
    (snapshots.path / ".00000003.npy.tmp").write_bytes(content)
    assert snapshots.predictions().steps.tolist() == [0, 5]
    assert snapshots.weight_steps() == [5, 6]


def test_thinned_out(snapshots: Snapshots):
    """A film that is too long keeps its first, its last and some between them, as they were, in a single file."""
    for first in (0, 10, 20):
        snapshots.write_weights({step: weights(step) for step in range(first, first + 10)})
    size = sum(path.stat().st_size for path in snapshots.path.rglob("*.safetensors"))
    snapshots.thin_out(size)
    assert len(snapshots.weight_steps()) == 30
    snapshots.thin_out(size // 3)
    steps = snapshots.weight_steps()
    assert 8 <= len(steps) <= 12
    assert (steps[0], steps[-1]) == (0, 29)
    assert all(snapshots.weights(step)["conv1.weight"].max() == step for step in steps)
    assert len(list(snapshots.path.rglob("*.safetensors"))) == 1


@pytest.mark.parametrize(
    ("last", "count"), [(60_000, 80), (600_000, 80), (100, 80), (80, 80), (79, 80), (1, 2), (0, 2)]
)
def test_spread(last: int, count: int):
    """Steps are dense at the start and further apart after; first and last are among them, and as many as asked for."""
    steps = spread(0, last, count)
    assert (steps[0], steps[-1]) == (0, last)
    assert len(steps) <= count
    assert len(steps) >= min(count, last + 1) - 2
    gaps = np.diff(steps)
    assert (gaps >= 1).all()
    assert last < count or gaps[: len(gaps) // 2].sum() < gaps[len(gaps) // 2 :].sum()
    assert spread(7, last + 7, count) == [step + 7 for step in steps]


@pytest.mark.parametrize("wanted", ["1", "2", "3", "7"])
def test_first_and_last_moment_are_kept_however_few_are_wanted(monkeypatch: pytest.MonkeyPatch, wanted: str):
    """Also where the environment asks for a single one."""
    monkeypatch.setenv("FMNIST_SNAPSHOTS", wanted)
    for first, last in ((0, 60_000), (3_000, 60_000), (0, 1)):
        steps = film_steps(first, last, 3_000, 110_000)
        assert (steps[0], steps[-1]) == (first, last)
        assert len(steps) <= max(2, int(wanted))


def test_read_without_torch():
    """Reading weights, logits and predictions imports no torch."""
    program = (
        "import sys, pathlib; from fmnist_core.runs.files.folder import RunFolder; r = RunFolder(pathlib.Path('x'));"
    )
    program += (
        "r.weight_steps(), r.predictions(), r.logit_steps(); import safetensors.numpy; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
