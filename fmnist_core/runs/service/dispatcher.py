"""Which run starts when, and what became of it.

    python -m fmnist_core.runs.service.dispatcher RUNS_FOLDER

One process per runs folder, held by a lock: a second one exits with status 75. It starts queued runs in order, keeps a
warm spare worker, notices workers that died, and is the only writer of the index. It can be killed at any time: the next
one adopts what it finds. Without runs to look after and without visitors it ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType

from fmnist_core.files import Unreadable, explain, lock_of_ours, make_folder, set_aside, wrong_kind
from fmnist_core.runs import environment
from fmnist_core.runs.bell import END, INDEX_DAMAGED, LOCK, start_dispatcher
from fmnist_core.runs.files.folder import DELETED, RunFolder, is_run_id
from fmnist_core.runs.files.record import (
    ATTEMPTS,
    Died,
    Failed,
    Paused,
    Resumed,
    Run,
    State,
    Stopped,
)
from fmnist_core.runs.index import FILE, Index, IndexTooNew
from fmnist_core.runs.queue import free_slot, in_order, kind_of, turns_told
from fmnist_core.runs.service import predictions
from fmnist_core.runs.service.cluster.executor import ClusterExecutor
from fmnist_core.runs.service.executor import Executor, LocalExecutor
from fmnist_core.runs.service.place import NO_LOCKS, NO_LOCKS_THERE, Place, open_bell, processors, protect
from fmnist_core.runs.service.watched import AGAIN, Watched

STALLED_AFTER = 30.0
"""Seconds without an event after which a living worker counts as stalled."""
IDLE_AFTER = 600.0
"""Seconds without runs and visitors after which the dispatcher ends."""
GRACE = 300.0
"""Seconds that a worker which has not ended has to take its run: a cold one on a busy machine imports torch first."""
RESTS, RESTS_MOST = 9, 0.25
"""Times as long as a turn took, and seconds at most, until the next one: everybody who looks rings, and a hundred may look."""
STEP_AGAIN = 60.0
"""Seconds after which a single step that nobody has taken is given out once more."""

DOUBTED_EVERY = 5.0
"""Seconds between two doubts about the index: a server of an older program, which cannot read it, has them at every look."""

DEVELOP_AGAIN = 60.0
"""Seconds between two processes that develop films which others have left."""

EX_TEMPFAIL, EX_CONFIG = 75, 78

log = logging.getLogger("dispatcher")


def open_index(runs: Path) -> tuple[Index, dict[str, tuple[Run, int]]]:
    """The index and what it holds; an empty new one where its content cannot be read. Raises IndexTooNew."""
    for path in runs.glob(f"{FILE}*"):
        if path.name in (FILE, f"{FILE}-journal") and (wrong_kind(path) or not os.access(path, os.R_OK | os.W_OK)):
            log.warning("%s is not an index of ours: set aside as %s", path, set_aside(path))
    index = Index(runs)
    try:
        return index, index.load()
    except (ValueError, KeyError, TypeError, sqlite3.DatabaseError):
        log.exception("index made anew")
        index.close()
        index.path.unlink()
        return Index(runs), {}


class Dispatcher:
    """Needs the lock of the runs folder."""

    def __init__(self, runs: Path, executor: Executor, slots: int | None = 1) -> None:
        self.runs, self.executor, self.slots = runs, executor, slots
        self.index, indexed = open_index(runs)
        self.known = {run_id: Watched(RunFolder(runs / run_id), *entry) for run_id, entry in indexed.items()}
        self.unsaved: set[str] = set()
        self.gone: set[str] = set()
        """Runs whose folders were deleted, and which the index still has."""
        self.strangers: dict[str, tuple[float, str]] = {}
        """What is no run, when it was looked at, and why it is none."""
        self.trouble = ""
        """What keeps all runs from starting: a sentence."""
        self.index_doubted = self.complained = self.ending = False
        self.not_saved = ""
        self.visited_at, self.doubted_at = time.monotonic(), -DOUBTED_EVERY
        self.told: dict[str, str] = {}
        """Facts that the index has."""
        self.served = turns_told(self.index.fact("served"))
        """The number of each owner's latest turn."""
        self.developed_at = -DEVELOP_AGAIN

    def turn(self) -> None:
        """Look at everything once."""
        self._look_at_labels()
        self.unsaved |= self._find()
        for watched in self.known.values():
            before = watched.run
            if not watched.recorded.state.is_final and watched.is_served():
                with watched.alone():
                    self._look_at(watched)
            if watched.run != before:
                self.unsaved.add(watched.folder.id)
        self.executor.look_after(spare=not self.is_busy)  # getting warm would slow down what runs
        self._start_next()
        self._tidy_up()
        self._save()

    def _look_at_labels(self) -> None:
        """Notice runs that were deleted, renamed, annotated, moved in the queue."""
        for run_id, watched in list(self.known.items()):
            asked_at = watched.folder.asked_at()
            if asked_at is None:
                del self.known[run_id]
                self.gone.add(run_id)
            elif asked_at != watched.recorded.asked_at and watched.is_served():
                with watched.alone():
                    watched.recorded = watched.folder.relabelled(watched.recorded)
                    self._delete_if_asked(watched)
                self.unsaved.add(run_id)

    def _delete_if_asked(self, watched: Watched) -> None:
        """Delete a run that nobody trains any more."""
        if not watched.run.is_active and watched.folder.is_asked("delete"):
            with contextlib.suppress(OSError, ValueError):
                watched.folder.delete()

    def _save(self) -> None:
        """Bring the index up to date; make it anew when somebody removed or damaged it."""
        try:
            if self.index_doubted or not self.index.is_as_left:
                raise sqlite3.DatabaseError("the index was removed, written to or damaged")
            saved = [self.known[run_id] for run_id in self.unsaved if run_id in self.known]
            self.gone -= self.known.keys()
            if saved or self.gone:
                self.index.save([(watched.run, watched.offset) for watched in saved], self.gone)
            for name, fact in self._facts().items():
                if self.told.get(name) != fact:
                    self.index.save_fact(name, fact)
                    self.told[name] = fact
            self.unsaved.clear()
            self.gone.clear()
            self.not_saved = ""
        except sqlite3.OperationalError as error:  # locked or no room: the next turn tries again, and says so once
            if self.not_saved != (why := str(error)):
                log.warning("index not saved: %s", why)
            self.not_saved = why
        except sqlite3.DatabaseError:
            log.exception("index made anew")
            self.index.close()
            self.index, indexed = open_index(self.runs)
            self.unsaved, self.told = set(self.known), {}
            self.gone, self.index_doubted = set(indexed) - self.unsaved, False

    def _facts(self) -> dict[str, str]:
        """What readers of the index want to know beside the runs."""
        slots, trouble = self.executor.slots(self.slots), self.trouble or self.executor.trouble()
        facts = {"devices": self.executor.devices(), "slots": slots, "served": self.served, "trouble": trouble}
        return {name: json.dumps(fact) for name, fact in facts.items()}

    def _find(self) -> set[str]:
        """Notice folders that are new; name those that are no run's, once; they may become one when they are whole."""
        new, now = set(), time.monotonic()
        for entry in os.scandir(self.runs):
            looked_at, before = self.strangers.get(entry.name, (-AGAIN, ""))
            if entry.name in self.known or entry.name.startswith(".") or now - looked_at < AGAIN:
                continue
            try:
                if not entry.is_dir(follow_symlinks=False):
                    continue
                if not is_run_id(entry.name):
                    raise Unreadable("its name is not 12 hexadecimal characters")
                folder = RunFolder(Path(entry.path))
                self.known[entry.name] = Watched(folder, folder.run())
                self.strangers.pop(entry.name, None)
                new.add(entry.name)
            except (OSError, ValueError) as error:
                if before != (why := explain(error)):
                    log.warning("%s is not a run: %s", entry.path, why)
                self.strangers[entry.name] = now, why
        return new

    def _look_at(self, watched: Watched) -> None:
        """What became of this run. Raises Unreadable, OSError."""
        while watched.follow():
            pass
        if not watched.recorded.state.is_final and not watched.is_whole():
            return
        folder, run = watched.folder, watched.run
        match run.state:
            case State.QUEUED if folder.is_asked("stop") and watched.given_out_at is None:
                watched.write(Stopped(run.step))
            case State.QUEUED if folder.is_asked("pause") and watched.given_out_at is None:
                if watched.write(Paused(run.step, "")):
                    folder.settle("pause")
            case State.PAUSED if folder.is_asked("delete"):
                self._delete_if_asked(watched)
            case State.PAUSED if folder.is_asked("stop"):
                watched.write(Stopped(run.step))
            case State.PAUSED if folder.is_asked("resume"):
                if watched.write(Resumed()):
                    folder.settle("resume")
            case State.PAUSED if folder.is_asked("step"):
                self._have_a_step_taken(watched)
            case State.STARTING | State.RUNNING:
                self._look_for_worker(watched)
            case State.QUEUED if watched.given_out_at is not None:
                if time.monotonic() - watched.given_out_at > GRACE and not watched.is_held():
                    self.executor.kill(folder.path)  # it must not take the run after the next one has
                if not self.executor.is_at_work(folder.path):
                    self._look_for_worker(watched)
        if watched.run.state.is_final:
            self._delete_if_asked(watched)

    def _have_a_step_taken(self, watched: Watched) -> None:
        """By a worker of its own, unless one lingers with the run; a step is too short to wait for a slot."""
        if (lock := watched.folder.lock()) is None:
            watched.step_given_out_at = None  # it does it
            return
        lock.close()
        now = time.monotonic()
        if watched.step_given_out_at is None or now - watched.step_given_out_at > STEP_AGAIN:
            watched.step_given_out_at = now
            self.executor.start(watched.folder.path)

    def _look_for_worker(self, watched: Watched) -> None:
        if (lock := watched.folder.lock()) is None:  # it lives
            watched.given_out_at = None
            silent = time.monotonic() - watched.heard_at > STALLED_AFTER
            if silent and not watched.run.stalled:
                watched.run = replace(watched.run, stalled=True)
            return
        lock.close()
        deaths = watched.run.deaths + 1
        log.warning("run %s: worker gone (%d of %d)", watched.folder.id, deaths, ATTEMPTS)
        if deaths < ATTEMPTS:
            reason = f"Its worker was killed; attempt {deaths + 1} of {ATTEMPTS} goes on from the last checkpoint."
            watched.write(Died(reason))
        else:
            watched.write(Died(""))
            reason = f"Its worker was killed {ATTEMPTS} times (out of memory?): see worker.log in the run's folder."
            watched.write(Failed(reason))
        watched.given_out_at = None

    def _start_next(self) -> None:
        """Fill free slots: owners take turns, each with its own runs in their order."""
        runs = self.known.values()
        busy = [w for w in runs if w.has_slot(self.executor)]
        waiting = [
            w.run
            for w in runs
            if w.run.state is State.QUEUED and w.is_ready and w not in busy and not w.folder.is_asked("stop")
        ]
        gpus = self.executor.gpus()
        if not waiting or not (slots := self.executor.slots(self.slots)):
            return
        for watched in busy:
            if not watched.slot:  # adopted: which GPU it has is not known, only that it has one
                taken = [other.slot for other in busy]
                watched.slot = free_slot(kind_of(watched.run.config, gpus), slots, taken) or slots[-1]
        for run in in_order(waiting, self.served):
            slot = free_slot(kind_of(run.config, gpus), slots, [watched.slot for watched in busy])
            if slot is None:
                continue
            watched = self.known[run.id]
            is_taken = watched.is_taken()
            if watched.fault:
                continue  # its lock is no file, say: no slot waits for that to be mended
            watched.slot = slot
            busy.append(watched)
            if is_taken:
                continue  # somebody looks at it; or waits with it for a place on the cluster, for a dispatcher before
            self.executor.start(watched.folder.path, slot)
            watched.given_out_at = time.monotonic()
            self.served[run.whose] = max(self.served.values(), default=0) + 1

    def _tidy_up(self) -> None:
        """While nothing trains or waits: compute the predictions that are missing, remove what deleted runs have left."""
        if self.is_busy:
            self.developed_at = -DEVELOP_AGAIN  # at once, when it is no longer
        if self.is_busy or time.monotonic() - self.developed_at < DEVELOP_AGAIN:
            return
        for left in self.runs.glob(f"{DELETED}*"):
            shutil.rmtree(left, ignore_errors=True)
        for watched in self.known.values():
            self._delete_if_asked(watched)
        if any(predictions.is_waiting(watched.folder) for watched in self.known.values()):
            if lock := predictions.lock(self.runs):
                lock.close()
                self.executor.develop(self.runs)
            self.developed_at = time.monotonic()

    @property
    def is_busy(self) -> bool:
        """Whether a run is queued, starting, running, or has only just ended."""
        return any(watched.run.is_active or watched.has_slot(self.executor) for watched in self.known.values())

    def serve(self, bell: int | None, is_over: Callable[[], bool] = lambda: False) -> None:
        """Turn after turn until told to end, until `is_over`, or until nobody needs it any more. Raises IndexTooNew."""
        while not self.ending and not is_over():
            began = time.monotonic()
            try:
                self.turn()
                self.trouble = ""
            except IndexTooNew:
                raise
            except Exception as error:  # no room, no process: say so, and look again
                log.exception("this turn failed")
                self.trouble = f"Runs cannot be looked after at the moment: {explain(error)}"
                with contextlib.suppress(Exception):
                    self._save()
                time.sleep(1)
            time.sleep(min(RESTS_MOST, RESTS * (time.monotonic() - began)))
            pause = 0.1 if self.is_busy else 1.0
            if bell is None:
                time.sleep(pause)
                self.visited_at = time.monotonic()  # nobody can ring: it cannot know that nobody looks
            elif select.select([bell], [], [], pause)[0]:
                rung = os.read(bell, 4096)
                self.complained |= INDEX_DAMAGED in rung
                self.ending |= END in rung
                self.visited_at = time.monotonic()
            if (
                self.complained and time.monotonic() - self.doubted_at > DOUBTED_EVERY
            ):  # at once, or when it is time again
                self.complained, self.index_doubted, self.doubted_at = False, True, time.monotonic()
            if self.is_busy:
                self.visited_at = time.monotonic()
            if time.monotonic() - self.visited_at > IDLE_AFTER:
                log.info("nothing to do: ending")
                break
        self.executor.close()
        self.index.close()

    def end(self, _signal: int, _frame: FrameType | None) -> None:
        """SIGTERM: end after this turn; workers go on."""
        self.ending = True


