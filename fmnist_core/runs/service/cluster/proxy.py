"""One run on a node of a Ray cluster: this process holds the run's lock here, while a worker trains there.

    python -m fmnist_core.runs.service.cluster.proxy RUN_FOLDER

Exit status 0 when the run's end is recorded or the run was given back, 75 when another worker has it, else the worker's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fmnist_core.runs import cluster, environment
from fmnist_core.runs.cluster import Place, write_place
from fmnist_core.runs.files.folder import RunFolder, is_run_id
from fmnist_core.runs.files.record import State
from fmnist_core.runs.queue import kind_of
from fmnist_core.runs.service.cluster.connection import AWAY, NotConnected, connect, is_there
from fmnist_core.runs.service.cluster.here import Here, follow
from fmnist_core.runs.service.cluster.mirror import Asked, Mirror, News

EX_TEMPFAIL = 75
ANSWERS_WITHIN = 60.0
"""Seconds after which a node that does not answer counts as lost."""
KNOWN_AFTER = 6.0
"""Seconds after which the cluster knows of a node whose processes were killed, and of an actor."""
AWAY_AFTER = 12.0
"""Seconds without the head after which the run is given back: after 60 Ray ends this process without a word."""
LOOKS_EVERY = 2.0
TOLD = ("FMNIST_COMPILED", "FMNIST_SNAPSHOTS")
"""Settings that hold for a run on a node, too."""
LOST = "The node {node} was lost: the run goes on elsewhere, from its last checkpoint."

log = logging.getLogger("proxy")


class Lost(Exception):
    """The worker there can no longer be heard, through no fault of the run's. The message is for the page."""


class OnNode:
    """A `Mirror` in an actor; a `There`."""

    def __init__(self, actor: Any, node: str, address: str, is_away: Callable[[], bool]) -> None:
        self._actor, self._node, self._is_away = actor, node, is_away
        self._lost = Lost(LOST.format(node=address))

    def exchange(self, asked: Asked, *, end: bool = False) -> News:
        """Raises Lost, and Ray's errors where the worker there was killed. What an answer told that got lost is lost, too."""
        import ray

        answer = self._actor.exchange.remote(asked, end=end)
        began = time.monotonic()
        while True:
            patience = AWAY_AFTER if self._is_away() else ANSWERS_WITHIN
            try:
                news: News = ray.get(answer, timeout=1.0)
            except ray.exceptions.GetTimeoutError as error:
                if time.monotonic() - began > patience:
                    raise self._lost from error
            except ray.exceptions.RayActorError as error:
                if self._has_died() and not _is_lost(self._node):
                    raise  # as a worker here that was killed
                raise self._lost from error
            else:
                return news

    def _has_died(self) -> bool:
        """Whether the cluster says so; False where it cannot be reached, or where only an answer got lost."""
        import ray

        until = time.monotonic() + KNOWN_AFTER
        while time.monotonic() < until:
            try:
                ray.get(self._actor.node.remote(), timeout=1.0)
            except ray.exceptions.ActorDiedError:
                return True
            except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
                time.sleep(0.2)
            else:
                return False
        return False

    def close(self) -> None:
        """The CPU of the node is free for the next run."""
        import ray

        with contextlib.suppress(ray.exceptions.RayError, TimeoutError):
            ray.get(self._actor.close.remote(), timeout=AWAY_AFTER)
        ray.kill(self._actor)


