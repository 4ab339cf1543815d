"""Takes one step of training and keeps all its numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch

from fmnist_core.data import dataset
from fmnist_core.evaluation.evaluate import evaluate
from fmnist_core.runs.files.single_step import Floats, SingleStep
from fmnist_core.training.events import Diverged, Losses
from fmnist_core.training.loop import batches, train
from fmnist_core.training.objective import image_losses, mean_loss
from fmnist_core.training.precision import precision
from fmnist_core.training.state import TrainingData, TrainingState, extent


def take_step(state: TrainingState, data: TrainingData) -> tuple[Losses | Diverged, SingleStep]:
    """The next step, taken exactly as training takes it, and its numbers.

    The step itself is training's own. What training does not tell (the logits with dropout, the gradient) is computed
    beside it on a copy of the network, with the same random numbers.
    """
    config = state.config
    epoch, step_in_epoch = divmod(state.step, extent(config, data)[0])
    images, labels = next(batches(data, config, epoch, step_in_epoch))
    before = copy.deepcopy(state.net)
    state_before = _numbers(_remembered(state))
    logits_trained, losses_trained, gradients = _rehearse(state, images, labels)
    news = next(event for event in train(state, data, [state.step + 1]) if isinstance(event, Losses | Diverged))

    def looked_at(net: torch.nn.Module) -> tuple[Floats, Floats]:
        evaluation = evaluate(net, images, labels.cpu().numpy())
        losses = image_losses(config, torch.from_numpy(evaluation.logits), labels.cpu())
        return evaluation.logits, losses.numpy()

    (logits_before, losses_before), (logits_after, losses_after) = looked_at(before), looked_at(state.net)
    size, seed, validation, fold = config.batch_size, config.seed, config.validation, config.fold
    return news, SingleStep(
        step=state.step,
        optimizer=config.optimizer,
        learning_rate=state.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        indices=dataset.step_indices(
            len(data.labels), size=size, seed=seed, step=state.step, validation=validation, fold=fold
        ),
        labels=labels.cpu().numpy(),
        images=images[:, 0].cpu().numpy(),
        logits_trained=logits_trained,
        logits_before=logits_before,
        logits_after=logits_after,
        losses_trained=losses_trained,
        losses_before=losses_before,
        losses_after=losses_after,
        weights_before=_numbers(dict(before.named_parameters())),
        gradients=gradients,
        weights_after=_numbers(dict(state.net.named_parameters())),
        state_before=state_before,
        state_after=_numbers(_remembered(state)),
    )


def _rehearse(
    state: TrainingState, images: torch.Tensor, labels: torch.Tensor
) -> tuple[Floats, Floats, dict[str, Floats]]:
    """Logits with dropout, losses and gradients of the step to come; the generators stay where they are."""
    net = copy.deepcopy(state.net)
    net.train()
    net.zero_grad()
    devices = [state.device] if state.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        with precision(state.device, state.config.architecture):  # as training
            logits = net(images)
            loss = mean_loss(state.config, logits, labels)
        loss.backward()  # type: ignore[no-untyped-call]
        logits = logits.float()
    gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    losses = image_losses(state.config, logits, labels)
    return logits.detach().cpu().numpy(), losses.detach().cpu().numpy(), _numbers(gradients)


def _remembered(state: TrainingState) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name, parameter in state.net.named_parameters()
        for key, value in state.optimizer.state[parameter].items()
    }


def _numbers(tensors: Mapping[str, torch.Tensor]) -> dict[str, Floats]:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
