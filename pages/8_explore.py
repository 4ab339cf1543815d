"""Questions that take many runs: how much is luck, and which learning rate."""

from __future__ import annotations

from pages.parts import frame, race_view


def main() -> None:
    """The page."""
    frame.page(
        "Explore",
        "Ask what a single run cannot answer: how much of a result is luck, and which settings are best. That takes "
        "many runs at once.",
        code=("fmnist_core.race.race", "fmnist_core.race.Copies", "fmnist_core.jobs.Race"),
    )
    race_view.show()


main()
