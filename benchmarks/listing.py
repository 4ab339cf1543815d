"""Seconds to list the runs in $FMNIST_RUNS, for the first time in a process and again, in a process that is as warm as a server's.

python -m benchmarks.listing                prints them as JSON; `recorder` runs it for 1,000 runs

In the benchmark's own process, which has PyTorch, the collector of garbage looks through all of PyTorch's objects meanwhile: 0.3 s that no
page ever waits for.
"""

from __future__ import annotations

import json
import statistics
import time

import app  # noqa: F401 - what a server has imported
from fmnist_core.runs import bell, client
from pages.parts.server import warm


def seconds() -> float:
    """Of one list."""
    began = time.perf_counter()
    client.list_runs()
    return time.perf_counter() - began


def main() -> None:
    client.ensure_dispatcher = bell.ensure_dispatcher = lambda: None  # the list alone
    bell.release()
    warm.QUIET = 0.0
    warm.get_warm().join()
    began = time.thread_time()
    first = seconds()
    computed = time.thread_time() - began
    again = statistics.median(seconds() for _ in range(5))
    print(json.dumps({"first": first, "first_computed": computed, "again": again}))


if __name__ == "__main__":
    main()
