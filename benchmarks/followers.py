"""One browser's session without a browser: Streamlit's own protocol, and what the page's components poll."""

from __future__ import annotations

import asyncio
import collections
import json
import random
import time
from collections.abc import Callable
from typing import Any

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

EVERY = 5.0
"""Seconds between two clicks of a follower, give or take a fifth, unless asked for otherwise."""
POLL, LIST = 0.25, 1.5
"""Seconds between two questions about the run, and about the list of runs, where the answer does not say otherwise."""
PATIENCE = 30.0


class Measured:
    """What all followers have seen, and what went wrong.

    Seconds by kind: "first", "full", "settled" (a full one asked for when nobody's first page was on its way), "fragment", "poll".
    """

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = collections.defaultdict(list)
        self.faults: collections.Counter[str] = collections.Counter()
        self.expected = 0
        """First pages that are to come."""


class Follower:
    """One browser's session on the Train page."""

    def __init__(self, port: int, run: str, end: float, measured: Measured, every: float = EVERY) -> None:
        self.port, self.run, self.end, self.measured, self.every = port, run, end, measured, every
        self.script, self.kind, self.sent, self.is_settled = "", "", 0.0, False
        self.kept: set[str] = set()
        """Large messages that a browser keeps: the server names them when they come again, and does not send them."""
        self.wanted: collections.deque[tuple[str, str]] = collections.deque([("first", "")])
        self.wake = asyncio.Event()
        self.fragments: list[asyncio.Task[None]] = []

    async def follow(self, after: float) -> None:
        """From opening the page to the end."""
        await asyncio.sleep(after)
        try:
            await self.connect()
        except Exception as error:
            self.measured.faults[f"no page: {type(error).__name__}"] += 1
            return
        tasks = [
            asyncio.create_task(part)
            for part in (self.hear(), self.ask(), self.click(), self.poll_run(), self.poll_list())
        ]
        await asyncio.sleep(max(0.0, self.end - time.monotonic()))
        for task in (*tasks, *self.fragments):
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                self.measured.faults[f"{type(result).__name__}: {result}"[:80]] += 1
        await asyncio.wait([asyncio.create_task(self.socket.close())], timeout=5)

    async def connect(self) -> None:
        """Open the connection that a page opens."""
        self.socket = await websockets.connect(
            f"ws://127.0.0.1:{self.port}/_stcore/stream",
            subprotocols=[websockets.Subprotocol("streamlit")],
            max_size=None,
            open_timeout=PATIENCE,
            compression=None,
        )

    async def ask(self) -> None:
        """One script run after the other, as a browser does."""
        while True:
            while self.kind or not self.wanted:
                self.wake.clear()
                try:
                    async with asyncio.timeout(
                        PATIENCE
                    ):  # wait_for of Python 3.11 forgets, now and then, that it was told to end
                        await self.wake.wait()
                except TimeoutError:
                    if self.kind:
                        self.measured.faults[f"no answer within {PATIENCE:.0f} s"] += 1
                        self.kind = ""
            self.kind, fragment = self.wanted.popleft()
            message = BackMsg()
            rerun = message.rerun_script
            rerun.query_string = f"run={self.run}"
            if self.kind == "first":
                rerun.page_name = "train"
            else:
                rerun.page_script_hash = self.script
            rerun.cached_message_hashes.extend(self.kept)
            self.is_settled = self.measured.expected == len(self.measured.seconds["first"])
            if fragment:
                rerun.fragment_id, rerun.is_auto_rerun = fragment, True
            rerun.context_info.timezone = "Europe/Berlin"
            rerun.context_info.url = f"http://127.0.0.1:{self.port}/train?run={self.run}"
            self.sent = time.perf_counter()
            await self.socket.send(message.SerializeToString())

    async def hear(self) -> None:
        """What the server sends."""
        async for data in self.socket:
            message = ForwardMsg()
            message.ParseFromString(data if isinstance(data, bytes) else data.encode())
            if message.metadata.cacheable:
                self.kept.add(message.hash)
            match message.WhichOneof("type"):
                case "navigation":  # "new_session" names the page of before, Home at first
                    self.script = message.navigation.page_script_hash
                case "new_session":
                    if self.kind != "fragment":
                        for task in self.fragments:
                            task.cancel()
                        self.fragments = []
                case "auto_rerun":
                    asked = message.auto_rerun
                    self.fragments.append(asyncio.create_task(self.repeat(asked.fragment_id, asked.interval)))
                case "script_finished" if self.kind:
                    took = time.perf_counter() - self.sent
                    self.measured.seconds[self.kind].append(took)
                    if self.kind == "full" and self.is_settled:
                        self.measured.seconds["settled"].append(took)
                    self.kind = ""
                    self.wake.set()
                case "delta" if message.delta.new_element.WhichOneof("type") == "exception":
                    self.measured.faults[f"exception: {message.delta.new_element.exception.message}"[:80]] += 1

    def want(self, kind: str, fragment: str = "") -> None:
        """Run a script as soon as the one before it is done, once."""
        if (kind, fragment) not in self.wanted:
            self.wanted.append((kind, fragment))
            self.wake.set()

    async def click(self) -> None:
        """Now and then, something that runs the whole script; with `every` 0 never."""
        await asyncio.sleep(self.every * random.random() + 2)
        while self.every:
            self.want("full")
            await asyncio.sleep(self.every * random.uniform(0.8, 1.2))

    async def repeat(self, fragment: str, interval: float) -> None:
        """As the server has asked for."""
        while True:
            await asyncio.sleep(interval)
            self.want("fragment", fragment)

    async def poll_run(self) -> None:
        """As following.js does."""
        after, connection = 0, Connection(self.port)
        while True:
            began, pause = time.perf_counter(), POLL
            try:
                answer = await connection.get(f"/api/runs/{self.run}/events?after={after}&most=65536&now=1")
                self.measured.seconds["poll"].append(time.perf_counter() - began)
                after, pause = answer["next"], answer.get("again", 1000 * POLL) / 1000
                pause = 0 if answer["more"] else pause
            except Exception as error:
                self.measured.faults[f"poll: {type(error).__name__}"] += 1
            await asyncio.sleep(pause)

    async def poll_list(self) -> None:
        """As run_table.js does."""
        version, pause, connection = "", LIST, Connection(self.port)
        while True:
            await asyncio.sleep(pause)
            try:
                answer = await connection.get(f"/api/runs?known={version}")
                version, pause = answer["version"], max(LIST, answer.get("again", 0) / 1000)
            except Exception as error:
                self.measured.faults[f"list: {type(error).__name__}"] += 1


