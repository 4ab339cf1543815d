"""The command as a new user meets it: everything is found in two calls, and says what it does and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from fmnist_core.data import dataset
from fmnist_core.export import catalogue
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.ranges import Switch, Word
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.terminal.app import cli, main
from tests.workshop import Workshop

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "terminal.md").read_text()


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]):
    """`told("runs", "list")`: exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(list(arguments))
        out = capsys.readouterr()
        return status, out.out, out.err

    return call


def commands(group=cli, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command, as one types it."""
    found = []
    for name, command in group.commands.items():
        found += commands(command, (*way, name)) if hasattr(command, "commands") else [(*way, name)]
    return found


def test_every_command_says_what_it_does(told, monkeypatch: pytest.MonkeyPatch):
    """The first page names each command with a whole sentence, none cut off; each has a help of its own and is documented."""
    monkeypatch.setenv("COLUMNS", "100")
    for group in ((), ("runs",)):
        status, out, _err = told(*group, "--help")
        assert status == 0
        assert "..." not in out.partition("Commands:")[2].partition("Begin with:")[0]
    for way in commands():
        status, out, _err = told(*way, "--help")
        assert (status, out.startswith(f"Usage: fashion-mnist-lab {' '.join(way)}")) == (0, True)
        assert way[-1] in DOCS, f"{way} is not in docs/terminal.md"


def test_every_setting_has_help_range_and_default(told):
    """They come from the one table of settings: none is written down again."""
    _status, out, _err = told("runs", "start", "--help")
    text = " ".join(out.split())
    for field in fields(TrainingConfig):
        setting = SETTINGS[field.name]
        assert f"--{field.name.replace('_', '-')}" in text
        assert setting.help in text
        if isinstance(setting.range, Word):
            assert "|".join(setting.range.names) in text.replace(" ", "") or "|".join(setting.range.names) in text
        elif not isinstance(setting.range, Switch):
            assert f"[{setting.range.wanted}; default " in text
    for recipe in RECIPES:
        assert recipe in text


def test_how_commands_end(told):
    """2 for what is no command or option or is not complete, 1 and a sentence for what is refused."""
    assert told("nonsense")[0] == 2
    assert told("runs", "start", "--epochs", "1.5")[0] == 2
    assert told("runs", "show")[0] == 2
    assert told("export", "0" * 12, "nonsense")[0] == 2
    assert told("runs", "start", "--recipe", "fast", "--epochs", "0") == (
        1,
        "",
        "epochs must be a whole number from 1 to 200, got 0\n",
    )
    status, out, err = told("runs", "show", "../../etc/passwd")
    assert (status, out) == (1, "")
    assert err == "No such run. It may have been deleted, or the address is incomplete.\n"


def test_json_keys_are_documented(told, workshop: Workshop, branched: Run):
    """What a program may rely on is what the page says, and nothing else comes."""
    _status, out, _err = told("runs", "list", "--json")
    (shown,) = [run for run in json.loads(out) if run["id"] == branched.id]
    table = DOCS.partition("`runs show ID --json`")[2].partition("`runs start --json`")[0]
    documented = {
        key for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)
    }
    assert documented == set(shown)
    assert shown["parent"]["step"] == 120
    assert shown["config"]["loss"] == "one-vs-rest"
    assert branched.latest
    assert shown["accuracy"] == branched.latest.test.accuracy
    for name in ("recipes", "doctor"):
        (words,) = re.findall(rf"`{name} --json`: (.+?)(?=\. `|\.\n\n|$)", DOCS.replace("\n", " "), re.DOTALL)
        keys = set(json.loads(told(name, "--json")[1])[0])
        assert keys <= set(re.findall(r"`(\w+)`", words)), name


def test_lists(told, workshop: Workshop, branched: Run):
    """A table with headings; as a tree a branch stands below its parent. A name of two lines stays in its line."""
    status, out, _err = told("runs", "list", "--tree")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == ["ID", "STATE", "STEP", "ACCURACY", "TIME", "SETTINGS", "NAME"]
    (at,) = [number for number, line in enumerate(lines) if line.startswith(branched.id)]
    assert "└─ third" in lines[at]
    assert lines[at].endswith("(from step 120)")
    assert "\x1b" not in out


def test_export_and_import(told, workshop: Workshop, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each format lands in a file whose name is printed, never over another; the archive becomes a run elsewhere."""
    monkeypatch.setenv("FMNIST_RUNS", str(workshop.runs))
    run = workshop.train("for <all> formats", step_limit=4)
    for export in catalogue.EXPORTS:
        status, out, err = told("export", run.id, export.name, "-o", str(tmp_path))
        assert (status, err) == (0, "")
        assert Path(out.strip()).stat().st_size > 400
        assert "<" not in out
    status, _out, err = told("export", run.id, "archive", "-o", str(tmp_path))
    assert status == 1
    assert "is there already" in err
    (file,) = tmp_path.glob("run-*-for-all-formats.zip")
    monkeypatch.setenv("FMNIST_RUNS", str(elsewhere))
    assert told("import", str(file))[:2] == (0, f"{run.id}\n")
    assert client.get(run.id).latest == run.latest
    file.write_bytes(file.read_bytes()[:1000])
    status, _out, err = told("import", str(file))
    assert status == 1
    assert err.startswith("This is not a whole zip archive")


def test_predict(told, workshop: Workshop, tmp_path: Path):
    """A picture gets a class with its probability; a file that is none is named, the others are answered all the same."""
    run = workshop.train("for <all> formats", step_limit=4)
    test = dataset.load("test")
    picture, text = tmp_path / "picture.png", tmp_path / "text.png"
    Image.fromarray(255 - test.images[0]).resize((280, 280)).save(picture)
    text.write_text("no picture")
    status, out, err = told("predict", str(picture), str(text), "--run", run.id, "--json")
    found = json.loads(out)
    assert status == 1
    assert "text.png" in err
    (answer,) = found["predictions"]
    assert answer["file"] == str(picture)
    assert sum(answer["probabilities"]) == pytest.approx(1, abs=1e-4)
    assert answer["name"] == dataset.CLASSES[answer["class"]]
    status, out, _err = told("predict", str(picture), "--run", run.id)
    assert (status, out.split()[:4]) == (0, ["FILE", "CLASS", "PROBABILITY", "NEXT"])
    assert answer["name"] in out


def test_doctor(told, workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A tick for what is there; for what is not the way out, and exit status 1."""
    status, out, _err = told("doctor")
    assert status == 0, out
    assert "✓ data         70,000 images, verified" in out
    monkeypatch.setenv("FMNIST_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    status, out, _err = told("doctor")
    assert status == 1
    assert "✗ data" in out
    assert "put the four published archives" in out


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "function _")])
def test_completion(told, shell: str, mark: str):
    """The script that each shell wants; what it asks for then is answered, ids too."""
    status, out, _err = told("completion", shell)
    assert status == 0
    assert mark in out
    assert "_FASHION_MNIST_LAB_COMPLETE" in out


def test_ids_are_completed(workshop: Workshop, branched: Run):
    """Tab after `runs show` offers the runs."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['fashion-mnist-lab']; from fmnist_core.terminal.app import main; main()",
    ]
    asked = {
        "_FASHION_MNIST_LAB_COMPLETE": "bash_complete",
        "COMP_WORDS": "fashion-mnist-lab runs show ",
        "COMP_CWORD": "3",
    }
    import os

    done = subprocess.run(command, cwd=ROOT, env=os.environ | asked, capture_output=True, text=True, timeout=120)
    assert f"plain,{branched.id}" in done.stdout


def test_the_version(told):
    """The one in pyproject.toml."""
    assert told("--version")[1].startswith("Fashion-MNIST Lab, version 0.")
