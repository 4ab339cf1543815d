"""Does one job and records what happens. Nothing of it is kept but its events: after a crash it begins again."""

from __future__ import annotations

from collections.abc import Iterator

from fmnist_core.runs.files.record import Finished, Interrupted, Stopped
from fmnist_core.runs.service.recorder import Recorder
from fmnist_core.settings.jobs import Race, RateTest
from fmnist_core.training.devices import find_device
from fmnist_core.training.events import Event
from fmnist_core.training.race import race
from fmnist_core.training.rate_finder import rate_test
from fmnist_core.training.state import TrainingData


class JobRecorder(Recorder):
    """For the process that holds the run's lock."""

    def train(self, ready: TrainingData | None = None) -> None:
        """Do the job to its end, or until somebody ends it; the last event tells which."""
        with self.faults_recorded():
            self.writer.reserve()
            device = find_device(self.recorded.config.device)
            self.data = ready if ready and ready.images.device == device else TrainingData.load(device)
            for event in self._events(self.data):
                self.record(event)
                if self.folder.is_asked("stop"):
                    self.record(Stopped(self.recorded.step))
                    return
                if self.told_to_end:
                    self.record(Interrupted(self.recorded.step))
                    return
            self.record(Finished(self.recorded.step))

    def _events(self, data: TrainingData) -> Iterator[Event]:
        match self.recorded.job:
            case RateTest() as test:
                return rate_test(self.recorded.config, test, data)
            case Race() as job:
                return race(self.recorded.config, job, data)
        raise ValueError(f"not a job: {self.recorded.job!r}")
