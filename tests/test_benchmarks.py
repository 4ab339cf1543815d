"""`make bench` ends: each benchmark has a share of the time, and one that overruns it is ended with what it has started."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks import turns
from benchmarks.followers import Connection
from tests.coroutines import finished

bench = importlib.import_module("benchmarks.__main__")
README = (turns.ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


class Slow(ModuleType):
    """A benchmark that found one thing and then takes for ever."""

    tidied: Path

    @classmethod
    def main(cls) -> None:
        rows = [("one thing", "1", "")]
        turns.so_far("slow", rows, {"one": 1})
        try:
            for _round in turns.rounds(1000):
                time.sleep(60)
        finally:
            cls.tidied.touch()


def test_shares():
    """Together they are less than all of the time; each is a module that the table explains."""
    for quick, whole in enumerate((bench.WHOLE, bench.QUICKLY)):
        assert sum(share[quick] for share in bench.SHARES.values()) + bench.IMPORTING <= whole
    for name in bench.SHARES:
        assert (turns.ROOT / "benchmarks" / f"{name}.py").exists()
        assert f"| `{name}` |" in README


def test_one_that_is_not_done_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """What it has found is printed, it tidies up after itself, a line says so, and the status tells."""
    Slow.tidied = tmp_path / "tidied"
    monkeypatch.setitem(sys.modules, "benchmarks.slow", Slow("benchmarks.slow"))
    monkeypatch.setattr(bench, "SHARES", {"slow": (1, 1)})
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert bench.main([]) == 1
    finally:
        signal.signal(signal.SIGTERM, handler)
    said = capfd.readouterr().out
    assert "slow: was not done in 1 s" in said
    assert "slow, as far as it came: 1 rounds" in said
    assert "one thing" in said
    assert Slow.tidied.exists()


SLEEPER = """
import subprocess, sys, time
from benchmarks.processes import own_runs
with own_runs() as folder:
    print(folder, subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True).pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the guard finds processes through /proc")
def test_one_that_is_killed_leaves_nothing_that_goes_on():
    """A dispatcher outlives whoever started it, and would train on: the folder of a benchmark goes with it, and all that works there."""
    with subprocess.Popen(
        [sys.executable, "-c", SLEEPER], cwd=turns.ROOT, stdout=subprocess.PIPE, text=True
    ) as benchmark:
        assert benchmark.stdout
        folder, pid = benchmark.stdout.readline().split()
        assert Path(folder).is_dir()
        benchmark.kill()
    deadline = time.monotonic() + 120
    while (Path(folder).exists() or is_alive(int(pid))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(folder).exists()
    assert not is_alive(int(pid))


def is_alive(pid: int) -> bool:
    """Whether it runs: one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_peers_take_turns():
    """Each is a process of its own with its own environment, and one that fails is named."""
    seen = {name: {"SIDE": name} for name in ("here", "there")}

    def side(name: str) -> turns.Turn:
        assert os.environ["SIDE"] == name
        return lambda: float(os.getpid())

    found = turns.take_turns({name: (partial(side, name), environment) for name, environment in seen.items()}, 1)
    assert len({os.getpid(), *found["here"], *found["there"]}) == 3
    assert "SIDE" not in os.environ
    with pytest.raises(RuntimeError, match="wrong has ended"):
        turns.take_turns({"wrong": (partial(side, "wrong"), {"SIDE": "other"})}, 1)


def test_apart():
    """What a function gives in a process of its own; its failure is one here."""
    assert turns.apart(os.getpid) != os.getpid()
    assert turns.apart(os.environ.get, "SIDE", environment={"SIDE": "there"}) == "there"
    with pytest.raises(RuntimeError, match="ended with status 1"):
        turns.apart(int, "no number")


def test_fewer_rounds_where_time_is_short(monkeypatch: pytest.MonkeyPatch):
    """As many as fit, one at least."""
    clock = [0.0]
    monkeypatch.setattr(turns.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(turns, "BEGAN", 0.0)
    monkeypatch.setattr(turns, "IS_QUICK", False)

    def taken(seconds: float, wanted: int, each: float) -> int:
        clock[0] = 0.0
        monkeypatch.setattr(turns, "SECONDS", seconds)
        count = 0
        for _round in turns.rounds(wanted):
            clock[0] += each
            count += 1
        return count

    assert taken(10, 5, 1.0) == 5
    assert taken(10, 50, 3.0) == 3
    assert taken(10, 50, 30.0) == 1


def test_who_is_told_to_end_asks_no_more():
    """At whatever moment, also while an answer is on its way: a follower that went on polling kept a benchmark from its end."""
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"

    async def told(after: int) -> bool:
        """Whether it has ended as it was told, `after` turns of the loop from when its answer is there."""
        connection, stream = Connection(0), asyncio.StreamReader()
        connection.reader, connection.writer = stream, Unread()  # type: ignore[assignment]
        asking = asyncio.create_task(connection.get("/"))
        await asyncio.sleep(0)  # it asks, and waits
        stream.feed_data(answer)
        for _turn in range(after):
            await asyncio.sleep(0)
        had_ended = asking.done()
        asking.cancel()
        await asyncio.wait([asking])
        return had_ended or asking.cancelled()

    assert [finished(told(after)) for after in range(8)] == [True] * 8


class Unread:
    """What is written, and nobody reads."""

    def write(self, _data: bytes) -> None:
        """Nothing happens."""

    def close(self) -> None:
        """Nothing happens."""
