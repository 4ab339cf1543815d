"""The 70,000 images: where they are, and whether they are right.

Two ways in. `load` gives read-only NumPy views over the verified IDX files: no torch, and every process on the machine
shares the same memory. `tutorial_loader` is the notebook's way: torchvision's `FashionMNIST`, `ToTensor` and a `DataLoader`.

Data set: Xiao, Rasul and Vollgraf, 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", https://arxiv.org/abs/1708.07747 (MIT, Zalando SE). IDX: the format of http://yann.lecun.com/exdb/mnist/.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from fmnist_core.files import write_whole

if TYPE_CHECKING:
    import torch
    from torch.utils.data import DataLoader

SplitName = Literal["train", "test"]

CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

MEAN, STD = 0.2860, 0.3530
"""Mean and standard deviation of the 47 million training pixels, scaled to [0, 1]."""

HOME = Path(__file__).parents[2] / "data"


@dataclass(frozen=True)
class IdxFile:
    """One of the four published files, as it must be once it is decompressed."""

    name: str
    sha256: str
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        """IDX: two zero bytes, 8 for unsigned bytes, the number of dimensions, each dimension as a big-endian uint32."""
        return struct.pack(f">HBB{len(self.shape)}I", 0, 8, len(self.shape), *self.shape)

    @property
    def size(self) -> int:
        """Bytes of the decompressed file."""
        return len(self.header) + int(np.prod(self.shape))


FILES: dict[tuple[SplitName, str], IdxFile] = {
    ("train", "images"): IdxFile(
        "train-images-idx3-ubyte",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        (60_000, 28, 28),
    ),
    ("train", "labels"): IdxFile(
        "train-labels-idx1-ubyte",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        (60_000,),
    ),
    ("test", "images"): IdxFile(
        "t10k-images-idx3-ubyte",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        (10_000, 28, 28),
    ),
    ("test", "labels"): IdxFile(
        "t10k-labels-idx1-ubyte",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        (10_000,),
    ),
}
_NAMES = {name for file in FILES.values() for name in (file.name, f"{file.name}.gz")}


class DatasetError(Exception):
    """The data set cannot be used. The message names the file and the way out, and is meant to be read by a person."""


class DatasetMissing(DatasetError):
    """Neither the file nor its archive is there: downloading may help."""


@dataclass(frozen=True)
class Split:
    """The images and labels of one split, read-only."""

    name: SplitName
    images: npt.NDArray[np.uint8]
    """(N, 28, 28) uint8, 0 is background, 255 is full ink."""
    labels: npt.NDArray[np.uint8]
    """(N,) uint8, 0 to 9: the position in `CLASSES`."""

    def __len__(self) -> int:
        return len(self.labels)


# --- Where the files are -------------------------------------------------------------------------------------------


def data_folder() -> Path:
    """The folder that torchvision calls `root`: `$FMNIST_DATA`, else `data/` of this repository.

    `$FMNIST_DATA` may also be the folder with the files themselves, or the one above it.
    """
    return Path(os.path.expanduser(os.environ.get("FMNIST_DATA") or HOME)).absolute()


def cache_folder() -> Path:
    """Where the files are extracted when the data folder cannot be written to."""
    home = os.path.expanduser("~")  # "~" itself where there is none: no HOME, and a user without an entry
    usual = f"{home}/.cache" if home != "~" else f"{tempfile.gettempdir()}/user-{os.getuid()}"
    return Path(os.environ.get("XDG_CACHE_HOME") or usual) / "fashion-mnist-lab"


def _raw(root: Path) -> Path:
    usual = root / "FashionMNIST" / "raw"  # torchvision's layout
    for place in (usual, root / "raw", root):
        with contextlib.suppress(OSError):
            if not _NAMES.isdisjoint(os.listdir(place)):
                return place
    return usual


# --- Our way in ----------------------------------------------------------------------------------------------------


def load(split: SplitName) -> Split:
    """The images and labels of `split`, verified by SHA-256, extracted from the archives when that is needed.

    Raises DatasetError with a sentence that names the file and the way out.

    >>> load("test").images.shape
    (10000, 28, 28)
    """
    images, labels = (_view(_verified(FILES[split, kind]), FILES[split, kind]) for kind in ("images", "labels"))
    return Split(split, images, labels)


def _view(path: Path, file: IdxFile) -> npt.NDArray[np.uint8]:
    return np.memmap(path, np.uint8, mode="r", offset=len(file.header), shape=file.shape)


def _verified(file: IdxFile) -> Path:
    """The path of `file`, known to be right; extracted again from its archive where it is missing or wrong."""
    fault, places = "", list[Path]()
    for place in map(_raw, (data_folder(), cache_folder())):
        places.append(place)
        if (path := place / file.name).exists():
            fault = _fault_of(path, file)
            if not fault:
                return path
    archive = places[0] / f"{file.name}.gz"
    if not archive.exists() and (places[1] / archive.name).exists():
        archive = places[1] / archive.name  # downloaded there, because the data folder is read-only
    if not archive.exists():
        if fault:
            raise DatasetError(f"{fault} Delete it, put {archive.name} into {places[0]} and reload.")
        raise DatasetMissing(
            f"The Fashion-MNIST data set is not here: put the four published archives (*-ubyte.gz, "
            f"https://github.com/zalandoresearch/fashion-mnist) into {places[0]} and reload. "
            f"Missing: {archive.name}."
        )
    return _extract(archive, file, places)


def _fault_of(path: Path, file: IdxFile) -> str:
    """What is wrong with the extracted file, as a sentence; empty when it is the published one."""
    try:
        stat = path.stat()
        return _fault_of_version(path, file, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})."


@lru_cache(maxsize=32)
def _fault_of_version(path: Path, file: IdxFile, size: int, mtime: int, inode: int) -> str:
    """`_fault_of`, once per version of the file and process: hashing all four takes about 0.06 s."""
    return _fault_in(path.read_bytes(), path, file)


def _fault_in(content: bytes, path: Path, file: IdxFile) -> str:
    if not content:
        return f"{path} is empty."
    if content[:64].lstrip()[:1] == b"<":
        return f"{path} is a web page, not data."
    if content[:4] != file.header[:4]:
        return f"{path} is not an IDX file of unsigned bytes (it begins with {content[:4].hex()})."
    if content[: len(file.header)] != file.header:
        found = " x ".join(
            str(n) for (n,) in struct.iter_unpack(">I", content[4 : len(file.header)][: 4 * len(file.shape)])
        )
        return f"{path} says that it holds {found} values instead of {' x '.join(map(str, file.shape))}."
    if len(content) < file.size:
        return f"{path} ends after {len(content):,} of {file.size:,} bytes."
    if hashlib.sha256(content).hexdigest() != file.sha256:
        if len(file.shape) == 1 and (highest := max(content[len(file.header) :])) > 9:
            return f"{path} holds a label {highest}: labels go from 0 to 9."
        return f"{path} differs from the published file (SHA-256)."
    return ""


def _extract(archive: Path, file: IdxFile, places: list[Path]) -> Path:
    """Decompress, verify, then move into place in one step: a killed extraction leaves only a temporary file."""
    try:
        packed = archive.read_bytes()
    except OSError as error:
        raise DatasetError(f"{archive} cannot be read ({error.strerror}): check its permissions and reload.") from error
    try:
        content = gzip.decompress(packed)
        fault = _fault_in(content, archive, file)
    except (EOFError, zlib.error):
        fault = f"{archive} is truncated." if packed else f"{archive} is empty."
    except gzip.BadGzipFile:
        looks_html = packed[:64].lstrip()[:1] == b"<"
        fault = (
            f"{archive} is a web page, not an archive." if looks_html else f"{archive} is damaged or no gzip archive."
        )
    if fault:
        raise DatasetError(f"{fault} Replace it by the published archive and reload.")

    refused = ""
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            for left_over in place.glob(f".{file.name}.*"):
                if time.time() - left_over.stat().st_mtime > 600:  # of an extraction that was killed
                    left_over.unlink(missing_ok=True)
            write_whole(place / file.name, content, by_several=True, public=True)
            return place / file.name
        except OSError as error:
            refused = f"{place} cannot be written to ({error.strerror})"
    raise DatasetError(f"{refused}: make room there or set FMNIST_DATA to a folder that can be written to.")


# --- Batches -------------------------------------------------------------------------------------------------------


def epoch_order(n: int, seed: int, epoch: int, validation: int = 0, fold: int = 0) -> npt.NDArray[np.int64]:
    """The order in which training visits those of `n` images that are trained on, in `epoch` (0-based): (n - validation,) int64.

    It depends on nothing but its arguments, so any batch of any run can be shown again. `validation`, `fold`: see `held_out`.

    >>> sorted(epoch_order(10, seed=0, epoch=0, validation=3, fold=1).tolist())
    [0, 1, 2, 6, 7, 8, 9]
    """
    kept = trained_on(n, validation, fold)
    return kept[np.random.default_rng([seed, epoch]).permutation(len(kept))]


def held_out(validation: int, fold: int = 0) -> npt.NDArray[np.int64]:
    """The training images that a run holds out to choose settings by: block `fold`, (validation,) int64, ascending.

    >>> held_out(10_000, fold=1)[[0, -1]].tolist()
    [10000, 19999]
    """
    return np.arange(fold * validation, (fold + 1) * validation)


def trained_on(n: int, validation: int = 0, fold: int = 0) -> npt.NDArray[np.int64]:
    """The others of `n` training images, (n - validation,) int64, ascending. Raises ValueError where none is left."""
    kept = np.delete(np.arange(n), held_out(validation, fold))
    if not len(kept):
        raise ValueError(f"validation must leave images to train on, got {validation:,} of {n:,}")
    return kept


def batch_indices(n: int, *, size: int, seed: int, batch: int) -> npt.NDArray[np.int64]:
    """The images of one batch (0-based) of the first epoch, (size,) int64; past the end it starts again.

    With the split "train" these are the images that a run with this seed and batch size sees in step `batch + 1`.

    >>> batch_indices(60_000, size=20, seed=0, batch=1).tolist() == epoch_order(60_000, 0, 0)[20:40].tolist()
    True
    """
    batches = -(-n // size)
    start = batch % batches * size
    return epoch_order(n, seed, 0)[start : start + size]


def step_indices(
    n: int, *, size: int, seed: int, step: int, validation: int = 0, fold: int = 0
) -> npt.NDArray[np.int64]:
    """The training images of any step of a run, counted from 1, (size,) int64; the last batch of an epoch may be smaller.

    >>> step_indices(60_000, size=20, seed=0, step=3002).tolist() == epoch_order(60_000, 0, 1)[20:40].tolist()
    True
    """
    epoch, batch = divmod(step - 1, -(-(n - validation) // size))
    return epoch_order(n, seed, epoch, validation, fold)[batch * size : (batch + 1) * size]


# --- The tutorial's way in -----------------------------------------------------------------------------------------


def tutorial_loader(
    split: SplitName, batch_size: int = 20, shuffle: bool = True
) -> DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """The notebook's `DataLoader`: images (batch, 1, 28, 28) float32 in [0, 1], labels (batch,) int64."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    load(split)  # torchvision takes any file of the right name for the right file: this check is ours
    raw = _verified(FILES[split, "images"]).parent
    data = FashionMNIST(root=str(raw.parent.parent), train=split == "train", download=True, transform=ToTensor())
    return DataLoader(data, batch_size=batch_size, shuffle=shuffle)


