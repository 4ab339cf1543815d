"""install.py: which build of PyTorch is fetched, and that every version that is installed is a chosen one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest

import install
from tests.runs.lab import PATIENCE

ROOT = Path(__file__).parent.parent


def test_without_a_driver_linux_takes_the_cpu_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With a driver, or where the person says so, the CUDA build; other systems have only one."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    driver = tmp_path / "version"
    assert install.wanted_build("", "linux", [str(driver)]) == "cpu"
    driver.touch()
    assert install.wanted_build("", "linux", [str(driver)]) == "cuda"
    assert install.wanted_build("cpu", "linux", [str(driver)]) == "cpu"
    assert install.wanted_build("cpu", "darwin", [str(driver)]) == "default"


def test_another_wish_is_refused_with_a_sentence():
    """TORCH=rocm installs nothing."""
    ours = os.environ | {"TORCH": "rocm"}
    refused = subprocess.run(
        [sys.executable, "install.py"], cwd=ROOT, env=ours, capture_output=True, text=True, timeout=PATIENCE
    )
    assert (refused.returncode, refused.stdout) == (2, "TORCH must be cpu or cuda, got 'rocm'\n")


def test_an_index_that_does_not_answer_is_given_up():
    """A server that takes the connection and says nothing costs the patience, no more."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        assert not install.answers(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=1)
        assert time.monotonic() - began < 10


def test_each_installer_is_told_of_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """pip gets the CPU build's index, uv its own word for it; uv only where it is there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.installer("cpu")[-2:] == ["--extra-index-url", install.CPU_INDEX]
    assert "--extra-index-url" not in install.installer("cuda")
    uv = tmp_path / "uv"
    uv.touch(mode=0o755)
    assert install.installer("cpu") == [str(uv), "pip", "install", "--python", sys.executable, "--torch-backend", "cpu"]


def test_every_installed_version_is_in_the_lock():
    """What the requirements name, and what that needs: the lock says which version, and it is the one that is here."""
    lock = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    names = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    waiting, seen = list(names), set()
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen:
            continue
        seen.add(name)
        try:
            found = version(name)
        except PackageNotFoundError:
            continue  # for another system, or an extra
        assert name in lock, f"{name} is not in requirements.lock: make lock"
        if name in names:
            assert found.partition("+")[0] == lock[name]
        plain = [line for line in requires(name) or [] if "extra ==" not in line]
        waiting += [re.match(r"[\w.-]+", line)[0] for line in plain]  # type: ignore[index]
