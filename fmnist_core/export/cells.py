"""The cells of the notebook: code in the tutorial's style, quoted from our own source where that is what trained."""

from __future__ import annotations

from dataclasses import dataclass

from fmnist_core.data.dataset import MEAN, STD
from fmnist_core.export.quoting import quoted
from fmnist_core.settings.config import TrainingConfig

NETS = "networks/architectures.py"
STEPS_PER_EPOCH = "steps_per_epoch = -(-len(trained_on) // batch_size)"
FUSED = 'fused=device.type != "mps"'


@dataclass(frozen=True)
class Needs:
    """What the runs of a history used, so that the notebook shows that and no more."""

    configs: tuple[TrainingConfig, ...]
    compiled: bool
    """Whether some of the steps were taken by the compiled engine."""
    device: str

    def any(self, name: str) -> bool:
        """Whether a setting was ever on."""
        return any(getattr(config, name) for config in self.configs)

    @property
    def is_scheduled(self) -> bool:
        """Whether a schedule changed the learning rate."""
        return any(config.schedule != "constant" for config in self.configs)

    @property
    def is_augmented(self) -> bool:
        """Whether training changed the pictures."""
        return self.any("shift") or self.any("flip") or self.any("erase")

    @property
    def is_wide(self) -> bool:
        """Whether the network is one of those that compute in bfloat16 where the processor multiplies it."""
        return self.configs[0].architecture in ("residual", "deep", "wide")

    @property
    def settings(self) -> tuple[str, ...]:
        """The settings that the code below reads, in the order in which they are shown."""
        config = self.configs[0]
        names = ["seed", "batch_size", "learning_rate"]
        if any(other.optimizer != "adam" for other in self.configs):
            names.append("momentum")
        if config.architecture in ("net", "perceptron"):
            names.append("dropout")
        names += [name for name in ("weight_decay", "label_smoothing") if self.any(name)]
        names += ["shift", "flip", "erase"] if self.is_augmented else []
        return tuple(names)


def imports(needs: Needs, *, beginning: bool) -> str:
    """The first cell."""
    modules = {"base64", "hashlib", "platform", "zlib"}
    modules |= {"ctypes", "shutil", "subprocess"} if needs.compiled else set()
    modules |= {"io"} if beginning else set()
    modules |= {"math"} if any(config.optimizer == "muon" for config in needs.configs) else set()
    lines = [f"import {name}" for name in sorted(modules)]
    if needs.is_wide:
        lines.append("from contextlib import nullcontext")
    lines += [
        "",
        "import numpy as np",
        "import torch",
        "import torch.nn as nn",
        "import torch.nn.functional as F",
        "from torchvision.datasets import FashionMNIST",
        "from torchvision.transforms.functional import to_pil_image",
        "from torchvision.utils import make_grid",
        "",
    ]
    if needs.device == "cpu":
        lines.append('device = torch.device("cpu")  # where the run was trained')
    else:
        lines += [
            f"is_there = torch.{'cuda' if needs.device == 'cuda' else 'backends.mps'}.is_available()",
            f'device = torch.device("{needs.device}" if is_there else "cpu")  # the run was trained on "{needs.device}"',
            "torch.backends.cudnn.deterministic = True",
        ]
    return "\n".join([*lines, 'print("torch", torch.__version__, "on", device)'])


LOAD = """train_data = FashionMNIST(root="./data", train=True, download=True)
test_data = FashionMNIST(root="./data", train=False, download=True)
classes = train_data.classes
train_images, train_labels = train_data.data.to(device), train_data.targets.to(device)  # (60000, 28, 28) uint8, (60000,)
test_images, test_labels = test_data.data.to(device), test_data.targets.to(device)
print(len(train_images), "training images,", len(test_images), "test images")"""


def trained_on(config: TrainingConfig) -> list[str]:
    """The images that are trained on."""
    lines = ["trained_on = np.arange(len(train_images))"]
    if config.validation:
        first, last = config.fold * config.validation, (config.fold + 1) * config.validation
        lines.append(f"held_out = np.arange({first}, {last})  # never trained on: settings were chosen by them")
        lines.append("trained_on = np.delete(trained_on, held_out)")
    return lines


def order(needs: Needs) -> str:
    """Which images are trained on, and in which order."""
    config = needs.configs[0]
    lines = [
        *trained_on(config),
        "",
        "",
        "def order(epoch):",
        '    """The images of an epoch (0-based) in the order in which they are seen: seed and epoch decide it."""',
        "    return torch.from_numpy(trained_on[np.random.default_rng([seed, epoch]).permutation(len(trained_on))])",
        "",
        "",
        f"seed = {config.seed}",
        "first_batch = order(0)[:20]",
        'print(", ".join(classes[label] for label in train_labels[first_batch]))',
        "to_pil_image(make_grid(train_images[first_batch].cpu()[:, None], nrow=10))",
    ]
    return "\n".join(lines)


