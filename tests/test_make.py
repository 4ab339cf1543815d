"""The Makefile: help, and a sentence for what can go wrong before anything of ours runs. Nothing is installed here."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.conftest import FIRST
from tests.conftest import LONGEST, ByFamily
from tests.runs.lab import PATIENCE

ROOT = Path(__file__).parent.parent
TOOLS = ("sh", "bash", "grep", "sed", "awk", "rm", "touch", "mkdir", "cp", "make", "cat", "chmod")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")

FAKE_PYTHON = f"""#!/bin/sh
# Stands in for Python: writes down what it is asked for, makes a virtual environment in no time, installs nothing.
echo "$*" >> "$CALLS"
case "$*" in
  "--version") echo "Python $FAKE_VERSION" ;;
  *version_info*) [ "$FAKE_VERSION" != 3.9.2 ] ;;
  "-m venv --clear "*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  "-m venv "*) [ -z "$NO_VENV" ] && mkdir -p "$3/bin" ;;
  *install.py*) [ -z "$NO_NETWORK" ] ;;
  "-c "*) exec {sys.executable} "$@" ;;
esac
"""


class Workshop:
    """A copy of the Makefile with a PATH on which only the named programs are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.log = folder, folder / "bin", folder / "calls"
        self.programs.mkdir()
        for tool in TOOLS:
            if path := shutil.which(tool):
                (self.programs / tool).symlink_to(path)
        for name in ("Makefile", "install.py", "requirements.txt", "requirements-dev.txt", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)

    def python(self, name: str = "python3") -> Path:
        """Put a Python there."""
        path = self.programs / name
        path.write_text(FAKE_PYTHON)
        path.chmod(0o755)
        return path

    def make(self, *arguments: str, version: str = "3.12.1", **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        ours = {"PATH": str(self.programs), "CALLS": str(self.log), "FAKE_VERSION": version}
        return subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env=kept | ours | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    @property
    def calls(self) -> list[str]:
        """What Python was asked for so far."""
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_plain_make_prints_each_target_with_a_line_of_help(workshop: Workshop):
    """Every target that a person can name is there, with what it does; and nothing else happens."""
    result = workshop.make()
    listed = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", result.stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert set(listed) == set(phony[1].split())
    assert len(result.stdout.splitlines()) == len(listed)
    assert result.returncode == 0
    assert not (workshop.folder / ".venv").exists()


def test_a_missing_python_is_one_sentence(workshop: Workshop):
    """Without any Python: what is needed, where to get it, how to name one."""
    result = workshop.make("run")
    assert result.returncode != 0
    assert re.fullmatch(r"Python 3\.11 or newer is needed, and none was found: .*PYTHON=.*\n", result.stdout)


def test_a_python_that_is_too_old_is_passed_over(workshop: Workshop):
    """An old `python3` alone counts as none."""
    workshop.python("python3")
    result = workshop.make("run", version="3.9.2")
    assert result.returncode != 0
    assert re.fullmatch(r"Python 3\.11 or newer is needed, and none was found: .*\n", result.stdout)


def test_a_named_python_that_is_too_old_is_one_sentence(workshop: Workshop):
    """`make run PYTHON=…` says which version it is."""
    old = workshop.python("python3")
    result = workshop.make("run", f"PYTHON={old}", version="3.9.2")
    assert result.returncode != 0
    assert re.fullmatch(rf"Python 3\.11 or newer is needed: {old} is Python 3\.9\.2\. .*PYTHON=.*\n", result.stdout)
    assert not (workshop.folder / ".venv").exists()


def test_a_python_without_venv_is_one_sentence(workshop: Workshop):
    """Debian packs it apart: the sentence names the package, and no half-made environment stays."""
    workshop.python()
    result = workshop.make("run", NO_VENV="1")
    assert result.returncode != 0
    assert re.fullmatch(r"The virtual environment could not be made: .*python3-venv\n", result.stdout)
    assert not list(workshop.folder.glob(".venv*"))


def test_a_taken_port_is_one_sentence(workshop: Workshop, taken_port: int):
    """The port and the next one to try are named; the server is not started."""
    workshop.python()
    result = workshop.make("run", f"PORT={taken_port}")
    assert result.returncode != 0
    last = result.stdout.splitlines()[-1]
    assert re.fullmatch(rf"Port {taken_port} is taken .*: try another, such as make run PORT={taken_port + 1}", last)
    assert not any("serve" in call for call in workshop.calls)
    assert "Traceback" not in result.stdout + result.stderr


def test_make_run_sets_itself_up_once(workshop: Workshop):
    """The first time it installs, prepares the data and starts the app; the second time it only starts."""
    workshop.python()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    first = workshop.make("run", f"PORT={port}")
    assert first.returncode == 0, first.stderr
    assert f"http://127.0.0.1:{port}" in first.stdout
    calls = workshop.calls
    steps = [
        "-m venv --clear .venv",
        "install.py requirements.txt",
        "-m fmnist_core.data.dataset",
        f"-m pages.parts.server.serve --server.port {port}",
    ]
    places = [next(n for n, call in enumerate(calls) if step in call) for step in steps]
    assert places == sorted(places)

    workshop.log.unlink()
    assert workshop.make("run", f"PORT={port}").returncode == 0
    assert not any("venv" in call or "install.py" in call for call in workshop.calls)


def test_an_installation_that_failed_is_taken_up_again(workshop: Workshop):
    """Without a network the first `make run` fails; the next one installs instead of starting a broken app."""
    workshop.python()
    assert workshop.make("run", NO_NETWORK="1").returncode != 0
    assert not any("serve" in call for call in workshop.calls)
    workshop.log.unlink()
    assert workshop.make("test").returncode == 0
    assert any("install.py" in call for call in workshop.calls)


def test_changed_requirements_are_installed(workshop: Workshop):
    """After an update of the repository the next start installs what has changed."""
    workshop.python()
    assert workshop.make("test").returncode == 0
    newer = (workshop.folder / ".venv" / "run.installed").stat().st_mtime + 10
    os.utime(workshop.folder / "requirements.txt", (newer, newer))
    workshop.log.unlink()
    assert workshop.make("test").returncode == 0
    assert any("install.py" in call for call in workshop.calls)


def test_clean_keeps_data_and_runs(workshop: Workshop):
    """What can be made again goes; what cannot stays."""
    for name in (".venv", "data", "runs"):
        (workshop.folder / name).mkdir()
    assert workshop.make("clean").returncode == 0
    assert not (workshop.folder / ".venv").exists()
    assert (workshop.folder / "data").exists()
    assert (workshop.folder / "runs").exists()


# --- What `make test` runs -----------------------------------------------------------------------------------------


def test_what_tests_share_is_where_they_say():
    """A folder under another name would be shared out file by file, and what its tests share made again and again."""
    assert [name for name in LONGEST if not (ROOT / name).exists()] == []
    assert f"def {FIRST.partition('[')[0]}(" in (ROOT / "tests/browser/test_first_minutes.py").read_text()


def test_each_family_is_one_piece_of_work():
    """What shares a fixture goes to one process, and everything else by its file."""
    split = ByFamily._split_scope
    pages, meetings = "tests/pages/server/test_door.py::test", "tests/pages/test_meetings.py::test[a::b]"
    assert [split(None, name) for name in (pages, meetings)] == ["pages", "meetings"]  # type: ignore[arg-type]
    assert split(None, "tests/export/test_x.py::t") == split(None, "tests/terminal/test_y.py::t")  # type: ignore[arg-type]
    assert split(None, "tests/pages_of/test_x.py::t") == "tests/pages_of/test_x.py"  # type: ignore[arg-type]
