"""Peers that take turns: each in a process of its own, all of them in the same minutes.

A machine is never quiet for long, so a peer is compared with what another one did in the same round, and of several rounds
the median counts. A process of its own, because a library's caches and the memory allocator remember what ran before.
"""

from __future__ import annotations

import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECONDS = float(os.environ.get("BENCH_SECONDS", "inf"))
"""What this benchmark may take: it takes fewer rounds, one at least, and says how many."""
IS_QUICK = os.environ.get("QUICK", "0") not in ("", "0")
BEGAN = time.monotonic()
LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
"""Programs that wanted a processor, on average over the minute before."""
_taken: list[int] = []
if "BENCH_SECONDS" in os.environ:  # its time may be up: then it ends what it has started
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def rounds(wanted: int, until: float = 1.0) -> Iterator[int]:
    """The numbers from 0 to `wanted` - 1, fewer where the next round would end after this share of the time; 0 always."""
    began = time.monotonic()
    _taken.append(0)
    for number in range(1 if IS_QUICK else wanted):
        now = time.monotonic()
        if number and now + (now - began) / number > BEGAN + SECONDS * until:
            return
        _taken[-1] += 1
        yield number


def machine() -> str:
    """Processor, what it can do that matters here, threads, how busy it was at the start."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    has = found.get("flags", found.get("Features", "")).split()
    sets = [name for name, flag in SETS.items() if flag in has]
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return (
        f"{found.get('model name') or platform.processor() or platform.machine()}, family {found.get('cpu family', '?')} "
        f"model {found.get('model', '?')}, {os.cpu_count()} cores, {' '.join(sets) or 'no vector sets known'}, "
        f"threads {threads}, load {LOAD:.1f}"
    )


SETS = {"AVX2": "avx2", "AVX-512": "avx512f", "bfloat16": "avx512_bf16", "AMX": "amx_tile", "NEON": "asimd"}
"""Sets of instructions, by name, and as Linux calls them."""


def serve(turn: Callable[[], float]) -> None:
    """In the peer: one turn to warm up, then one for each line of standard input; prints what `turn` measures."""
    turn()
    print("ready", flush=True)
    for _line in sys.stdin:
        print(turn(), flush=True)


def take_turns(
    peers: Mapping[str, tuple[Sequence[str], Mapping[str, str]]],
    wanted: int,
    memory: dict[str, float] | None = None,
    until: float = 1.0,
) -> dict[str, list[float]]:
    """Start the peers, each a Python command line and its environment; what each measured, round by round.

    `memory` takes each peer's highest memory in MB (Linux only). `wanted` and `until`: see `rounds`.
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
        for _round in rounds(wanted, until):
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
    taken = f"{min(_taken)} to {max(_taken)}" if len(set(_taken)) > 1 else str(_taken[0]) if _taken else "all"
    print(f"\n{name}: {taken} rounds; {machine()}")
    for what, measured, wanted in table:
        print(f"  {what:<{widths[0]}}  {measured:>{widths[1]}}  {wanted:>{widths[2]}}")
    print(json.dumps({"benchmark": name, "cores": os.cpu_count(), "machine": machine(), "rounds": taken, **result}))
