"""What others have reached on the 10,000 test pictures, to hold one's own runs against."""

from __future__ import annotations

from dataclasses import dataclass

TABLE = "https://github.com/zalandoresearch/fashion-mnist#benchmark"
PAPER = "https://arxiv.org/abs/1708.07747"
"""Its table 3 has the classifiers of scikit-learn."""


@dataclass(frozen=True)
class Reference:
    """One line of a published table, as it stands there."""

    name: str
    preprocessing: str
    accuracy: float
    """On the test pictures, in [0, 1]."""
    submitter: str
    source: str = TABLE


CHANCE = Reference("A blind guess", "ten classes of equal size", 0.1, "chance", "")
TUTORIAL = Reference("The tutorial's notebook", "none", 0.878, "printed in the notebook", "")
PUBLISHED = (
    Reference("People", "1,000 test pictures, majority of three people without fashion expertise", 0.835, "Leo"),
    Reference("2 conv layers with max pooling (Keras)", "none", 0.876, "Kashif Rasul"),
    Reference("GRU + SVM", "none", 0.888, "@AFAgarap"),
    Reference("XgBoost", "pixel values scaled to mean 0, variance 1", 0.898, "@anktplwl91"),
    Reference("MLP 256-128-64", "none", 0.900, "@lianghong"),
    Reference("2 conv layers, more than 300 epochs (TensorFlow)", "none", 0.916, "TensorFlow's doc"),
    Reference("2 conv layers, fewer than 100K parameters", "none", 0.925, "@hardmaru"),
    Reference("HOG + SVM", "HOG", 0.926, "@subalde"),
    Reference("VGG16, 26M parameters", "none", 0.935, "@QuantumLiu"),
    Reference("Capsule network, 8M parameters", "normalised, shifted by up to 2 pixels, flipped", 0.936, "@XifengGuo"),
    Reference("ResNet18", "normalised, flipped both ways, moved, rotated", 0.949, "Kyriakos Efthymiadis"),
    Reference("DenseNet-BC, 768K parameters", "standardised, cropped, flipped", 0.954, "@ajbrock"),
    Reference("WRN-28-10 + random erasing", "standardised, cropped, flipped", 0.963, "@zhunzhong07"),
    Reference("WRN-40-4, 8.9M parameters", "standardised, cropped, flipped", 0.967, "@ajbrock"),
)
"""Submitted benchmarks of the data set's own README; its authors say that they have not tested them."""
BASELINES = (
    Reference("LogisticRegression, C=1, one-vs-rest, L2", "none", 0.841, "Xiao, Rasul and Vollgraf", PAPER),
    Reference("LogisticRegression, C=1, one-vs-rest, L1", "none", 0.842, "Xiao, Rasul and Vollgraf", PAPER),
    Reference("MLPClassifier, ReLU, 100 hidden units", "none", 0.871, "Xiao, Rasul and Vollgraf", PAPER),
)
"""Of the data set's paper: those that a recipe is held against."""


def named(name: str) -> Reference:
    """The line of that name. Raises LookupError where there is none."""
    for line in (*PUBLISHED, *BASELINES):
        if line.name == name:
            return line
    raise LookupError(f"no published result has the name {name!r}")
