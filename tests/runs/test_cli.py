"""Runs from a terminal: the tutorial's lines, word for word; exit status and sentences for what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.runs.files.folder import RunFolder
from fmnist_core.runs.files.record import State
from fmnist_core.runs.service.executor import REPOSITORY
from fmnist_core.training.events import Measured
from tests.runs.lab import LONGER, PATIENCE, SMALL, Lab, events, recorded


def command(lab: Lab, *arguments: str) -> tuple[int, str, str]:
    """Exit status and what was printed."""
    process = lab.python("-m", "fmnist_core.runs", *arguments)
    out, err = process.communicate(timeout=PATIENCE)
    return process.returncode, out.decode(), err.decode()


def notebook_lines(run: RunFolder) -> list[str]:
    """What the tutorial's own print statements make of a run's figures, `.format` and all, as they are published."""
    before, *after = [event for event in events(run, Measured) if isinstance(event, Measured)]
    lines = ["Accuracy before training:  {}".format(100 * sum(before.test.correct) / sum(before.test.total))]  # noqa: UP032
    loss_over_time = 0.0
    steps_per_epoch = recorded(run).steps_per_epoch
    for number, loss in enumerate(float(str(loss)) for loss in run.losses()):
        epoch, batch_i = divmod(number, steps_per_epoch)
        if batch_i == 0:
            loss_over_time = 0.0
        loss_over_time += loss
        if batch_i % 1000 == 999:
            lines.append("Epoch: {}, Batch: {}, Avg. Loss: {}".format(epoch + 1, batch_i + 1, loss_over_time / 1000))  # noqa: UP032
            loss_over_time = 0.0
    lines += ["Finished Training", ""]
    last = after[-1].test
    lines += ["Test Loss: {:.6f}".format(last.loss), ""]  # noqa: UP032
    class_correct, class_total = last.correct, last.total
    for i in range(10):
        lines.append(
            "Test Accuracy of %5s: %2d%% (%2d/%2d)"  # noqa: UP031
            % (CLASSES[i], 100 * class_correct[i] / class_total[i], class_correct[i], class_total[i])
        )
    lines.append("")
    lines.append(
        "Test Accuracy (Overall): %2d%% (%2d/%2d)"  # noqa: UP031
        % (100.0 * sum(class_correct) / sum(class_total), sum(class_correct), sum(class_total))
    )
    return lines


@pytest.fixture(scope="module")
def short(shared_lab: Lab) -> RunFolder:
    """A run of 1,000 steps that was started and followed from a terminal."""
    settings = replace(SMALL, architecture="linear", batch_size=60, learning_rate=0.01).to_dict()
    options: list[str] = []
    for name, value in settings.items():
        option = name.replace("_", "-")
        is_switch = isinstance(value, bool)
        options += [f"--{option}" if value else f"--no-{option}"] if is_switch else [f"--{option}", str(value)]
    status, out, err = command(shared_lab, "start", "--follow", "--name", "from a terminal", *options)
    assert (status, err) == (0, "")
    folders = [RunFolder(path.parent) for path in shared_lab.runs.glob("*/config.json")]
    run = max(folders, key=lambda folder: recorded(folder).sequence)
    assert recorded(run).config.to_dict() == settings
    assert recorded(run).name == "from a terminal"
    (run.path / "printed").write_text(out)
    return run


def test_start_and_follow(short: RunFolder):
    """`start --follow` prints what the notebook prints: accuracy before, losses per 1,000 batches, the final table."""
    printed = (short.path / "printed").read_text().splitlines()
    assert printed == notebook_lines(short)
    assert re.fullmatch(r"Accuracy before training:  \d+\.\d+", printed[0])
    assert re.fullmatch(r"Epoch: 1, Batch: 1000, Avg\. Loss: \d\.\d+", printed[1])
    assert printed[2] == "Finished Training"
    assert re.fullmatch(r"Test Accuracy of T-shirt/top: [ \d]\d% \([ \d]*\d/1000\)", printed[6])
    assert re.fullmatch(r"Test Accuracy of   Bag: [ \d]\d% \([ \d]*\d/1000\)", printed[14])
    assert re.fullmatch(r"Test Accuracy \(Overall\): \d\d% \(\d+/10000\)", printed[-1])


def test_show(lab: Lab, short: RunFolder):
    """`show` prints the same of a run that is over, `show --json` all that is known of it."""
    assert command(lab, "show", short.id) == (0, (short.path / "printed").read_text(), "")
    status, out, _ = command(lab, "show", short.id, "--json")
    shown = json.loads(out)
    assert status == 0
    assert (shown["id"], shown["state"], shown["step"], shown["config"]["batch_size"]) == (
        short.id,
        "finished",
        1000,
        60,
    )
    last = recorded(short).latest
    assert last
    assert shown["accuracy"] == sum(last.test.correct) / 10_000


def test_list(lab: Lab, short: RunFolder):
    """`list` prints a table, newest first; `list --json` the same as data."""
    status, out, _ = command(lab, "list", "--json")
    listed = json.loads(out)
    assert status == 0
    assert [run["sequence"] for run in listed] == sorted((run["sequence"] for run in listed), reverse=True)
    assert [run["id"] for run in listed] == [run.id for run in client.list_runs()]
    status, out, _ = command(lab, "list")
    headings, *lines = out.splitlines()
    assert (status, headings.split()[0]) == (0, "ID")
    assert [line.split()[0] for line in lines] == [run["id"] for run in listed]
    (line,) = [line for line in lines if line.startswith(short.id)]
    assert line.split()[1:3] == ["finished", "1,000/1,000"]
    assert line.endswith("linear, sgd 0.01, batch 60  from a terminal")


def test_reader_that_has_seen_enough(lab: Lab, short: RunFolder):
    """`list | head`: no traceback, the exit status of other commands."""
    process = lab.python("-m", "fmnist_core.runs", "list", "--json")
    assert process.stdout
    assert process.stderr
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE) == 141


def test_stop_pause_resume(lab: Lab):
    """`pause`, `resume` and `stop` do what the buttons do, and print nothing."""
    run = lab.start(replace(SMALL, epochs=100))
    lab.wait_for_steps(run, 10)
    assert command(lab, "pause", run.id) == (0, "", "")
    lab.wait(run, State.PAUSED)
    assert command(lab, "resume", run.id) == (0, "", "")
    lab.wait(run, State.RUNNING)
    assert command(lab, "stop", run.id) == (0, "", "")
    stopped = lab.wait(run, State.STOPPED)
    assert stopped.latest
    status, out, _ = command(lab, "show", run.id)
    assert status == 0
    assert "Training stopped." in out.splitlines()
    assert f"Test Loss: {stopped.latest.test.loss:.6f}" in out.splitlines()


@pytest.mark.slow
def test_start_without_following(lab: Lab):
    """`start` prints the run's id and leaves; with `--json` as data."""
    small = [
        "--epochs",
        "1",
        "--batch-size",
        "6000",
        "--device",
        "cpu",
        "--conv1-channels",
        "1",
        "--conv2-channels",
        "1",
    ]
    status, out, err = command(lab, "start", *small)
    assert (status, err) == (0, "")
    first = client.folder(out.strip())
    status, out, _ = command(lab, "start", *small, "--json")
    second = client.folder(json.loads(out)["id"])
    assert lab.wait(first, State.FINISHED).step == lab.wait(second, State.FINISHED).step == 10


