"""What training makes small."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from fmnist_core.settings.config import TrainingConfig


def mean_loss(config: TrainingConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch, in nats: what training makes small. `logits`: (batch, 10), `labels`: (batch,)."""
    if config.loss == "cross-entropy":
        return F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing)
    targets = F.one_hot(labels, 10) * (1 - config.label_smoothing) + config.label_smoothing / 10  # (batch, 10)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)


def image_losses(config: TrainingConfig, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of each image, (N,), whose mean is `mean_loss`."""
    if config.loss == "cross-entropy":
        return F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing, reduction="none")
    targets = F.one_hot(labels, 10) * (1 - config.label_smoothing) + config.label_smoothing / 10  # (N, 10)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