class Proxy:
    """For one run."""

    def __init__(self, folder: RunFolder, address: str) -> None:
        self.folder, self.address = folder, address
        self.told_to_end = False
        self.is_away = False
        self._looked_at = -LOOKS_EVERY

    def work(self) -> int:
        """Returns the exit status."""
        for _attempt in range(20):
            if lock := self.folder.lock():
                break
            time.sleep(0.05)  # somebody may only be looking
        else:
            log.error("another worker has run %s", self.folder.id)
            return EX_TEMPFAIL
        with lock:
            here = Here(self.folder)
            is_for_a_step = here.recorded.state is State.PAUSED and self.folder.is_asked("step")
            if here.recorded.state is not State.QUEUED and not is_for_a_step:
                return 0  # this one comes too late
            self._say(Place("connecting"))
            given_back = None
            try:
                status = self._train(here)
                if self.is_away:
                    given_back = Place("given back", words=AWAY.format(address=self.address))
            except (NotConnected, Lost) as error:
                log.exception("the run is given back")
                here.give_back()
                status, given_back = 0, Place("given back", words=str(error))
            finally:
                self._say(given_back)
            return status

    def _train(self, here: Here) -> int:
        connect(self.address, lambda why: self._give_up(here, why))
        signal.signal(signal.SIGTERM, self.end)  # Ray has put its own in its place
        threading.Thread(target=self._look_for_head, daemon=True).start()
        if not (there := self._place(here)):
            return 0
        return follow(here, there, lambda: self.told_to_end or self.is_away, self._is_in_the_way)

    def _place(self, here: Here) -> OnNode | None:
        """Once a node has room; None where the run has ended before."""
        import ray

        threads = environment.threads()
        known = cluster.cluster(self.folder.path.parent)
        gpus = int(sum(node.gpus for node in known.nodes)) if known else 0
        needs_gpu = kind_of(here.recorded.config, gpus) == "cuda"
        told = {name: os.environ[name] for name in TOLD if name in os.environ}
        told["OMP_NUM_THREADS"] = str(threads)  # Ray would give as many threads as it sees fit
        if not needs_gpu:
            told["CUDA_VISIBLE_DEVICES"] = ""
        remote = ray.remote(num_cpus=threads, num_gpus=int(needs_gpu), max_restarts=0, max_task_retries=0)(_Actor)
        actor = remote.remote(self.folder.id, here.packed(), told)
        where = actor.node.remote()
        waited_since = time.monotonic()
        while not ray.wait([where], timeout=0.5)[0]:
            if self.told_to_end or here.end_if_asked():
                ray.kill(actor)
                here.give_back()
                return None
            if self.is_away:
                raise Lost(AWAY.format(address=self.address))
            if time.monotonic() - waited_since > 1:
                self._say(Place("waiting"))
        try:
            identity: str = ray.get(where)
        except ray.exceptions.RayActorError as error:
            if error.actor_init_failed:
                raise  # nor would it begin at another attempt: the log says why
            raise Lost("A node was lost before the run had begun there: it goes on elsewhere.") from error
        address = next((node["NodeManagerAddress"] for node in ray.nodes() if node["NodeID"] == identity), identity)
        self._say(Place("training", address))
        return OnNode(actor, identity, address, lambda: self.is_away)

    def _look_for_head(self) -> None:
        """Ray tells of a head that is gone by ending this process: a thread notices before."""
        seen_at = time.monotonic()
        while not self.is_away:
            time.sleep(LOOKS_EVERY)
            if is_there(self.address):
                seen_at = time.monotonic()
            elif time.monotonic() - seen_at > AWAY_AFTER:
                log.error("the head is away: the run is given back")
                self.is_away = True

    def _is_in_the_way(self) -> bool:
        """Whether another run waits for a place, while the worker there only lingers."""
        if time.monotonic() - self._looked_at < LOOKS_EVERY:
            return False
        self._looked_at = time.monotonic()
        runs = self.folder.path.parent
        places = (cluster.place(Path(entry.path)) for entry in os.scandir(runs) if is_run_id(entry.name))
        return any(place is not None and place.phase == "waiting" for place in places)

    def _give_up(self, here: Here, why: str) -> None:
        here.give_back()
        self._say(Place("given back", words=why))

    def _say(self, place: Place | None) -> None:
        with contextlib.suppress(OSError):  # the run was deleted, or there is no room
            write_place(self.folder.path, place)

    def end(self, *_signal: object) -> None:
        """SIGTERM: the worker there ends with a checkpoint."""
        self.told_to_end = True


class _Actor(Mirror):
    """What runs on the node."""

    def node(self) -> str:
        """The node's id, once the worker was started."""
        import ray

        return str(ray.get_runtime_context().get_node_id())


def _is_lost(node: str) -> bool:
    """Whether the cluster no longer has that node, or will not have it in a moment."""
    import ray

    until = time.monotonic() + KNOWN_AFTER
    while any(known["Alive"] and known["NodeID"] == node for known in ray.nodes()):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    folder = RunFolder(Path(arguments[0]))
    folder.redirect_output()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    if (address := environment.cluster()) is None:
        return EX_TEMPFAIL
    proxy = Proxy(folder, address)
    signal.signal(signal.SIGTERM, proxy.end)
    status = proxy.work()
    if proxy.is_away:
        os._exit(status)  # Ray would wait for the head to take leave of it
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