class Connection:
    """What a browser keeps open for its polls; where the server has closed it, because it was idle, it opens another."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def get(self, path: str) -> dict[str, Any]:
        """An answer in JSON. Raises RuntimeError for a refusal, OSError and EOFError where there is no answer."""
        was_open = self.writer is not None
        try:
            return await self._get(path)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            self.close()
            if not was_open or getattr(error, "partial", b""):
                raise
        except BaseException:
            self.close()
            raise
        return await self._get(path)

    async def _get(self, path: str) -> dict[str, Any]:
        if self.reader is None or self.writer is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await self.reader.readexactly(length)
        if b" 200 " not in head[:16]:
            raise RuntimeError(head[:16].decode())
        return dict(json.loads(body))

    def close(self) -> None:
        """The next request opens another."""
        if self.writer:
            self.writer.close()
        self.reader = self.writer = None


async def costs(port: int, cpu: Callable[[], float], run: str, reruns: int, polls: int) -> dict[str, float]:
    """Milliseconds of a processor that the server spends on one full rerun, and on one poll, one after the other."""
    one = Follower(port, run, 0.0, Measured())
    await one.connect()
    hearing, asking = asyncio.create_task(one.hear()), asyncio.create_task(one.ask())

    async def done(kind: str, count: int) -> None:
        until = time.monotonic() + 2 * PATIENCE
        while len(one.measured.seconds[kind]) < count:
            if hearing.done() or asking.done() or time.monotonic() > until:
                raise TimeoutError(f"no answer of kind {kind!r} any more: {dict(one.measured.faults) or hearing}")
            await asyncio.sleep(0.005)

    await done("first", 1)
    one.want("full")
    await done("full", 1)
    before = cpu()
    for number in range(reruns):
        one.want("full")
        await done("full", 2 + number)
    rerun, before = (cpu() - before) / reruns, cpu()
    after, connection = 0, Connection(port)
    for _number in range(polls):
        after = (await connection.get(f"/api/runs/{run}/events?after={after}&most=65536&now=1"))["next"]
    poll = (cpu() - before) / polls
    for task in (hearing, asking):
        task.cancel()
    await one.socket.close()
    return {"rerun_ms": round(1000 * rerun, 1), "poll_ms": round(1000 * poll, 2)}


async def crowd(ports: list[int], run: str, followers: int, seconds: float, every: float) -> Measured:
    measured, opens = Measured(), seconds / 4
    measured.expected = followers
    end = time.monotonic() + opens + seconds
    they = [Follower(ports[number % len(ports)], run, end, measured, every) for number in range(followers)]
    await asyncio.gather(*(one.follow(opens * number / followers) for number, one in enumerate(they)))
    return measured
