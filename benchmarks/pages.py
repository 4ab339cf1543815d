"""The web process: how soon a fresh server shows its first page, how large it is, how quick Browse is drawn again.

python -m benchmarks.pages [--rounds 5] [--port 8731]

The first page is timed in a real Chromium, from a server that has just begun to listen. Needs /proc (Linux).
"""

from __future__ import annotations

import argparse
import compileall
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from streamlit.testing.v1 import AppTest

from benchmarks import turns
from benchmarks.processes import end_dispatcher, wait_until
from pages.parts.streamlit_inside import AT_REST

LIGHT = ("browse", "image", "train", "test", "compare")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
MB = 1024 * 1024


class Server:
    """The app in a process of its own, with nothing in its runs folder."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        began = time.perf_counter()
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=turns.ROOT, env=kept, stdout=quiet, stderr=quiet)
        self.seconds_to_listen = wait_until(self._listens, "the server's start") - began

    def _listens(self) -> bool:
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with status {self.process.returncode}: is {self.address} taken?")
        try:
            with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=1):
                return True
        except OSError:
            return False

    @property
    def resident(self) -> float:
        """Resident memory in MB, shared pages included."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / MB

    @property
    def has_torch(self) -> bool:
        """Whether torch's libraries are mapped into the process."""
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")

    def close(self) -> None:
        """End it, and the dispatcher that its pages started."""
        self.process.terminate()
        self.process.wait(20)
        end_dispatcher()


def seconds_to_show(browser: Browser, address: str) -> float:
    """From opening the address in a new window until the page stands complete."""
    window = browser.new_context(viewport={"width": 1440, "height": 900})
    page = window.new_page()
    began = time.perf_counter()
    page.goto(address, wait_until="commit")
    page.get_by_role("heading", level=1).wait_for(timeout=60_000)
    page.wait_for_selector(AT_REST, timeout=60_000)
    seconds = time.perf_counter() - began
    window.close()
    return seconds


def browse_again(rounds: int) -> float:
    """Seconds that the server takes to run Browse again with another batch of 100 pictures, as Streamlit tests pages."""
    page = AppTest.from_file(str(turns.ROOT / "app.py"), default_timeout=60).switch_page("pages/1_browse.py")
    seconds = []
    for batch in range(rounds + 1):
        page.query_params.update({"batch_size": "100", "batch": str(batch)})
        began = time.perf_counter()
        page.run()
        seconds.append(time.perf_counter() - began)
        if page.exception:
            raise RuntimeError(page.exception[0].message)
    return statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--port", type=int, default=8731)
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure pages")

    for folder in ("pages", "fmnist_core"):  # as from the second start on
        compileall.compile_dir(turns.ROOT / folder, quiet=1)
    listen, first, small, after_network = [], [], [], []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        for round_ in turns.rounds(arguments.rounds):
            os.environ["FMNIST_RUNS"] = f"{folder}/{round_}"
            server = Server(arguments.port)
            try:
                listen.append(server.seconds_to_listen)
                first.append(seconds_to_show(browser, server.address))
                for page in LIGHT:
                    seconds_to_show(browser, f"{server.address}/{page}")
                if server.has_torch:
                    raise RuntimeError(f"one of {', '.join(LIGHT)} has imported torch")
                small.append(server.resident)
                seconds_to_show(browser, f"{server.address}/network")
                after_network.append(server.resident)
            finally:
                server.close()
        browser.close()
        again = browse_again(5 if turns.IS_QUICK else 20)
        end_dispatcher()

    begun, shown, resident, large = map(statistics.median, (listen, first, small, after_network))
    rows = [
        ("server: from its start until it listens, s", f"{begun:.2f}", ""),
        ("first page of a fresh server, s", f"{shown:.2f}", "1.5 at most"),
        ("web process after all pages without a network, MB", f"{resident:.0f}", "300 at most"),
        ("the same, after the Network page has imported torch, MB", f"{large:.0f}", ""),
        ("Browse again, another 100 pictures, ms", f"{again * 1000:.0f}", "150 at most"),
    ]
    turns.report(
        "pages",
        rows,
        {
            "listen_s": round(begun, 2),
            "first_page_s": round(shown, 2),
            "resident_mb": round(resident),
            "resident_with_torch_mb": round(large),
            "browse_again_ms": round(again * 1000),
        },
    )


if __name__ == "__main__":
    main()
