"""The runs of tests/export, for commands that read them."""

from tests.export.conftest import branched, elsewhere, whole_workshop, workshop

__all__ = ["branched", "elsewhere", "whole_workshop", "workshop"]
