"""python -m fmnist_core: the command `fashion-mnist-lab`, also where it is not installed."""

from __future__ import annotations

import sys

from fmnist_core.terminal.app import main

if __name__ == "__main__":
    sys.exit(main())
