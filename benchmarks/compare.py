"""How long the server takes to draw Compare and Data again for finished runs, as Streamlit tests pages.

python -m benchmarks.compare [--rounds 9]

Reads the runs folder (`FMNIST_RUNS`, else `runs/`), which must hold two finished runs; trains nothing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from streamlit.testing.v1 import AppTest

from benchmarks import turns
from fmnist_core.runs import client
from fmnist_core.runs.files.record import State

WANTED = 300
VIEWS = {
    "Compare: two runs, 10,000 predictions each": ("pages/8_compare.py", {"view": "runs"}),
    "Compare: two runs, cleaned test set": ("pages/8_compare.py", {"view": "runs", "cleaned": "true"}),
    "Compare: seeds": ("pages/8_compare.py", {"view": "seeds"}),
    "Compare: leaderboard": ("pages/8_compare.py", {"view": "leaderboard"}),
    "Data: copies": ("pages/10_data.py", {"view": "copies"}),
    "Data: doubtful test labels": ("pages/10_data.py", {"view": "labels"}),
}


def again(script: str, address: dict[str, str], rounds: int) -> tuple[float, float]:
    """Median milliseconds of a run of the script after the first one: by the clock, and of the processor."""
    page = AppTest.from_file(str(turns.ROOT / "app.py"), default_timeout=120)
    page.query_params.update(address)
    page.switch_page(script).run()
    clock, processor = [], []
    for _ in range(rounds):
        began, used = time.perf_counter(), time.process_time()
        page.run()
        clock.append(1000 * (time.perf_counter() - began))
        processor.append(1000 * (time.process_time() - used))
        if page.exception:
            raise RuntimeError(page.exception[0].message)
    return statistics.median(clock), statistics.median(processor)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    finished = [run for run in client.list_runs() if run.state is State.FINISHED]
    if len(finished) < 2:
        sys.exit(f"{client.runs_folder()} holds {len(finished)} finished runs: two are needed")
    figures = {name: again(*view, arguments.rounds) for name, view in VIEWS.items()}
    rows = [(f"{name}, ms (CPU)", f"{ms:.0f} ({cpu:.0f})", f"{WANTED} at most") for name, (ms, cpu) in figures.items()]
    turns.report("compare", rows, {"runs": len(finished), "ms": {name: round(ms) for name, (ms, _) in figures.items()}})


if __name__ == "__main__":
    main()
