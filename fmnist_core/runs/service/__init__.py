"""The processes: dispatcher, executor, worker, recorder, predictions."""
