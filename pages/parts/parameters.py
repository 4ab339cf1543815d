"""The table of the address: every parameter with its pages, its meaning, its range and its default.

One name, one meaning. It may have another default, or other words, on another page: then it has a row for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fmnist_core.evaluation.calibration import BINS
from fmnist_core.inside.edits import KINDS
from fmnist_core.settings.config import SETTINGS, TrainingConfig
from fmnist_core.settings.jobs import LARGEST_RACE
from fmnist_core.settings.ranges import Range, Real, Switch, Text, Whole, Word
from fmnist_core.settings.recipes import RECIPES
from fmnist_core.settings.search import MOST_RUNS, SCALES


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One row."""

    name: str
    means: str
    pages: tuple[str, ...]
    """As the address names them: "train" is /train."""
    range: Range
    default: object = None
    """What a page shows where the address says nothing; None: nothing, or what the page works out."""


def _words(*names: str) -> Word:
    return Word({name: name for name in names})


def _row(name: str, pages: str, range: Range, default: object, means: str) -> Parameter:
    return Parameter(name=name, means=means, pages=tuple(pages.split()), range=range, default=default)


def _view(page: str, *names: str) -> Parameter:
    return _row("view", page, _words(*names), names[0], "Which of the page's views")


def _setting(name: str, pages: str) -> Parameter:
    return _row(name, pages, SETTINGS[name].range, getattr(TrainingConfig, name), SETTINGS[name].label)


CLASS, IMAGE = Whole(0, 9), Whole(0, 59_999)
RUN, LIST = Text(60), Text(600)
"""A run's id, and several separated by commas: the pages look them up, and say which are not there."""
RATE = SETTINGS["learning_rate"].range
OTHERS = {
    **dict.fromkeys(("conv1_channels", "conv2_channels", "hidden_units"), "network"),
    "dropout": "network explore",
    **dict.fromkeys(("batch_size", "seed"), "browse explore"),
}
"""The pages besides Train that have a setting of runs."""

AUTOMATIC = Word({"auto": "auto", "yes": "yes", "no": "no"})
LEARNED = ("Learned first", "Learned last", "Most often forgotten")

