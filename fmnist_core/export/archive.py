"""A run's folder as one file: written here, checked and put in its place there.

    manifest.json                     the format's version, the run's id, and size and SHA-256 of every other file
    config.json  events.jsonl         as in the run's folder (runs/files/folder.py), as all that follows
    checkpoints/STEP.safetensors
    snapshots/STEP.npy  snapshots/STEP.validation.npy  snapshots/undeveloped
    snapshots/film/FIRST-LAST.safetensors
    steps/STEP.npz

Nothing else is read from an archive, nothing in it is ever run or unpickled, and what does not pass leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from fmnist_core.export.history import ExportRefused
from fmnist_core.export.words import app_version
from fmnist_core.files import file_mode, make_folder, to_json, write_whole
from fmnist_core.runs import bell, client, people, sealed
from fmnist_core.runs.files.folder import RunFolder, is_run_id
from fmnist_core.runs.files.format import from_json
from fmnist_core.runs.files.numbering import next_sequence
from fmnist_core.runs.files.record import Run, State
from fmnist_core.runs.trouble import refusal

FORMAT, VERSION = "fashion-mnist-lab run", 1
MANIFEST = "manifest.json"
MB = 1 << 20
LARGEST: dict[str, int] = {
    r"manifest\.json": MB,
    r"config\.json": MB,
    r"events\.jsonl": 256 * MB,
    r"checkpoints/\d{8}\.safetensors": 256 * MB,
    r"snapshots/\d{8}(\.validation)?\.npy": 2 * MB,
    r"snapshots/undeveloped": 0,
    r"snapshots/film/\d{8}-\d{8}\.safetensors": 256 * MB,
    r"steps/\d{8}\.npz": 64 * MB,
}
"""The names that a file in an archive may have, and how many bytes it may hold."""
MOST_FILES, MOST_BYTES = 2_000, 1024 * MB
"""Files in an archive, and bytes in all of them together."""

_BLOCK = 1 << 20


class ImportRefused(Exception):
    """The archive was not taken in. The message says why, and is meant for the page."""


# --- Out -----------------------------------------------------------------------------------------------------------


def write(run: Run, target: IO[bytes]) -> None:
    """Write the archive of a run that is over or paused. Raises ExportRefused with a sentence."""
    if reason := why_not(run):
        raise ExportRefused(reason)
    folder = client.folder(run.id)
    listed: dict[str, dict[str, object]] = {}
    try:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in _files(folder.path):
                name = path.relative_to(folder.path).as_posix()
                listed[name] = _add(archive, path, name)
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "made_by": f"Fashion-MNIST Lab {app_version()}",
                "id": run.id,
                "files": listed,
            }
            archive.writestr(_entry(MANIFEST, zipfile.ZIP_DEFLATED), json.dumps(manifest, indent=1))
    except FileNotFoundError as error:
        raise ExportRefused("The run's predictions are being computed just now: try again in a moment.") from error


def why_not(run: Run) -> str:
    """Why there is no archive of this run now; empty where there is one."""
    if run.is_active:
        return "The run goes on: pause or stop it first."
    if run.is_sealed:
        return "The run's sweep is open, and the archive would hold its test results: choose first."
    return ""


def size(run: Run) -> int:
    """About how many bytes the archive has."""
    return sum(path.stat().st_size for path in _files(client.folder(run.id).path))


def _files(folder: Path) -> Iterator[Path]:
    """The files that travel, in a fixed order; links and files of other kinds stay."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not path.is_symlink() and name != MANIFEST and _largest(name) is not None:
            yield path


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> dict[str, object]:
    method = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
    digest, length = hashlib.sha256(), 0
    with path.open("rb") as source, archive.open(_entry(name, method), "w", force_zip64=True) as copy:
        while block := source.read(_BLOCK):
            copy.write(block)
            digest.update(block)
            length += len(block)
    return {"size": length, "sha256": digest.hexdigest()}


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    """Without the date, so that the same run gives the same archive."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type, entry.external_attr = method, 0o644 << 16
    return entry


# --- In ------------------------------------------------------------------------------------------------------------


def read(source: IO[bytes], owner: str = "") -> str:
    """Check an archive and make it a run here; its id, which is another one where that of the archive is taken.

    `owner`: the name of who brings it, where nobody is known to act (`runs/people.py`). Raises ImportRefused with a
    sentence; then nothing is left behind.
    """
    runs = client.runs_folder()
    if why := refusal(runs):
        raise ImportRefused(why)
    try:
        make_folder(runs, parents=True)
        with zipfile.ZipFile(source) as archive:
            entries = _checked_entries(archive)
            total = sum(entry.file_size for entry in entries.values())
            if shutil.disk_usage(runs).free < total + client.LEAST_FREE:
                raise ImportRefused(f"There is not enough room on the disk of {runs} for {total / MB:,.0f} MB.")
            manifest = _manifest(archive, entries)
            with tempfile.TemporaryDirectory(dir=runs, prefix=".new-") as temporary:
                place = Path(temporary) / "run"
                for name, entry in entries.items():  # its names are known ones: none leads out of `place`
                    _extract(archive, entry, place, manifest["files"].get(name))
                _check(RunFolder(place))
                return _settle(place, manifest["id"], owner)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ImportRefused(f"This is not a whole zip archive ({error}).") from error
    except OSError as error:
        raise ImportRefused(f"The run cannot be written into {runs} ({error.strerror}).") from error


def _largest(name: str) -> int | None:
    """How many bytes a file of this name may have; None for a name that does not belong into an archive."""
    return next((most for pattern, most in LARGEST.items() if re.fullmatch(pattern, name, re.ASCII)), None)


def _checked_entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in it, by name, from its table of contents alone: nothing has been unpacked yet."""
    entries: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MOST_FILES:
        raise ImportRefused(f"The archive holds {len(archive.infolist()):,} files: a run has {MOST_FILES:,} at most.")
    for entry in archive.infolist():
        name, most = entry.filename, _largest(entry.filename)
        if most is None:
            raise ImportRefused(f"The archive holds {_shown(name)}, which is no file of a run.")
        if name in entries:
            raise ImportRefused(f"The archive holds {name} twice.")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ImportRefused(f"In the archive, {name} is a link or something else that is no file.")
        if entry.flag_bits & 1:
            raise ImportRefused(f"In the archive, {name} is encrypted.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ImportRefused(f"In the archive, {name} is compressed in a way that is not read here.")
        if entry.file_size > most:
            raise ImportRefused(f"In the archive, {name} has {entry.file_size:,} bytes: {most:,} at most are read.")
        entries[name] = entry
    if (total := sum(entry.file_size for entry in entries.values())) > MOST_BYTES:
        raise ImportRefused(f"The archive holds {total:,} bytes: {MOST_BYTES:,} at most are read.")
    for name in (MANIFEST, "config.json", "events.jsonl"):
        if name not in entries:
            raise ImportRefused(f"This is not the archive of a run: {name} is missing.")
    return entries


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    """The archive's own list; it is not among `entries` any more."""
    try:
        manifest = json.loads(_content(archive, entries.pop(MANIFEST)))
        if manifest["format"] != FORMAT or not isinstance(manifest["version"], int):
            raise ValueError("another format")
        newer = manifest["version"] > VERSION
        if newer:
            raise ImportRefused(
                f"The archive was written by a newer version of Fashion-MNIST Lab (format {manifest['version']}, read "
                f"here: {VERSION}): use that one."
            )
        if not is_run_id(manifest["id"]) or not isinstance(manifest["files"], dict):
            raise ValueError("no id or no list")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ImportRefused(f"This is not the archive of a run: {MANIFEST} is not as it should be.") from error
    if missing := sorted(manifest["files"].keys() - entries.keys()):
        raise ImportRefused(f"The archive is not whole: {_shown(missing[0])} is missing.")
    return dict(manifest)


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        return file.read(entry.file_size)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path, listed: object) -> None:
    """Unpack one file below `place`, no more bytes than announced, and compare it with the list."""
    path = place / entry.filename
    for folder in reversed(path.relative_to(place).parents):
        make_folder(place / folder)
    digest, length = hashlib.sha256(), 0
    with (
        archive.open(entry) as source,
        open(path, "xb", opener=lambda name, flags: os.open(name, flags, file_mode())) as copy,
    ):
        while block := source.read(min(_BLOCK, entry.file_size - length + 1)):
            length += len(block)
            if length > entry.file_size:
                raise ImportRefused(f"In the archive, {entry.filename} is larger than it says.")
            copy.write(block)
            digest.update(block)
        copy.flush()
        os.fsync(copy.fileno())
    if listed != {"size": length, "sha256": digest.hexdigest()}:
        raise ImportRefused(f"In the archive, {entry.filename} is not the file that was exported: its SHA-256 differs.")


