"""All benchmarks that `make bench` runs, each within its share of the time.

python -m benchmarks                        at most 20 minutes
QUICK=1 python -m benchmarks                at most 4 minutes: one round of each, fewer images
python -m benchmarks clicks views           these only

Each is a fork of this process, which has imported what all of them need (a fifth of the short time, if each did so itself), and keeps its
time by taking fewer rounds, and says how many. One that is not done by then, on a busy machine or where a browser hangs, is
ended: what it has found so far is printed, a line says so, and the next one begins.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time

from benchmarks import turns

SHARES = {
    "epoch": (240, 20), "evaluation": (70, 12), "clicks": (90, 20), "recorder": (120, 25), "views": (150, 40),
    "peers": (130, 12), "target": (80, 12), "slider": (60, 18), "pages": (90, 23), "inside": (60, 17),
    "race": (40, 9), "live": (40, 13), "long": (22, 11),
}  # fmt: skip
"""Seconds of the whole time, and where it has to be quick; the most telling first. What one leaves is the next one's."""
WHOLE, QUICKLY = 20 * 60, 4 * 60
IMPORTING = 8
"""Seconds, for what is imported before the first."""
ASKED = 0.8
"""The part of its time that a benchmark plans with; the rest is for what it cannot plan."""


def run(name: str, seconds: float) -> None:
    """One benchmark, in the process that is its own."""
    sys.argv = [name]
    turns.begin(seconds)
    importlib.import_module(f"benchmarks.{name}").main()


def ended(name: str, limit: float) -> str:
    """Have it run, `limit` seconds at most; what went wrong, in words."""
    process = multiprocessing.get_context("fork").Process(target=run, args=(name, ASKED * limit))
    process.start()
    try:
        process.join(limit)
        if process.is_alive():
            return f"was not done in {limit:.0f} s"
        return f"failed with status {process.exitcode}" if process.exitcode else ""
    finally:
        turns.end(process, 20)


def main(names: list[str]) -> int:
    """Status 1 where one has failed or was not done in time."""
    shares = {name: share[turns.IS_QUICK] for name, share in SHARES.items() if not names or name in names}
    if unknown := set(names) - set(shares):
        sys.exit(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(SHARES)}")
    whole, began, missing = QUICKLY if turns.IS_QUICK else WHOLE, time.monotonic(), []
    print(f"{turns.machine()}; at most {whole // 60} minutes", flush=True)
    os.environ["BENCH_RUNS"] = tempfile.mkdtemp()
    for name in shares:
        importlib.import_module(f"benchmarks.{name}")  # computes nothing: threads would not survive the fork
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    later = 0.0
    try:
        for name, share in shares.items():
            limit = share + later
            started = time.monotonic()
            if why := ended(name, limit):
                missing.append(name)
                print(f"\n{name}: {why}", flush=True)
            passed = time.monotonic() - started
            print(f"{name} took {passed:.0f} s", flush=True)
            later = max(0.0, limit - passed)
    finally:
        shutil.rmtree(os.environ.pop("BENCH_RUNS"), ignore_errors=True)
    print(f"\n{len(shares) - len(missing)} of {len(shares)} in {time.monotonic() - began:.0f} s", flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
