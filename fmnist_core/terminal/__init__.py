"""The command `fashion-mnist-lab`: what the pages do, from a terminal. `python -m fmnist_core` is the same."""
