"""How the server ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from pages.parts import frame
from pages.parts.server import serve


@pytest.mark.thorough
def test_ctrl_c_is_an_ordinary_end(tmp_path: Path):
    """The status is 0, and nothing is called aborted or an error: make prints no line of its own either."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with open(log, "wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", serve.__name__, "--server.port", str(port)],
            cwd=frame.ROOT,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
        )
    try:
        while not _answers(port):
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0
    finally:
        server.kill()
    said = log.read_text()
    assert said.rstrip().endswith("Ended.")
    assert not any(word in said for word in ("Aborted", "Error", "Traceback"))


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=60).close()
    except OSError:
        return False
    return True


def test_a_wrong_option_is_a_sentence(capsys: pytest.CaptureFixture[str]):
    """As the command line says it, with its status."""
    assert serve.main(["--no.such.option"]) == 2
    assert "No such option" in capsys.readouterr().err