def _check(folder: RunFolder) -> None:
    """Whether these are the files of a run that is over or paused. Raises ImportRefused naming the file."""
    try:
        run = folder.run()
    except (OSError, ValueError, RecursionError) as error:
        raise ImportRefused(f"In the archive, config.json is not a run's: {_reason(error, folder.path)}") from error
    if run.job:
        raise ImportRefused("The archive holds a race or a rate test: only runs are taken in.")
    try:
        run = run.apply_all(from_json(line) for line in (folder.path / "events.jsonl").read_bytes().splitlines())
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ImportRefused(f"In the archive, events.jsonl is not a run's: {_reason(error, folder.path)}") from error
    if not (run.state.is_final or run.state is State.PAUSED):
        raise ImportRefused("The archive holds a run that is not over: export it once it is paused or finished.")
    for path in sorted(folder.path.rglob("*")):
        name = path.relative_to(folder.path).as_posix()
        try:
            match path.suffix:
                case ".safetensors":
                    _check_tensors(path)
                case ".npy":
                    _check_logits(path, run)
                case ".npz":
                    _check_arrays(path)
        except Exception as error:  # whatever a file that somebody made up makes a reader say
            raise ImportRefused(
                f"In the archive, {name} is not what its name says: {_reason(error, folder.path)}"
            ) from error


