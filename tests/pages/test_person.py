"""Names drawn by lot: enough of them for a school."""

from __future__ import annotations

import math

from pages.parts import person


def test_200_people_rarely_share_a_drawn_name():
    """The birthday problem: below one in a thousand."""
    names = len(set(person.ADJECTIVES)) * len(set(person.BIRDS)) * person.NUMBERS
    assert 1 - math.exp(-200 * 199 / 2 / names) < 0.001
