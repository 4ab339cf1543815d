"""Settings that have a name: what one learns from them, and how far they got."""

from __future__ import annotations

from dataclasses import dataclass

from fmnist_core.settings.config import TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings that have a name, and what one learns from them."""

    title: str
    config: TrainingConfig
    teaches: str
    """One or two sentences for the page."""
    minutes: float
    """About how long it trains on two CPU cores."""
    accuracy: float | None = None
    """Mean test accuracy over `seeds` seeds, in [0, 1], by benchmarks/recipes.py; None where it was never run."""
    seeds: int = 0
    published: str = ""
    """The line of the published results (`evaluation/references.py`) to hold it against."""


RECIPES: dict[str, Recipe] = {
    "tutorial": Recipe(
        title="Tutorial",
        config=TrainingConfig(),
        teaches="The published notebook as it is: a small convolutional network, small steps, always of the same size.",
        minutes=1.2,
        accuracy=0.8737,
        seeds=5,
        published="2 conv layers with max pooling (Keras)",
    ),
    "fast": Recipe(
        title="Fast",
        config=TrainingConfig(
            optimizer="nesterov",
            schedule="one-cycle",
            learning_rate=0.025,
            batch_size=16,
            epochs=1,
            step_limit=3_100,
            dropout=0.0,
            label_smoothing=0.05,
            standardise=True,
        ),
        teaches="The tutorial's network and its accuracy, from 50,000 pictures instead of 1,200,000: large steps that become "
        "small, and standardised pictures. How one trains matters as much as for how long.",
        minutes=0.02,
        accuracy=0.8774,
        seeds=5,
    ),
    "minute": Recipe(
        title="Minute",
        config=TrainingConfig(
            architecture="residual",
            optimizer="muon",
            schedule="one-cycle",
            learning_rate=0.02,
            momentum=0.95,
            weight_decay=0.01,
            batch_size=256,
            epochs=6,
            label_smoothing=0.05,
            standardise=True,
            shift=1,
            flip=True,
            flip_test=True,
        ),
        teaches="A network with skip connections and 96,778 parameters: batch normalisation and Muon let it learn much in "
        "six epochs, and pictures moved by a pixel or mirrored keep it from learning them by heart.",
        minutes=1,
        accuracy=0.9305,
        seeds=5,
        published="2 conv layers, fewer than 100K parameters",
    ),
    "best": Recipe(
        title="Best",
        config=TrainingConfig(
            architecture="deep",
            optimizer="muon",
            schedule="one-cycle",
            learning_rate=0.02,
            momentum=0.95,
            weight_decay=0.01,
            batch_size=256,
            epochs=25,
            label_smoothing=0.1,
            standardise=True,
            shift=2,
            flip=True,
            erase=8,
            flip_test=True,
        ),
        teaches="What a laptop can do over lunch: a deeper network, which needs pictures moved and mirrored to keep it "
        "from learning them by heart.",
        minutes=20,
        accuracy=0.9444,
        seeds=3,
        published="ResNet18",
    ),
    "gpu": Recipe(
        title="For a GPU",
        config=TrainingConfig(
            architecture="wide",
            optimizer="nesterov",
            schedule="cosine",
            learning_rate=0.1,
            weight_decay=0.0005,
            batch_size=128,
            epochs=200,
            standardise=True,
            shift=4,
            flip=True,
            erase=8,
            flip_test=True,
        ),
        teaches="A network of 8.9 million weights (WRN-40-4), for hours on a GPU. Never run here: the settings are those of "
        "its paper, and 96 % is what others report.",
        minutes=60_000,
        published="WRN-40-4, 8.9M parameters",
    ),
    "softmax": Recipe(
        title="Softmax regression",
        config=TrainingConfig(
            architecture="linear", optimizer="sgd", schedule="cosine", learning_rate=0.02, batch_size=256, epochs=10
        ),
        teaches="No hidden layer: each class weighs the 784 pixels, and its weights can be looked at as a picture. This is "
        "how far straight lines go.",
        minutes=0.1,
        accuracy=0.8353,
        seeds=5,
        published="LogisticRegression, C=1, one-vs-rest, L2",
    ),
    "logistic": Recipe(
        title="Logistic regression",
        config=TrainingConfig(
            architecture="linear",
            loss="one-vs-rest",
            optimizer="sgd",
            schedule="cosine",
            learning_rate=0.02,
            batch_size=256,
            epochs=10,
        ),
        teaches="The same weights as softmax regression, trained as ten separate questions: this class or any other? What "
        "differs is the loss alone.",
        minutes=0.1,
        accuracy=0.8308,
        seeds=5,
        published="LogisticRegression, C=1, one-vs-rest, L1",
    ),
    "perceptron": Recipe(
        title="Two-layer perceptron",
        config=TrainingConfig(
            architecture="perceptron",
            hidden_units=100,
            dropout=0.0,
            optimizer="adam",
            schedule="cosine",
            learning_rate=0.001,
            batch_size=256,
            epochs=10,
        ),
        teaches="One hidden layer and a ReLU bend the straight lines. It has three times the weights of the tutorial's "
        "network and does not know which pixels are neighbours.",
        minutes=0.2,
        accuracy=0.8633,
        seeds=5,
        published="MLPClassifier, ReLU, 100 hidden units",
    ),
}
