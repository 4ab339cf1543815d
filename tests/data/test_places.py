"""Other places than ours: where the data is, no home folder, an encoding that is not UTF-8."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fmnist_core.data import dataset

ROOT = Path(__file__).parents[2]
ARCHIVES = ROOT / "data" / "FashionMNIST" / "raw"


@pytest.mark.parametrize("below", ["", "FashionMNIST", "FashionMNIST/raw"])
def test_the_data_folder_may_be_any_of_its_three_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str):
    """torchvision's root, the folder in it, or the one with the files: all are meant, and all are extracted into."""
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for archive in ARCHIVES.glob("t10k*.gz"):
        (raw / archive.name).symlink_to(archive)
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / below))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert len(dataset.load("test")) == 10_000
    assert {path.name for path in raw.iterdir()} > {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"}
    assert {path.name for path in tmp_path.iterdir()} == {"FashionMNIST"}


@pytest.mark.skipif(
    not hasattr(os, "getuid") or os.getuid() != 0, reason="only root may become a user without an entry"
)
def test_without_a_home_the_cache_is_in_the_temporary_folder():
    """A container may run as a user that no file names: nothing of ours asks for what is not there."""
    program = "import os; from fmnist_core.data import dataset; os.setuid(54321); print(dataset.cache_folder())"
    kept = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=kept, capture_output=True, check=True, timeout=60
    )
    assert said.stdout.strip().endswith(b"user-54321/fashion-mnist-lab")


def test_every_page_is_drawn_where_text_is_not_utf_8():
    """In a locale that knows ASCII alone, each script and each component is read as what it is, UTF-8."""
    program = (
        "import sys; assert open(0, closefd=False).encoding.lower() not in ('utf-8', 'utf8'); "
        "from pages.parts import show_the_code, frame; import pages.parts.components.time_slider.route; "
        "from streamlit.testing.v1 import AppTest; "
        "page = AppTest.from_file('app.py', default_timeout=120).switch_page('pages/1_browse.py').run(); "
        "sys.exit(bool(page.exception) or not page.title)"
    )
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=os.environ | ascii_alone, capture_output=True, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