def network(needs: Needs) -> str:
    """The class, and what the network sees of a picture."""
    match needs.configs[0].architecture:
        case "net":
            classes = quoted("networks/net.py", "Net", "QuickNet")
        case "linear":
            classes = quoted(NETS, "Linear")
        case "perceptron":
            classes = quoted(NETS, "Perceptron")
        case "residual" | "deep":
            classes = quoted(NETS, "Convolution", "Block", "Residual")
        case "wide":
            classes = quoted(NETS, "WideBlock", "WideResidual")
    return classes


def _constructor(config: TrainingConfig) -> str:
    match config.architecture:
        case "net":
            return f"QuickNet({config.conv1_channels}, {config.conv2_channels}, {config.hidden_units}, dropout)"
        case "linear":
            return "Linear()"
        case "perceptron":
            return f"Perceptron({config.hidden_units}, dropout)"
        case "residual":
            return "Residual((32, 64), (1, 1), 1)"
        case "deep":
            return "Residual((48, 96), (1, 1))"
        case "wide":
            return "WideResidual(40, 4)"


def as_input(config: TrainingConfig) -> str:
    """What the network sees of a picture."""
    lines = [
        "def as_input(images):",
        '    """What ToTensor does, for a whole batch: (N, 28, 28) uint8 to (N, 1, 28, 28) float32 in [0, 1]."""',
        "    images = images.float().div_(255)",
    ]
    if config.standardise:
        lines.append(
            f"    images = images.sub_({MEAN}).div_({STD})  # mean and standard deviation of the training pixels"
        )
    return "\n".join([*lines, "    return images.unsqueeze(1)"])


def criterion(config: TrainingConfig) -> str:
    """The loss of a batch."""
    if config.loss == "cross-entropy":
        smoothing = "label_smoothing=label_smoothing" if config.label_smoothing else ""
        return f"criterion = nn.CrossEntropyLoss({smoothing})"
    smoothed = " * (1 - label_smoothing) + label_smoothing / 10" if config.label_smoothing else ".float()"
    return (
        "def criterion(logits, labels):\n"
        '    """Ten separate yes-or-no questions: this class or any other?"""\n'
        f"    targets = F.one_hot(labels, 10){smoothed}\n"
        '    return F.binary_cross_entropy_with_logits(logits, targets, reduction="sum") / len(labels)'
    )


def optimizer(config: TrainingConfig) -> str:
    """What changes the weights."""
    decay = ", weight_decay=weight_decay" if config.weight_decay else ""
    match config.optimizer:
        case "sgd" | "nesterov":
            nesterov = ", nesterov=True" if config.optimizer == "nesterov" else ""
            return f"optimizer = torch.optim.SGD(net.parameters(), learning_rate, momentum{decay}{nesterov}, {FUSED})"
        case "adam":
            name = "AdamW" if config.weight_decay else "Adam"
            return f"optimizer = torch.optim.{name}(net.parameters(), learning_rate{decay}, {FUSED})"
        case "muon":
            return (
                "*hidden, last = (parameter for parameter in net.parameters() if parameter.dim() > 1)\n"
                "others = [parameter for parameter in net.parameters() if parameter.dim() == 1]\n"
                f"optimizer = Muon(hidden, [*others, last], learning_rate, momentum{decay})"
            )


def factors(config: TrainingConfig) -> str:
    """How the learning rate goes over the run."""
    return f'factors = factor_at("{config.schedule}", np.arange({config.total_steps}), {config.total_steps}).tolist()'


def definitions(needs: Needs) -> str:
    """What the optimizer and the schedule are made of, where torch does not have them."""
    parts = []
    if any(config.optimizer == "muon" for config in needs.configs):
        parts.append(quoted("training/optimizers.py", "COEFFICIENTS", "ITERATIONS", "BETAS", "Muon", "orthogonal"))
    if needs.is_scheduled:
        names = ("WARM_UP", "LOW_START", "MILESTONES", "factor_at")
        parts.append(quoted("settings/schedules.py", *names))
    if needs.is_wide:
        parts.append(quoted("training/precision.py", "multiplies_bfloat16"))
    return "\n\n\n".join(parts)


def set_up(needs: Needs) -> str:
    """Settings, network, loss, optimizer."""
    config = needs.configs[0]
    lines = [f"{name} = {getattr(config, name)!r}" for name in needs.settings]
    lines += [
        "",
        "torch.set_flush_denormal(True)  # numbers below 1e-38 are zero: some processors compute slowly with them",
        "torch.manual_seed(seed)",
        f"net = {_constructor(config)}.to(device).to(memory_format=torch.channels_last)",
    ]
    lines += [criterion(config), optimizer(config)]
    if needs.is_scheduled:
        lines.append(factors(config))
    if needs.is_wide:
        lines += [
            "reduced = nullcontext()",
            "if multiplies_bfloat16(device.type):",
            "    reduced = torch.autocast(device.type, torch.bfloat16)",
        ]
    lines += ['print(sum(parameter.numel() for parameter in net.parameters()), "weights and biases")']
    return "\n".join(lines)


