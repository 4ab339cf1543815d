"""Questions that take many runs: how much is luck, which learning rate, which settings."""

from __future__ import annotations

from fmnist_core.settings import search
from pages.parts import address, controls, frame
from pages.parts.explore import race_view, sweep_view
from pages.parts.person import remember

VIEWS = {"race": "Race of many copies", "sweep": "Sweep over settings"}


def main() -> None:
    """The page."""
    frame.page(
        "Explore",
        "Ask what a single run cannot answer: how much of a result is luck, and which settings are best. That takes "
        "many runs at once.",
        code=(
            "fmnist_core.training.race.race",
            "fmnist_core.training.replicas.BatchedCopies",
            "fmnist_core.training.replicas.CompiledCopies",
            search.grid,
            search.at_random,
            search.expected_good,
        ),
    )
    frame.data_or_stop("train")
    if address.has("sweep") and not address.has("race"):
        address.assume({"view": "sweep"})
    view = controls.one_of("What to explore", "view", tuple(VIEWS), words=VIEWS, label_visibility="collapsed")
    race_view.show() if view == "race" else sweep_view.show()
    remember()


main()
