"""A run that was really trained, the app that shows it, and a real Chromium: what several benchmarks begin with."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from playwright.sync_api import Page, sync_playwright

from benchmarks import processes, turns
from benchmarks.pages import CHROMIUM, SWITCHES, Server
from pages.parts.streamlit_inside import AT_REST


@dataclass(frozen=True)
class Shown:
    """What is measured."""

    run_id: str
    address: str
    """Of the app."""
    page: Page
    """1440 x 900."""

    def open(self, path: str, ready: str) -> None:
        """Go there; until `ready` (a selector) is to be seen and the script has come to rest."""
        self.page.goto(f"{self.address}/{path}")
        self.page.wait_for_selector(ready, timeout=60_000)
        self.page.wait_for_selector(AT_REST, state="attached")
        self.page.wait_for_timeout(1000)


def port(text: str | None, usual: int) -> int:
    """`--port` of the command line."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=usual)
    return int(parser.parse_args().port)


def left(share: float = 1.0) -> float:
    """Milliseconds of this share of the benchmark's time that are left, one second at least; a minute where it has no limit."""
    return 1000 * max(1.0, min(60.0, turns.BEGAN + share * turns.SECONDS - time.monotonic()))


@contextlib.contextmanager
def trained_run(port: int, developed: bool = False) -> Iterator[Shown]:
    """One epoch of the tutorial with its snapshots, in the app, in a browser; `developed`: see `processes.trained_run`."""
    chromium = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if chromium is None:
        sys.exit(f"no Chromium found ({', '.join(CHROMIUM)}): install one to measure pages")
    with processes.trained_run(developed) as run_id:
        server = Server(port)
        with contextlib.closing(server), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=list(SWITCHES))
            yield Shown(run_id, server.address, browser.new_page(viewport={"width": 1440, "height": 900}))
            browser.close()
