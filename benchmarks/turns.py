"""Peers that take turns: each in a process of its own, all of them in the same minutes.

A machine is never quiet for long, so a peer is compared with what another one did in the same round, and of several rounds
the median counts. A process of its own, because a library's caches and the memory allocator remember what ran before: a fork of
this one, which has imported PyTorch already (3 s each otherwise) and computed nothing, because threads do not survive a fork.
"""

from __future__ import annotations

import ctypes
import json
import math
import multiprocessing
import os
import platform
import signal
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from fmnist_core.runs.service.executor import MEMORY

ROOT = Path(__file__).parent.parent
SECONDS = math.inf
"""What this benchmark may take: it takes fewer rounds, one at least, and says how many."""
IS_QUICK = os.environ.get("QUICK", "0") not in ("", "0")
TURN = 1.0 if IS_QUICK else 4.0
"""Seconds of one turn at most: on a slow machine it is shorter than it should be, and what it found is scaled."""
BEGAN = time.monotonic()
LOAD = 0.0
"""Programs that wanted a processor, on average over the minute before."""
_taken: list[int] = []
_so_far: list[Any] = []
_FORK = multiprocessing.get_context("fork")

Item = TypeVar("Item")
Result = TypeVar("Result")
Turn = Callable[[], float]
"""Gives what was measured in one turn."""


def begin(seconds: float = math.inf) -> None:
    """From now on a benchmark has this much time. When it is over, SIGTERM ends it with what it has started."""
    global SECONDS, BEGAN, LOAD
    SECONDS, BEGAN, LOAD = seconds, time.monotonic(), os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    _taken.clear()
    _so_far.clear()
    if seconds < math.inf:
        signal.signal(signal.SIGTERM, _give_up)


def _give_up(*_: object) -> None:
    if _so_far and _so_far[1] and os.getpid() == _so_far[3]:
        report(f"{_so_far[0]}, as far as it came", *_so_far[1:3])
    sys.exit(143)


def so_far(name: str, rows: list[tuple[str, str, str]], result: Mapping[str, object]) -> None:
    """What a benchmark will report, and adds to until then: where it is ended before, that is printed."""
    _so_far[:] = [name, rows, result, os.getpid()]


begin()


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


def for_a_while(items: Iterator[Item], count: int, seconds: float = TURN) -> Iterator[Item]:
    """The first `count` of them, fewer where `seconds` are over before."""
    until = time.perf_counter() + seconds
    for item in islice(items, count):
        yield item
        if time.perf_counter() > until:
            return


def keep_memory() -> None:
    """What `MEMORY` in fmnist_core/runs/service/executor.py makes of a worker, for a process that has begun already (glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return  # another allocator
    for setting, name in ((-1, "MALLOC_TRIM_THRESHOLD_"), (-3, "MALLOC_MMAP_THRESHOLD_")):
        mallopt(setting, int(MEMORY[name]))


def _prepare(environment: Mapping[str, str], inherited: Sequence[Connection] = ()) -> None:
    """In a fork: be what a process with this environment would be. Its parent's ends of pipes are not its own."""
    for connection in inherited:
        connection.close()
    os.environ.update(environment)
    if MEMORY.items() <= environment.items():
        keep_memory()


def apart(function: Callable[..., Result], *arguments: object, environment: Mapping[str, str] | None = None) -> Result:
    """What it gives, in a process of its own, where no cache and no number of threads is left from another call."""
    receiver, sender = _FORK.Pipe(duplex=False)

    def call() -> None:
        _prepare(environment or {}, [receiver])
        sender.send(function(*arguments))

    process = _FORK.Process(target=call)
    process.start()
    sender.close()
    try:
        result: Result = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(f"{function.__name__} ended with status {process.exitcode}: see above") from None
    finally:
        end(process)
    return result


def end(process: multiprocessing.process.BaseProcess, patience: float = 20.0) -> None:
    """Wait for it where it is at its end anyway, else end it, with time for what it has to tidy up."""
    process.join(0.5)
    if process.is_alive():
        process.terminate()
        process.join(patience)
    if process.is_alive():
        process.kill()
        process.join()


def take_turns(
    peers: Mapping[str, tuple[Callable[[], Turn], Mapping[str, str]]],
    wanted: int,
    memory: dict[str, float] | None = None,
    until: float = 1.0,
) -> dict[str, list[float]]:
    """Start the peers, each what gives its turn and its environment; what each measured, round by round, after a turn to get warm.

    `memory` takes each peer's highest memory in MB (Linux only). `wanted` and `until`: see `rounds`.
    """
    ours: dict[str, Connection] = {}
    processes = {}

    def serve(connection: Connection, start: Callable[[], Turn], environment: Mapping[str, str]) -> None:
        _prepare(environment, list(ours.values()))
        turn = start()
        turn()
        connection.send(_highest_memory())  # ready
        while connection.recv():
            measured = turn()
            connection.send((measured, _highest_memory()))

    found: dict[str, list[float]] = {name: [] for name in peers}
    try:
        for name, (start, environment) in peers.items():
            ours[name], theirs = _FORK.Pipe()
            processes[name] = _FORK.Process(target=serve, args=(theirs, start, environment))
            processes[name].start()
            theirs.close()
        for name in peers:
            _read(name, ours[name])  # ready: from here on one works at a time
        for _round in rounds(wanted, until):
            for name in peers:
                ours[name].send(True)
                measured, highest = _read(name, ours[name])
                found[name].append(measured)
                if memory is not None:
                    memory[name] = highest
        for connection in ours.values():
            connection.send(False)
    finally:
        for process in processes.values():
            end(process)
    return found


def _highest_memory() -> float:
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def _read(name: str, connection: Connection) -> tuple[float, float]:
    try:
        answer: tuple[float, float] = connection.recv()
    except EOFError:
        raise RuntimeError(f"{name} has ended: see above") from None
    return answer


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
    print(
        json.dumps({"benchmark": name, "cores": os.cpu_count(), "machine": machine(), "rounds": taken, **result}),
        flush=True,
    )