def main(arguments: list[str]) -> int:
    """Returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
    runs = Path(arguments[0]).absolute()
    try:
        environment.check()
        slots = environment.slots()
        make_folder(runs, parents=True)
        lock = lock_of_ours(runs / LOCK)
    except (ValueError, OSError) as error:
        is_lock = isinstance(error, OSError) and error.errno in NO_LOCKS
        print(
            NO_LOCKS_THERE.format(runs=runs)
            if is_lock
            else explain(error)
            if isinstance(error, OSError)
            else str(error),
            file=sys.stderr,
        )
        return EX_CONFIG
    if lock is None:
        print(f"Another dispatcher looks after {runs}.", file=sys.stderr)
        return EX_TEMPFAIL
    own = Place(runs, lock)
    own.sign()
    protect(runs)
    threads = max(1, processors() // slots) if slots and slots > 1 else None
    try:
        here = LocalExecutor(threads, reuse=environment.reuse())
        dispatcher = Dispatcher(runs, ClusterExecutor(runs, here) if environment.cluster() else here, slots)
        signal.signal(signal.SIGTERM, dispatcher.end)
        signal.signal(signal.SIGINT, dispatcher.end)
        dispatcher.serve(open_bell(runs), own.is_lost)
    except IndexTooNew as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    if own.is_outdated:
        log.info("the program has changed: another one takes over")
        lock.close()
        start_dispatcher(runs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
