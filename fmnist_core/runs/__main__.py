"""python -m fmnist_core.runs: what `fashion-mnist-lab runs` does."""

from __future__ import annotations

import sys

from fmnist_core.terminal.app import main
from fmnist_core.terminal.runs import runs

if __name__ == "__main__":
    sys.exit(main(name="python -m fmnist_core.runs", group=runs))
