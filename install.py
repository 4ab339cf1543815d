"""python install.py requirements.txt: install into this Python's environment what a requirements file names; for `make`.

PyTorch from PyPI brings CUDA libraries of several GB on Linux. Where there is no NVIDIA driver nobody can use them, so
its CPU build is taken, from PyTorch's own index; where that cannot be reached, the default build. `TORCH=cpu` and
`TORCH=cuda` decide. Versions, also those that nobody names, come from requirements.lock. Uses uv where it is installed,
else pip. Standard library only: it runs before anything is installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

HERE = Path(__file__).parent
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = 10
"""Seconds that the CPU index may take to answer."""
DRIVERS = ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi")
"""Where an NVIDIA driver shows on Linux, and within WSL."""
WORDS = {
    "cpu": "PyTorch for CPUs and the rest, about 0.4 GB (1.3 GB on the disk)",
    "cuda": "PyTorch with its CUDA libraries and the rest, about 3 GB (5.9 GB on the disk)",
    "default": "PyTorch and the rest, about 0.4 GB (1.2 GB on the disk)",
}
"""What will be fetched, by the build of PyTorch."""
_PROBE = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read(1)"


def wanted_build(wish: str = "", platform: str = sys.platform, drivers: Sequence[str] = DRIVERS) -> str:
    """Which build of PyTorch: "cpu" or "cuda" on Linux, "default" elsewhere, where there is only one.

    Raises ValueError for a wish that is neither.

    >>> wanted_build("", "darwin"), wanted_build("", "linux", drivers=()), wanted_build("cuda", "linux")
    ('default', 'cpu', 'cuda')
    """
    if wish not in ("", "cpu", "cuda"):
        raise ValueError(f"TORCH must be cpu or cuda, got {wish!r}")
    if platform != "linux":
        return "default"
    return wish or ("cuda" if any(Path(path).exists() for path in drivers) or shutil.which("nvidia-smi") else "cpu")


def answers(index: str, seconds: float = PATIENCE) -> bool:
    """Whether `index` has torch to offer, within so many seconds; in a process of its own, since looking up a name may hang."""
    probe = [sys.executable, "-c", _PROBE, f"{index}/torch/", str(seconds)]
    try:
        return subprocess.run(probe, stderr=subprocess.DEVNULL, timeout=seconds).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def installer(build: str) -> list[str]:
    """The command without what to install: uv, several times quicker, where it is on the PATH; else pip."""
    if uv := shutil.which("uv"):
        backend = ["--torch-backend", "cpu"] if build == "cpu" else []
        return [uv, "pip", "install", "--python", sys.executable, *backend]
    index = (
        ["--extra-index-url", CPU_INDEX] if build == "cpu" else []
    )  # its 2.14.1+cpu counts as newer than PyPI's 2.14.1
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "on", *index]


def install(requirements: Sequence[str], wish: str = "") -> int:
    """Install what the files name, saying beforehand what will be fetched; the exit status."""
    try:
        build = wanted_build(wish)
    except ValueError as error:
        print(error)
        return 2
    if importlib.util.find_spec("torch") is not None:
        build = "there"
        print("Installing what has changed ...", flush=True)
    elif build == "cpu" and not answers(CPU_INDEX):
        print(
            f"{CPU_INDEX} did not answer within {PATIENCE} s: taking PyTorch's default build, which runs on CPUs too."
        )
        build = "cuda"
    if build in WORDS:
        print(f"Fetching, once: {WORDS[build]}.", flush=True)
    if build == "cpu" and not wish:
        print("(There is no NVIDIA driver here. With one: make clean, then make run TORCH=cuda.)", flush=True)
    files = [argument for name in requirements for argument in ("--requirement", name)]
    command = [*installer(build), "--constraint", str(HERE / "requirements.lock"), *files]
    environment = os.environ | {"PIP_USER": "0"}  # in a virtual environment pip refuses to install for the user
    status = subprocess.run(command, env=environment).returncode
    if status == 0:
        install_command(environment)
    return status


def install_command(environment: Mapping[str, str]) -> None:
    """Put the command fashion-mnist-lab into the environment. Where that fails, the rest works as well without it."""
    command = [*installer("default"), "--quiet", "--no-deps", "--editable", str(HERE)]
    if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        print("The command fashion-mnist-lab was not installed: python -m fmnist_core does the same.", flush=True)


if __name__ == "__main__":
    sys.exit(install(sys.argv[1:], os.environ.get("TORCH", "")))
