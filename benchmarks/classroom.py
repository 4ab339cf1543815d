"""A class that trains: runs a minute, with workers that take one run after another and with a fresh one for each.

python -m benchmarks.classroom [--people 30] [--each 2]    QUICK=1: 6 people

Everybody starts all of their runs of the recipe "fast" at once, one person after the other, so that a queue that did not take turns
would show. One run trains at a time. Needs /proc (Linux).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import turns
from benchmarks.processes import own_runs, processes, wait_until
from fmnist_core.runs import client
from fmnist_core.runs.bell import LOCK
from fmnist_core.runs.files.record import State
from fmnist_core.settings.recipes import RECIPES

WANTED = 2.0
"""Times the runs a minute of fresh workers."""
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=6 if turns.IS_QUICK else 30)
    parser.add_argument("--each", type=int, default=2)
    arguments = parser.parse_args()
    with own_runs() as folder:
        measured = {
            name: trained(folder / name, arguments.people, arguments.each, reuse=reuse)
            for name, reuse in (("fresh", "0"), ("reused", "1"))
        }
    rows, result = [], dict[str, object](people=arguments.people, runs=arguments.people * arguments.each)
    for name, (per_minute, cpu, is_fair) in measured.items():
        rows.append((f"{name} workers: runs a minute", f"{per_minute:.1f}", ""))
        rows.append((f"{name} workers: CPU seconds a run", f"{cpu:.1f}", ""))
        rows.append((f"{name} workers: everybody's first before anybody's second", "yes" if is_fair else "no", "yes"))
        result |= {f"{name}_per_minute": round(per_minute, 2), f"{name}_cpu_s": round(cpu, 2), f"{name}_fair": is_fair}
    gain = measured["reused"][0] / measured["fresh"][0]
    rows.append(("runs a minute, reused against fresh", f"{gain:.2f} times", f"{WANTED:g} at least"))
    turns.report("classroom", rows, {**result, "gain": round(gain, 2)})


def trained(runs: Path, people: int, each: int, *, reuse: str) -> tuple[float, float, bool]:
    """Runs a minute, CPU seconds a run, and whether nobody's second run began before everybody's first."""
    runs.mkdir()
    os.environ |= {"FMNIST_RUNS": str(runs), "FMNIST_REUSE": reuse, "FMNIST_SLOTS": "1"}
    dispatcher = subprocess.Popen([sys.executable, "-m", "fmnist_core.runs.service.dispatcher", str(runs)])
    wait_until((runs / LOCK).exists, "the dispatcher")
    whose = {
        client.start(RECIPES["fast"].config, f"{person}", owner=f"person {person}"): person
        for person in range(people)
        for _run in range(each)
    }
    began, order = time.perf_counter(), dict[int, str]()
    while True:
        listed = client.list_runs()
        for run in sorted(listed, key=lambda run: run.state is not State.FINISHED):
            if run.state is not State.QUEUED and run.id not in order.values():
                order[len(order)] = run.id
        if ended := [run for run in listed if run.state.is_final and run.state is not State.FINISHED]:
            raise RuntimeError(f"{ended[0].title} is {ended[0].state}: {ended[0].reason}")
        if listed and all(run.state is State.FINISHED for run in listed):
            break
        time.sleep(0.2)
    seconds, cpu = time.perf_counter() - began, cpu_seconds(dispatcher.pid)
    for pid in processes():  # predictions that are missing are not waited for
        os.kill(pid, signal.SIGKILL)
    dispatcher.wait()
    wait_until(lambda: not processes(), "the end of all workers")
    firsts = [whose[order[number]] for number in range(people)]
    return 60 * len(whose) / seconds, cpu / len(whose), sorted(firsts) == list(range(people))


def cpu_seconds(dispatcher: int) -> float:
    """Of the dispatcher, of its workers that have ended, and of those that live."""
    ticks = 0
    for pid in processes():
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11 : 15 if pid == dispatcher else 13]))
    return ticks / TICKS


if __name__ == "__main__":
    main()