AUGMENT = '''def augment(images, epoch, batch):
    """Each picture moved, mirrored, with a piece missing: seed, epoch and batch alone decide what happens to it."""
    random, position = np.random.default_rng([seed, epoch, batch, 1]), np.arange(28)
    down, right = random.integers(-shift, shift, (2, len(images), 1), endpoint=True)
    mirrored = random.random((len(images), 1)) < 0.5 if flip else np.zeros((len(images), 1), bool)
    rows = position - down
    columns = np.where(mirrored, 27 - position, position) - np.where(mirrored, -right, right)
    centre = random.integers(0, 28, (2, len(images), 1))
    corner = centre - erase // 2
    erased_rows, erased_columns = torch.from_numpy((corner <= position) & (position < corner + erase)).to(device)
    rows, columns = (  # 28 stands for everything beyond the edge, which is black
        torch.from_numpy(np.where((lines >= 0) & (lines < 28), lines, 28)).to(device) for lines in (rows, columns)
    )
    number = torch.arange(len(images), device=device)
    moved = F.pad(images, (0, 1, 0, 1))[number[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved.masked_fill_(erased_rows[:, :, None] & erased_columns[:, None, :], 0)'''


def train(needs: Needs) -> str:
    """The loop."""
    augmented = "augment(train_images[indices], epoch, batch)" if needs.is_augmented else "train_images[indices]"
    rate = "learning_rate * factors[step]" if needs.is_scheduled else "learning_rate"
    forward = ["logits = net(inputs)  # 3. predict", "loss = criterion(logits, labels)  # 4. measure how wrong that is"]
    inside = ["            with reduced:", *(f"                {line}" for line in forward)] if needs.is_wide else None
    lines = [
        *([AUGMENT, "", ""] if needs.is_augmented else []),
        "step = 0  # weight updates so far",
        "losses = []  # of each of them",
        STEPS_PER_EPOCH,
        "",
        "",
        "def tell(epoch, batch):",
        '    """The tutorial\'s line."""',
        "    average = sum(losses[-(batch % 1000 + 1) :]) / len(losses[-(batch % 1000 + 1) :])",
        '    print(f"Epoch: {epoch + 1}, Batch: {batch + 1}, Avg. Loss: {average}")',
        "",
        "",
        "def train(until):",
        '    """Train until `until` steps are done."""',
        "    global step",
        "    net.train()",
        "    while step < until:",
        "        epoch, first = divmod(step, steps_per_epoch)",
        "        batches = torch.split(order(epoch).to(device), batch_size)[first:][: until - step]",
        "        for batch, indices in enumerate(batches, start=first):  # 1. take a batch",
        f"            inputs, labels = as_input({augmented}), train_labels[indices]",
        "            optimizer.zero_grad()  # 2. forget the last gradients",
        *(inside or [f"            {line}" for line in forward]),
        "            loss.backward()  # 5. find each weight's share in it",
        "            for group in optimizer.param_groups:",
        f'                group["lr"] = {rate}',
        "            optimizer.step()  # 6. change every weight a little",
        "            losses.append(loss.item())",
        "            step += 1",
        "            if batch % 1000 == 999 or step in (until, (epoch + 1) * steps_per_epoch):",
        "                tell(epoch, batch)",
    ]
    return "\n".join(lines)


def logits_of(config: TrainingConfig) -> str:
    """The network in evaluation mode."""
    found = "(net(inputs) + net(inputs.flip(-1))) / 2" if config.flip_test else "net(inputs)"
    says = "the mean over each picture and its mirror image" if config.flip_test else "of each picture"
    return f'''def logits_of(images):
    """Ten numbers, {says}, without dropout: (N, 10)."""
    net.eval()
    with torch.no_grad():
        batches = (as_input(some) for some in torch.split(images, 200))
        return torch.cat([{found} for inputs in batches])'''


def test(images: str, labels: str) -> str:
    """The tutorial's report."""
    return f"""logits = logits_of({images})
correct = logits.argmax(1) == {labels}
print(f"Test Loss: {{F.cross_entropy(logits, {labels}):.6f}}\\n")
for number, name in enumerate(classes):
    own = correct[{labels} == number]
    print(f"Test Accuracy of {{name:>5}}: {{100 * int(own.sum()) // len(own):2d}}% ({{int(own.sum()):2d}}/{{len(own):2d}})")
print(f"\\nTest Accuracy (Overall): {{100 * int(correct.sum()) // len(correct):2d}}% ({{int(correct.sum()):2d}}/{{len(correct):2d}})")"""
