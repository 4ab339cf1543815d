"""python -m fmnist_core.training.compiled: compile the training step where that was not done yet, and say how it went."""

from __future__ import annotations

import sys

from fmnist_core.training.compiled import library


def main() -> int:
    """Status 0 in any case: training works without it."""
    if not library.is_wanted():
        print("Training without the compiled step: FMNIST_COMPILED=0")
    elif not library.find() and not library.compiler():
        print("No C compiler was found: training goes PyTorch's way, several times slower with small batches")
    elif not library.find():
        print("Compiling the training step for this processor (once) ...", flush=True)
        from fmnist_core.training.compiled import engine  # torch: only where there is something to check

        engine.prepare()
    return 0


if __name__ == "__main__":
    sys.exit(main())
