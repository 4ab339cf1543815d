"""The data set: two ways in that agree, and everything that can be wrong with the files."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fmnist_core.data import dataset
from fmnist_core.data.dataset import CLASSES, FILES, DatasetError, DatasetMissing, load

ARCHIVES = dataset.HOME / "FashionMNIST" / "raw"
TEST_LABELS = FILES["test", "labels"]
TEST_IMAGES = FILES["test", "images"]


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own with the four archives and nothing extracted."""
    folder = tmp_path / "data" / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for archive in ARCHIVES.glob("*.gz"):
        (folder / archive.name).symlink_to(archive)
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("split", ["train", "test"])
def test_both_ways_in_give_the_same_images(split: dataset.SplitName):
    """The tutorial's loader and the NumPy views agree on every pixel and every label."""
    ours = load(split)
    position = 0
    for images, labels in dataset.tutorial_loader(split, batch_size=5000, shuffle=False):
        part = slice(position, position + len(labels))
        assert np.array_equal((images.numpy()[:, 0] * 255).round().astype(np.uint8), ours.images[part])
        assert np.array_equal(images.numpy()[:, 0], ours.images[part].astype(np.float32) / 255)
        assert np.array_equal(labels.numpy(), ours.labels[part])
        position += len(labels)
    assert position == len(ours) == {"train": 60_000, "test": 10_000}[split]


def test_the_tutorials_own_call_works_without_a_network(raw: Path):
    """`FashionMNIST(download=True)` is satisfied by the archives that ship with the repository."""
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    data = FashionMNIST(root=str(raw.parent.parent), train=True, download=True, transform=ToTensor())
    assert len(data) == 60_000
    assert data.classes == list(CLASSES)


def test_mean_and_standard_deviation_are_those_of_the_training_pixels():
    """The constants of standardisation come from the data."""
    pixels = load("train").images / 255.0
    assert round(float(pixels.mean()), 4) == dataset.MEAN
    assert round(float(pixels.std()), 4) == dataset.STD


def test_classes_are_balanced():
    """Each split has as many images of every class, so chance is 10 %."""
    for split in ("train", "test"):
        assert len(set(np.bincount(load(split).labels))) == 1


def test_views_are_read_only():
    """Nobody can change the shared data."""
    with pytest.raises(ValueError, match="read-only"):
        load("test").images[0, 0, 0] = 1


def test_each_epoch_has_its_own_order_and_the_seed_fixes_it():
    """Every epoch visits every image once, in an order that can be had again."""
    first = dataset.epoch_order(1000, seed=3, epoch=0)
    assert sorted(first) == list(range(1000))
    assert np.array_equal(first, dataset.epoch_order(1000, seed=3, epoch=0))
    assert not np.array_equal(first, dataset.epoch_order(1000, seed=3, epoch=1))
    assert not np.array_equal(first, dataset.epoch_order(1000, seed=4, epoch=0))


def test_extraction_leaves_only_the_published_bytes(raw: Path):
    """A first start extracts the archives; no temporary file stays."""
    load("train"), load("test")
    for file in FILES.values():
        assert hashlib.sha256((raw / file.name).read_bytes()).hexdigest() == file.sha256
    assert not list(raw.glob(".*"))


DAMAGED = {
    "truncated": lambda good: good[:5000],
    "empty": lambda good: b"",
    "web page": lambda good: b"<!DOCTYPE html><html>not found</html>",
    "wrong magic": lambda good: b"\x00\x00\x0b\x01" + good[4:],
    "wrong count": lambda good: good[:4] + (9_999).to_bytes(4, "big") + good[8:-1],
    "label above 9": lambda good: good[:-1] + b"\x0b",
    "one bit": lambda good: good[:100] + bytes([good[100] ^ 1]) + good[101:],
}
SAID = {
    "truncated": "ends after 5,000 of 10,008 bytes",
    "empty": "is empty",
    "web page": "is a web page",
    "wrong magic": "is not an IDX file",
    "wrong count": "9999 values instead of 10000",
    "label above 9": "holds a label 11",
    "one bit": "",
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_extracted_again_from_a_good_archive(raw: Path, damage: str):
    """What is wrong on disk is never loaded, and repaired where the archive is good."""
    load("test")
    good = (raw / TEST_LABELS.name).read_bytes()
    replace(raw / TEST_LABELS.name, DAMAGED[damage](good))
    assert np.array_equal(load("test").labels, np.frombuffer(good[8:], np.uint8))
    assert (raw / TEST_LABELS.name).read_bytes() == good


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_without_archive_is_named(raw: Path, damage: str):
    """The sentence names the file and what is wrong with it."""
    load("test")
    (raw / f"{TEST_LABELS.name}.gz").unlink()
    replace(raw / TEST_LABELS.name, DAMAGED[damage]((raw / TEST_LABELS.name).read_bytes()))
    with pytest.raises(DatasetError, match=TEST_LABELS.name) as told:
        load("test")
    assert SAID[damage] in str(told.value)
    assert str(raw) in str(told.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"<html>moved</html>", "is a web page"),
        (b"PK\x03\x04 a zip", "no gzip archive"),
        (gzip.compress(b"\x00\x00\x08\x01 something else"), "instead of"),
        ((ARCHIVES / f"{TEST_LABELS.name}.gz").read_bytes()[:2000], "truncated"),
    ],
    ids=["empty", "web page", "zip", "something else", "truncated"],  # not the bytes: gzip writes the time into them
)
def test_a_damaged_archive_is_named(raw: Path, content: bytes, said: str):
    """An archive that is not the published one is refused with its name, and nothing is left behind."""
    replace(raw / f"{TEST_LABELS.name}.gz", content)
    with pytest.raises(DatasetError, match=said) as told:
        load("test")
    assert f"{TEST_LABELS.name}.gz" in str(told.value)
    assert not (raw / TEST_LABELS.name).exists()