# --- When the archives are not there -------------------------------------------------------------------------------

_DOWNLOAD = "import sys; from torchvision.datasets import FashionMNIST; FashionMNIST(sys.argv[1], download=True)"


def download(time_limit: float = 120.0) -> Iterator[float]:
    """Let torchvision download the archives; yields the share of bytes that has come, 0 to 1.

    Raises DatasetError when it does not succeed within `time_limit` seconds.
    """
    root = data_folder()
    try:
        _raw(root).mkdir(parents=True, exist_ok=True)
        if not os.access(_raw(root), os.W_OK):
            raise PermissionError
    except OSError:
        root = cache_folder()
    target = _raw(root)
    deadline = time.monotonic() + time_limit
    loader = subprocess.Popen(
        [sys.executable, "-c", _DOWNLOAD, str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while loader.poll() is None and time.monotonic() < deadline:
            yield min(1.0, sum(path.stat().st_size for path in target.glob("*.gz")) / 30_900_000)
            time.sleep(0.2)
    finally:
        if timed_out := loader.poll() is None:
            loader.kill()
        loader.wait()
    if loader.returncode != 0:
        why = f"took longer than {time_limit:.0f} s" if timed_out else "failed (is there a network?)"
        raise DatasetError(
            f"The download {why}. Put the four published archives (*-ubyte.gz, "
            f"https://github.com/zalandoresearch/fashion-mnist) into {_raw(data_folder())} and reload."
        )
    yield 1.0


def main() -> int:
    """Prepare the data set: verify, extract, download as a last resort. Returns the exit status."""
    try:
        try:
            load("train")
        except DatasetMissing as error:
            print(f"{error}\nTrying torchvision's download ...")
            for share in download():
                print(f"\r{share:4.0%}", end="", flush=True)
            print()
        for name in ("train", "test"):
            print(f"{name}: {len(load(name)):,} images, verified")
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
