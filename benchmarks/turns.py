"""Peers that take turns: each in a process of its own, all of them in the same minutes.

A machine is never quiet for long, so a peer is compared with what another one did in the same round, and of several rounds
the median counts. A process of its own, because a library's caches and the memory allocator remember what ran before.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def serve(turn: Callable[[], float]) -> None:
    """In the peer: one turn to warm up, then one for each line of standard input; prints what `turn` measures."""
    turn()
    print("ready", flush=True)
    for _line in sys.stdin:
        print(turn(), flush=True)


def take_turns(
    peers: Mapping[str, tuple[Sequence[str], Mapping[str, str]]], rounds: int, memory: dict[str, float] | None = None
) -> dict[str, list[float]]:
    """Start the peers, each a Python command line and its environment; what each measured, round by round.

    `memory` takes each peer's highest memory in MB (Linux only).
    """
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, (arguments, environment) in peers.items()
    }
    found: dict[str, list[float]] = {name: [] for name in peers}
    try:
        for process in processes.values():
            _read(process)  # ready: from here on one works at a time
        for _round in range(rounds):
            for name, process in processes.items():
                assert process.stdin
                process.stdin.write("\n")
                process.stdin.flush()
                found[name].append(float(_read(process)))
        for name, process in processes.items():
            if memory is not None:
                memory[name] = _highest_memory(process.pid)
    finally:
        for process in processes.values():
            process.communicate()
    return found


def _highest_memory(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _read(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    if not (line := process.stdout.readline()):
        raise RuntimeError(f"{process.args} ended with status {process.wait()}: see above")
    return line


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The median over the rounds of slow / fast."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def report(name: str, rows: Sequence[tuple[str, str, str]], result: Mapping[str, object]) -> None:
    """A table of (what, measured, wanted), then one line of JSON: the last line of output."""
    table = [("", "measured", "wanted"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    print(f"\n{name}")
    for what, measured, wanted in table:
        print(f"  {what:<{widths[0]}}  {measured:>{widths[1]}}  {wanted:>{widths[2]}}")
    print(json.dumps({"benchmark": name, "cores": os.cpu_count(), **result}))
