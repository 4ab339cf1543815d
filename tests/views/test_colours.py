"""Classes and roles have colours of their own."""

from __future__ import annotations

from itertools import combinations

from fmnist_core.views import colours


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _distance(one: str, other: str) -> float:
    """0 to 765, weighted as the eye does (Riemersma, "Colour metric", 2019)."""
    (r, g, b), (s, h, c) = _rgb(one), _rgb(other)
    mean = (r + s) / 2
    return float(((2 + mean / 256) * (r - s) ** 2 + 4 * (g - h) ** 2 + (2 + (255 - mean) / 256) * (b - c) ** 2) ** 0.5)


def test_no_role_has_the_colour_of_a_class():
    """Green never means Pullover here and right there."""
    roles = {name: value for name, value in vars(colours).items() if isinstance(value, str) and value.startswith("#")}
    assert {"RIGHT", "WRONG", "BEFORE", "AFTER", "TRAIN", "TEST"} <= set(roles)
    near = [
        (name, i)
        for name, role in roles.items()
        for i, c in enumerate(colours.CLASS_COLOURS)
        if _distance(role, c) < 60
    ]
    assert not near


def test_any_two_classes_can_be_told_apart():
    """By the eye's own measure."""
    assert min(_distance(one, other) for one, other in combinations(colours.CLASS_COLOURS, 2)) > 80