def test_without_archives_the_sentence_says_where_to_put_which_files(raw: Path):
    """No data set at all: one sentence with the folder and the files."""
    for archive in raw.glob("*.gz"):
        archive.unlink()
    with pytest.raises(DatasetMissing) as told:
        load("train")
    assert str(raw) in str(told.value)
    assert "train-images-idx3-ubyte.gz" in str(told.value)


@pytest.mark.thorough
def test_a_download_that_fails_ends_with_the_same_sentence(raw: Path, monkeypatch: pytest.MonkeyPatch):
    """torchvision's own download is tried, with a time limit; a dead network is a sentence, not a traceback."""
    for archive in raw.glob("*.gz"):
        archive.unlink()
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: nobody listens
    with pytest.raises(DatasetError, match="Put the four published archives") as told:
        list(dataset.download(time_limit=60))
    assert str(raw) in str(told.value)


def test_a_download_has_a_time_limit(raw: Path):
    """A network that hangs does not hang the page."""
    began = time.monotonic()
    with pytest.raises(DatasetError, match="took longer"):
        list(dataset.download(time_limit=0.3))
    assert time.monotonic() - began < 10


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody without permission")


def as_nobody(call: Callable[[], object]) -> str:
    """What `call` returns or raises, as text, in a forked process of a user who owns nothing."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.setuid(65534)
        try:
            answer = str(call())
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writer, answer.encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, "rb") as pipe:
        return pipe.read().decode()


@pytest.fixture
def for_nobody(raw: Path) -> Path:
    """The data folder, reachable by another user, who may write only into the cache folder."""
    for parent in [raw, *raw.parents]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(0o755)
        if parent == Path("/tmp"):
            break
    for archive in raw.glob("*.gz"):
        target = archive.resolve()
        archive.unlink()
        shutil.copy(target, archive)
    cache = raw.parents[2] / "cache"
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    return raw


@as_root
def test_a_read_only_data_folder_extracts_into_the_cache(for_nobody: Path):
    """No permission to write beside the archives: the user's cache folder takes the files."""
    assert as_nobody(lambda: len(load("test"))) == "10000"
    cache = for_nobody.parents[2] / "cache" / "fashion-mnist-lab" / "FashionMNIST" / "raw"
    assert (cache / TEST_IMAGES.name).exists()
    assert not (for_nobody / TEST_IMAGES.name).exists()


@as_root
def test_an_archive_that_may_not_be_read_is_named(for_nobody: Path):
    """No permission to read: the file is named."""
    (for_nobody / f"{TEST_LABELS.name}.gz").chmod(0)
    said = as_nobody(lambda: load("test"))
    assert said.startswith("DatasetError: ")
    assert f"{TEST_LABELS.name}.gz cannot be read (Permission denied)" in said


@as_root
def test_nowhere_to_extract_is_a_sentence(for_nobody: Path):
    """Neither the data folder nor the cache can be written to: the sentence names the way out."""
    os.chown(for_nobody.parents[2] / "cache", 0, 0)
    assert "set FMNIST_DATA" in as_nobody(lambda: load("test"))


def test_extraction_killed_half_way_is_repaired_by_the_next_start(raw: Path):
    """Only a temporary file is left by a kill; the file itself appears complete or not at all."""
    program = (
        "import os, signal, fmnist_core.data.dataset as d\n"
        "d.os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)\n"  # dies with everything written but the name
        "d.load('test')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=dataset.HOME.parent, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert not (raw / TEST_IMAGES.name).exists()
    (left_over,) = raw.glob(f".{TEST_IMAGES.name}.*")
    os.utime(left_over, (0, 0))  # of long ago
    assert len(load("test")) == 10_000
    assert not left_over.exists()


def test_preparing_prints_a_sentence_and_no_traceback(raw: Path):
    """`python -m fmnist_core.data.dataset` is what `make run` calls first."""
    replace(raw / f"{TEST_LABELS.name}.gz", b"")
    done = subprocess.run(
        [sys.executable, "-m", "fmnist_core.data.dataset"],
        cwd=dataset.HOME.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "is empty" in done.stderr
    assert "Traceback" not in done.stderr