TABLE: tuple[Parameter, ...] = (
    # which pictures
    _row("split", "browse image network", _words("train", "test"), "train", "Training or test set"),
    _row("split", "inside", _words("test", "train"), "test", "Training or test set"),
    _row("of", "data", _words("test", "train"), "test", "Training or test set of the doubtful labels"),
    _row("index", "browse", IMAGE, None, "A picture's place in its split"),
    _row("index", "image network inside", IMAGE, 0, "A picture's place in its split"),
    _row("picture", "data", IMAGE, None, "The doubtful picture that is judged, by its place in its split"),
    _row("class", "browse compare inside", CLASS, None, "A class, by its number"),
    _row("true", "browse test", CLASS, None, "The true class, by its number"),
    _row("predicted", "browse test", CLASS, None, "The predicted class, by its number"),
    _row("given", "data", CLASS, None, "The published label, by its number"),
    _row("seen", "data", CLASS, None, "The class that the networks see, by its number"),
    _row("page", "browse test compare data inside", Whole(1, 60_000), 1, "Page of many pictures, from 1"),
    _row("batch", "browse", Whole(1, 60_000), 1, "A batch of the epoch, from 1"),
    _row("scale", "image", _words("tensor", "raw", "standardised"), "tensor", "The scale in which pixels are read"),
    _row("weights", "network", _words("trained", "fresh"), "trained", "Whether a run's weights are drawn, or fresh ones"),
    _row("layer", "network", _words("conv1", "conv2", "fc1", "fc2"), "conv1", "A layer of the network"),
    _row("layer", "inside", Text(80), "", "A layer of the network"),
    _row("unit", "inside", Whole(0, 2047), None, "A channel or a unit of that layer"),
    _row("place", "inside", Whole(0, 783), None, "A value of that channel: row times width, plus column"),
    _row("colours", "inside", _words("map", "layer"), "map", "Whether each map has its own scale of colours, or each layer"),
    _row("for", "inside", CLASS, None, "The class whose score is explained, by its number"),
    _row("rather_than", "inside", CLASS, None, "The class that it is held against, by its number"),
    _row("black", "inside", Switch(), False, "Whether pixels count relative to black"),
    _row("erased", "inside", Text(140), "", "Pixels that were erased: 784 bits in base64"),
    _row("map_of", "inside", _words("hidden", "pixels"), "hidden", "What makes pictures near on the map"),
    _row("map_by", "inside", _words("neighbours", "components"), "neighbours", "What a place on the map keeps"),
    _row("area", "inside", Text(300), "", "What was drawn around on the map: its corners, in hundredths"),
    _row("map_colour", "inside", _words("true", "predicted", "right"), "true", "What colours the map's pictures"),
    _row("edit", "inside", _words(*KINDS), "mute", "The kind of change that is offered"),
    _row("all_pictures", "inside", Switch(), False, "Whether a slow network is tested on all test pictures"),
    _row("edits", "inside", Text(3000), "", "What was changed in the network, one edit after the other"),
    # which view
    _view("browse", "Batch", "All images", "Statistics", "Biographies"),
    _view("test", "classes", "matrix", "mistakes", "calibration", "threshold", "robustness"),
    _view("inside", "way", "ledger", "units", "map", "surgery"),
    _view("yours", "draw", "photo", "collection"),
    _view("compare", "runs", "seeds", "leaderboard"),
    _view("explore", "race", "sweep"),
    _view("data", "copies", "labels"),
    # which runs
    _row("run", "browse image network train test inside yours", RUN, "", "A run"),
    _row("runs", "compare test", LIST, "", "Runs, or their moments, such as a,b@3000"),
    _row("settings", "compare", LIST, "", "Settings over seeds, each by one of its runs"),
    _row("race", "explore", RUN, "", "A race"),
    _row("sweep", "explore", RUN, "", "A sweep"),
    _row("rate_test", "train", RUN, "", "A learning-rate test"),
    _row("step", "browse image test inside yours", Whole(0, 12_000_000), None, "A moment of the run, in weight updates"),
    _row("beside", "train", LIST, "", "Runs laid over the chart, separated by commas"),
    _row("whose", "train", _words("everyone", "mine"), "everyone", "Whose runs are listed"),
    _row("state", "train", _words("any", "under way", "finished", "ended early"), "any", "In which state listed runs are"),
    _row("recipe", "train", _words(*RECIPES), None, "The recipe whose settings stand where the address names none"),
    _row("of_recipe", "train", _words("any", *RECIPES, "own"), "any", "The recipe of the runs that are listed"),
    _row("grouped", "train", _words("no", "person", "settings"), "no", "What brings listed runs together"),
    _row("batch_at", "train", Whole(1, 12_000_000), None, "The step whose batch is shown"),
    _row("cleaned", "test compare", Switch(), False, "Whether copies and wrong labels are left out of the test set"),
    # Browse: biographies
    _row("kind", "browse", _words("All", "Never right", "Learned for good", "Forgotten", "Wrong at the end"), "All", "What became of the pictures"),
    _row("order", "browse", _words("Index", *LEARNED, "Most changes of mind", "Surest", "Most doubtful"), "Index", "Order of pictures"),
    # Test
    _row("order", "test", _words("Surest", "Doubtful"), "Surest", "Order of pictures"),
    _row("as", "test", _words("table", "print"), "table", "How the classes are shown"),
    _row("show", "test", _words("All", "Right", "Wrong"), "All", "Which pictures a sample is drawn from"),
    _row("sample", "test", Whole(0, 999_999), 0, "Number of a random sample"),
    _row("side", "test", _words("After", "Before", "Difference"), "After", "Before, after, or the difference"),
    _row("numbers", "test", _words("counts", "rows", "columns"), "counts", "Counts or shares"),
    _row("classes", "test", _words("given", "similar"), "given", "Order of the classes"),
    _row("diagonal", "test", Switch(), False, "Whether the right ones are coloured too"),
    _row("against", "test", RUN, "0", "The other side of a difference: a step of this run, or a run"),
    _row("sort", "test", _words("confidence", "margin", "loss"), "confidence", "What a list is sorted by"),
    _row("temperature", "test", Real(0.25, 4), 1.0, "What the scores are divided by"),
    _row("fit", "test", Switch(), False, "Whether the temperature is fitted"),
    _row("bin", "test", Whole(0, BINS - 1), None, "A bin of the reliability diagram"),
    _row("threshold", "test", Real(0, 1), 0.7, "Least confidence for an answer"),
    _row("which", "test", _words("abstained", "answered wrong"), "abstained", "Which pictures are below the threshold's curve"),
    _row("changed", "test", _words("shift", "turn", "scale", "brightness", "noise", "blur", "invert"), "shift", "How test pictures are changed"),
    _row("strength", "test", Whole(1, 4), 1, "How much they are changed, from 1"),
    # Yours
    _row("pixels", "yours inside", Text(1_400), "", "A drawing: its 784 pixels, compressed"),
    _row("start", "yours", Whole(0, 9_999), 0, "The test picture to begin a drawing with"),
    _row("second", "yours", RUN, "", "A second run that answers beside the first"),
    _row("photo_of", "yours", Whole(0, 9_999), None, "The test picture that a photograph is made of"),
    _row("part", "yours", Whole(0, 99), 0, "Which of several files is shown"),
    _row("cut", "yours", Real(0, 1), None, "Distance from the background's colour at which the garment begins"),
    _row("negate", "yours", AUTOMATIC, "auto", "Whether dark becomes light"),
    _row("angle", "yours", Real(-180, 180), None, "Degrees by which a photograph is turned, counterclockwise"),
    _row("crop", "yours", Text(40), "", "Left, top, right, bottom of a photograph, in percent"),
    _row("mirror", "yours", AUTOMATIC, "auto", "Whether left becomes right"),
    _row("upright", "yours", Switch(), True, "Whether a photograph is turned as the camera says"),
    _row("sharpen", "yours", Switch(), True, "Whether the small picture is sharpened"),
    _row("stretch", "yours", Switch(), True, "Whether the brightest pixel becomes 255"),
    _row("what_if", "yours", _words("shift", "turn", "scale", "brightness", "thickness"), "shift", "What is changed, to see what the network says"),
    _row("trust", "yours", Switch(), False, "Whether the flag's own quality is shown"),
    _row("mine", "yours", Text(40), "", "A picture of one's own collection"),
    # Compare
    _row("sort", "compare", _words("test", "validation", "name", "epochs", "time"), "test", "What a list is sorted by"),
    _row("up", "compare", Switch(), False, "Whether the list ascends"),
    _row("references", "compare", Switch(), True, "Whether others' results are listed"),
    _row("log", "compare", Switch(), False, "Whether the loss axis is logarithmic"),
    _row("other", "compare", Whole(1, 9), 1, "Which of the chosen runs the first is compared with"),
    _row("change", "inside", _words("broken", "fixed"), "broken", "Pictures that change sides: fixed or broken"),
    _row("change", "compare", _words("fixed", "broken"), "fixed", "Pictures that change sides: fixed or broken"),
    # Data
    _row("copies", "data", _words("leaks", "train", "test"), "leaks", "Which copies are shown"),
    # the settings of runs
    *(_setting(name, f"train {OTHERS.get(name, '')}") for name in SETTINGS),
    # Explore
    _row("epochs", "explore", Whole(1, 10), 1, SETTINGS["epochs"].label),
    _row("vary", "explore", _words("seed", "learning_rate"), "seed", "What differs between a race's copies"),
    _row("replicas", "explore", Whole(2, LARGEST_RACE), 16, "Networks in a race"),
    _row("rate", "explore", RATE, 0.02, "Learning rate of every copy"),
    _row("low", "explore", RATE, 0.001, "Lowest learning rate of a race"),
    _row("high", "explore", RATE, 5.0, "Highest learning rate of a race"),
    _row("vary_settings", "explore", LIST, "learning_rate,batch_size", "Settings that a sweep varies, separated by commas"),
    *(
        _row(f"{name}_{end}", "explore", Real(scale.values[0], scale.values[-1]), getattr(scale, end), f"{end.capitalize()} end: {scale.label}")
        for name, scale in SCALES.items()
        for end in ("low", "high")
    ),
    _row("sampler", "explore", _words("grid", "random"), "grid", "Which combinations a sweep tries"),
    _row("points", "explore", Whole(2, 5), 3, "Values of each setting in a grid"),
    _row("count", "explore", Whole(2, MOST_RUNS), 6, "Runs of a random sample"),
    _row("sample_seed", "explore", Whole(0, 9999), 0, "Seed of a random sample of settings"),
)  # fmt: skip

