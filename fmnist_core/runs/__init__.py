"""Training in its own process: record, folder, index, dispatcher, worker, client."""