NO_SUCH_RUN = "No such run. It may have been deleted, or the address is incomplete.\n"


@pytest.mark.parametrize(
    "run_id",
    [
        "0123456789ab",
        "../../../etc/passwd",
        *(
            pytest.param(each, marks=pytest.mark.thorough)
            for each in ("0123", "", "0123456789AB", "a b", "\N{SNOWMAN}")
        ),
    ],
)
@pytest.mark.parametrize("verb", ["show", pytest.param("stop", marks=pytest.mark.thorough)])
def test_no_such_run(lab: Lab, verb: str, run_id: str):
    """An id that is not one, or nobody's: exit status 1 and a sentence, never a path, never a traceback."""
    assert command(lab, verb, run_id) == (1, "", NO_SUCH_RUN)


def test_bad_settings(lab: Lab):
    """A setting out of range: exit status 1, and a sentence with value and range; nothing is started."""
    before = len(client.list_runs())
    sentence = "learning_rate must be above 0 and at most 10, got 99.0\n"
    assert command(lab, "start", "--learning-rate", "99") == (1, "", sentence)
    assert command(lab, "start", "--learning-rate", "nan")[::2] == (1, sentence.replace("99.0", "nan"))
    assert command(lab, "start", "--optimizer", "rmsprop") == (
        1,
        "",
        "optimizer must be one of sgd, nesterov, adam, muon, got 'rmsprop'\n",
    )
    status, out, err = command(lab, "start", "--epochs", "1.5")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1] == "Error: Invalid value for '--epochs': '1.5' is not a valid integer."
    assert len(client.list_runs()) == before


def test_help(lab: Lab):
    """Every command is named with its purpose, and every setting with its default."""
    status, out, _ = command(lab, "--help")
    assert status == 0
    for verb in (
        "start",
        "list",
        "show",
        "stop",
        "pause",
        "resume",
        "change",
        "branch",
        "step",
        "queue",
        "move",
        "delete",
    ):
        assert re.search(rf"^  {verb} +\w", out, re.MULTILINE)
    status, out, _ = command(lab, "start", "--help")
    assert status == 0
    assert "--batch-size N" in out
    assert "default 20" in out


@pytest.mark.slow
def test_ctrl_c_leaves_the_run_in_training(lab: Lab):
    """Who follows a run and has enough is told how to come back; the run goes on."""
    run = lab.start(replace(SMALL, epochs=100))
    process = lab.python("-m", "fmnist_core", "runs", "show", run.id, "--follow")
    lab.wait_for_steps(run, 10)
    time.sleep(2)  # it has begun to follow
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"The run goes on. Come back to it: fashion-mnist-lab runs show {run.id} --follow" in err.decode()
    assert client.get(run.id).is_active
    client.stop(run.id)
    lab.wait(run, State.STOPPED)


@pytest.mark.slow
def test_a_bar_on_a_terminal_only(lab: Lab):
    """On a terminal a line shows how far the run is; what a program reads has nothing of it."""
    run = lab.start(LONGER)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "fmnist_core", "runs", "show", run.id, "--follow"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, cwd=REPOSITORY, env=lab.environment,
    )  # fmt: skip
    lab.children.append(process)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while block := os.read(ours, 4096):
            shown += block
    os.close(ours)
    out, _err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert re.search(rb"\r(queued|starting|running) .*%  step [0-9]+/200", shown)
    assert b"\r" not in out
    assert out.startswith(b"Accuracy before training:")