def _check_tensors(path: Path) -> None:
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        if not file.keys():
            raise ValueError("it holds no tensors")


def _check_logits(path: Path, run: Run) -> None:
    logits = np.load(path, mmap_mode="r", allow_pickle=False)
    images = run.config.validation if path.name.endswith(".validation.npy") else 10_000
    if logits.dtype != np.float16 or logits.shape != (images, 10):
        raise ValueError(f"it holds {logits.dtype} {logits.shape} instead of float16 ({images:,}, 10)")


def _check_arrays(path: Path) -> None:
    with zipfile.ZipFile(path) as inner:
        if sum(entry.file_size for entry in inner.infolist()) > 256 * MB:
            raise ValueError("it holds too much")
    with np.load(path, allow_pickle=False) as arrays:
        for name in arrays.files:
            arrays[name]  # raises for anything that is no plain array


def _settle(place: Path, run_id: str, owner: str) -> str:
    """Move the checked folder to where runs are, under a free id."""
    runs = client.runs_folder()
    run, who = RunFolder(place).run(), people.current()
    wanted = json.loads((place / "config.json").read_bytes())
    now = dict(wanted)
    now |= {"owner": who.name if who.role == "learner" else owner or who.name, "owner_id": who.id}
    now["inode"] = place.stat().st_ino  # as RunFolder.create does: a run of this place, not a copy on its way
    if (number := _number_for(run.sequence)) != run.sequence:
        now["sequence"] = now["order"] = number
    if sealed.is_open(runs, run.group):
        now["group"] = None  # the choice was made elsewhere
    write_whole(place / "config.json", to_json(now, indent=2).encode())
    for name in ("checkpoints", "snapshots", "requests"):
        make_folder(place / name)
    while (runs / run_id).exists():
        run_id = secrets.token_hex(6)
    place.rename(runs / run_id)
    bell.ring(runs)
    bell.ensure_dispatcher()
    return run_id


def _number_for(wanted: int) -> int:
    """`wanted`, where no run here has it or ever will; else the next number."""
    new = next_sequence(client.runs_folder())
    return wanted if 0 < wanted < new and all(run.sequence != wanted for run in client._list()) else new


def _shown(name: str) -> str:
    """A name from an archive, for a sentence."""
    return repr(name[:80])


def _reason(error: Exception, place: Path) -> str:
    """What went wrong, without the path of the folder that is about to go."""
    said = " ".join(str(error).replace(f"{place}/", "").split())
    return said[:200] or type(error).__name__