_BY_NAME: dict[str, list[Parameter]] = {}
for _one in TABLE:
    _BY_NAME.setdefault(_one.name, []).append(_one)

RENAMED = {
    ("browse", "size"): "batch_size",
    ("train", "batch"): "batch_at",
    ("compare", "against"): "other",
    ("explore", "copies"): "replicas",
}
"""What a page's parameters were called once, and what they are called now: old links show what they showed."""


def with_new_names(page: str, address: Mapping[str, str]) -> dict[str, str]:
    """`address` as this page is asked today; where it has both names, the new one counts.

    >>> with_new_names("browse", {"size": "7", "seed": "3"})
    {'seed': '3', 'batch_size': '7'}
    """
    new = {name: text for name, text in address.items() if (page, name) not in RENAMED}
    for name in address.keys() - new.keys():
        new.setdefault(RENAMED[page, name], address[name])
    return new


def named(name: str, page: str = "") -> Parameter:
    """The row of `name` for `page`, or the first one. Raises LookupError where the table has none."""
    if not (rows := _BY_NAME.get(name)):
        raise LookupError(f"the address has no parameter {name!r}: pages/parts/parameters.py names all of them")
    return next((row for row in rows if page in row.pages), rows[0])


def of_page(page: str) -> Iterable[Parameter]:
    """What a page reads."""
    return (row for row in TABLE if page in row.pages)
