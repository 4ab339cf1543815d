"""The map by neighbours: exact against scikit-learn, better than principal components, and steady from moment to moment."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from fmnist_core.data import dataset
from fmnist_core.inside import area, neighbours
from fmnist_core.inside.layout import principal, seen_by_last_layer
from fmnist_core.training.compiled import library
from tests.inside.conftest import Twins

COUNT = 1_500


@pytest.fixture(autouse=True)
def _switched_on(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FMNIST_COMPILED", "1")


@pytest.fixture
def compiled():
    found = neighbours.prepare()
    if found is None:
        pytest.skip("there is no C compiler")
    return found


@pytest.mark.parametrize(("count", "width", "k"), [(1003, 50, 15), (40, 3, 10), (5, 1, 4)])
def test_neighbours_are_scikit_learns(compiled, count: int, width: int, k: int):
    """The same distances in the same order, for counts that fill no register."""
    points = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    theirs, _ = NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)
    found, distances = neighbours.nearest(compiled, points, k)
    np.testing.assert_allclose(distances, theirs[:, 1:], atol=2e-3)
    apart = np.linalg.norm(points[:, None] - points[found], axis=2)
    np.testing.assert_allclose(apart, distances, atol=2e-3)


def test_a_point_cannot_have_more_neighbours_than_there_are(compiled):
    """Refused where it enters."""
    with pytest.raises(ValueError, match="cannot have 5 neighbours"):
        neighbours.nearest(compiled, np.zeros((5, 2), np.float32), 5)


def test_it_keeps_more_than_principal_components(compiled, net: Twins, pictures):
    """Twice the neighbours at least, purer by class; the same bits each time; begun from a map, little moves."""
    features, labels = seen_by_last_layer(net.ours, pictures[:COUNT]), dataset.load("test").labels[:COUNT]
    found = neighbours.nearest(compiled, features, neighbours.NEIGHBOURS)
    flat = principal(features)[0]
    ours = neighbours.arrange(compiled, found, neighbours.WIDTH * flat, anew=True)
    near = {name: neighbours.nearest(compiled, points, 10)[0] for name, points in (("ours", ours), ("flat", flat))}
    kept = {name: neighbours.kept(found[0][:, :10], here) for name, here in near.items()}
    purity = {name: float((labels[here] == labels[:, None]).mean()) for name, here in near.items()}
    assert kept["ours"] > 2 * kept["flat"]
    assert purity["ours"] > purity["flat"] + 0.05
    assert (neighbours.arrange(compiled, found, neighbours.WIDTH * flat, anew=True) == ours).all()
    noisy = features + np.float32(0.02 * features.std()) * np.random.default_rng(1).standard_normal(features.shape)
    after = neighbours.arrange(
        compiled, neighbours.nearest(compiled, noisy.astype(np.float32), neighbours.NEIGHBOURS), ours, anew=False
    )
    assert np.median(np.linalg.norm(after - ours, axis=1)) < 0.1 * ours.std()


def test_a_layer_that_says_nothing_has_a_map(compiled):
    """All pictures alike: no fault, and finite places."""
    features = np.zeros((100, 8), np.float32)
    found = neighbours.nearest(compiled, features, neighbours.NEIGHBOURS)
    assert np.isfinite(neighbours.arrange(compiled, found, principal(features)[0], anew=True)).all()


def test_without_a_compiler_there_is_none(monkeypatch, tmp_path):
    """Nothing is raised: maps keep to principal components."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not neighbours.is_possible()
    assert neighbours.prepare() is None
    monkeypatch.setenv("FMNIST_COMPILED", "0")
    assert not neighbours.is_possible()
    assert neighbours.prepare() is None


def test_a_library_that_finds_others_is_refused(monkeypatch, tmp_path):
    """It is checked against NumPy before it gets its place."""
    if not library.compiler():
        pytest.skip("there is no C compiler")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (source,) = library.NEIGHBOURS
    spoilt = tmp_path / source.name
    spoilt.write_text(source.read_text().replace("squares[j] - 2 *", "squares[j] - 3 *"))
    monkeypatch.setattr(library, "NEIGHBOURS", (spoilt,))
    assert neighbours.prepare() is None
    assert not library.find(library.NEIGHBOURS)


# --- What is drawn around ------------------------------------------------------------------------------------------


def test_what_is_within_is_what_the_border_turns_around():
    """A point is within where the border turns around it once: the sum of its angles is a whole turn, else 0."""
    turns = np.linspace(0, 2 * np.pi, 17)[:-1]
    star = (np.where(np.arange(16) % 2, 0.7, 2.0)[:, None] * np.stack([np.cos(turns), np.sin(turns)], 1)).round(2)
    text = "_".join(str(round(100 * value)) for value in star.ravel())
    points = np.random.default_rng(0).uniform(-2.2, 2.2, (3000, 2)).astype(np.float32)
    towards = (star[None] - points[:, None]) @ [1, 1j]  # (points, corners)
    around = np.angle(np.roll(towards, -1, 1) / towards).sum(1)
    assert (area.contains(area.parse(text), points) == (np.abs(around) > np.pi)).all()


@pytest.mark.parametrize(
    "text", ["", "1_2", "1_2_3_4_5", "1_2_3_4_5_x", "٣_1_2_3_4_5", "1_2_3_4_5_99999", "_".join("1" * 50), "1,2,3"]
)
def test_what_is_no_area_is_refused(text: str):
    """With a sentence for the page."""
    with pytest.raises(ValueError, match=r"^The area must"):
        area.parse(text)
