"""All benchmarks that `make bench` runs, each within its share of the time.

python -m benchmarks            at most 20 minutes
QUICK=1 python -m benchmarks    at most 4 minutes: one round of each, fewer images

Each is a process that keeps its time by taking fewer rounds, and says how many. One that is not done by then, on a busy
machine or where a browser hangs, is ended: a line says so, and the next one begins.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time

from benchmarks.turns import IS_QUICK, ROOT, machine

SHARES = {
    "epoch": 0.13, "evaluation": 0.07, "clicks": 0.09, "recorder": 0.1, "views": 0.1, "peers": 0.12,
    "target": 0.07, "slider": 0.07, "pages": 0.06, "inside": 0.06, "race": 0.04, "live": 0.04, "long": 0.05,
}  # fmt: skip
"""Of the whole time, the most telling first."""
WHOLE, QUICKLY = 20 * 60, 4 * 60
ASKED = 0.8
"""The part of its time that a benchmark plans with; the rest is for what it cannot plan."""


def main() -> int:
    """Status 1 where one has failed or was not done in time."""
    whole, began, missing = QUICKLY if IS_QUICK else WHOLE, time.monotonic(), []
    print(f"{machine()}; at most {whole // 60} minutes", flush=True)
    later, runs = 0.0, tempfile.mkdtemp()
    for name, share in SHARES.items():
        limit = share * whole + later  # what others have left
        started = time.monotonic()
        environment = os.environ | {"BENCH_SECONDS": f"{ASKED * limit:.0f}", "BENCH_RUNS": runs}
        process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, env=environment)
        try:
            status = process.wait(limit)
            why = f"failed with status {status}" if status else ""
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            why = f"was not done in {limit:.0f} s"
        if why:
            missing.append(name)
            print(f"\n{name}: {why}", flush=True)
        later = max(0.0, limit - (time.monotonic() - started))
    shutil.rmtree(runs, ignore_errors=True)
    print(f"\n{len(SHARES) - len(missing)} of {len(SHARES)} in {time.monotonic() - began:.0f} s", flush=True)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
