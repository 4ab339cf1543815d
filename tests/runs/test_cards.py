"""What the driver tells of GPUs: told here by a program of that name, since a test machine has no GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmnist_core.runs import cards
from fmnist_core.runs.cards import Card

TWO = "NVIDIA H100 80GB HBM3, 3200, 81559\nNVIDIA A100-SXM4-40GB, 0, 40960\n"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that counts how often it is asked, and answers what stands in the file `told`."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f'#!/bin/sh\necho "$@" >> "{tmp_path}/asked"\n/bin/cat "{tmp_path}/told"\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cards, "PROGRAMS", ("nvidia-smi",))
    monkeypatch.setattr(cards, "_answered", None)
    return tmp_path


def test_names_and_memory(driver: Path):
    """Each card by its name, with what is in use; the same answer counts for everybody who asks soon after."""
    (driver / "told").write_text(TWO)
    expected = (Card("NVIDIA H100 80GB HBM3", 3200, 81559), Card("NVIDIA A100-SXM4-40GB", 0, 40960))
    assert [cards.cards() for _ in range(20)] == [expected] * 20
    assert (driver / "asked").read_text().splitlines() == [" ".join(cards.QUERY)]
    assert cards.memory_on("NVIDIA H100 80GB HBM3, 79 GB") == "3.1 of 80 GB in use"
    assert cards.memory_on("NVIDIA GeForce RTX 4090, 24 GB") == ""


def test_asked_again_later(driver: Path, monkeypatch: pytest.MonkeyPatch):
    """What is in use changes: after two seconds it is asked for anew."""
    (driver / "told").write_text("NVIDIA H100, 0, 81559\n")
    cards.cards()
    (driver / "told").write_text("NVIDIA H100, 10240, 81559\n")
    assert cards.cards()[0].used == 0
    asked_at, found = cards._answered or (0.0, ())
    monkeypatch.setattr(cards, "_answered", (asked_at - 2.5, found))
    assert cards.cards()[0].used == 10240


@pytest.mark.parametrize("told", ["", "NVIDIA GH200, [N/A], [N/A]\n", "Failed to initialize NVML\n"])
def test_a_driver_that_does_not_tell(driver: Path, told: str):
    """Then there is nothing to say, and nothing fails."""
    (driver / "told").write_text(told)
    assert cards.cards() == ()


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Most machines have none."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cards, "PROGRAMS", ("nvidia-smi",))
    monkeypatch.setattr(cards, "_answered", None)
    assert cards.cards() == ()
