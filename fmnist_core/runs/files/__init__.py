"""A run as its files tell it: record, folder, snapshots, and how each file is written and read. Nobody else knows their names."""
