"""What holds for all tests."""

from __future__ import annotations

import os

os.environ["FMNIST_COMPILED"] = "0"
"""Training goes PyTorch's way, unless a test asks for the compiled step: runs must last long enough to be disturbed."""
