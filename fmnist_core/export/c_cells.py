"""The cells that compile and call the training step in C, for runs that took their steps with it."""

from __future__ import annotations

import re

from fmnist_core.export.cells import Needs
from fmnist_core.export.quoting import CORE
from fmnist_core.training.compiled.library import COMPILERS, FLAGS, NATIVE

STEP = "step.c"


def sources() -> list[str]:
    """The C files of the training step, each as a cell that writes it where the notebook is; what is included first."""
    folder, found = CORE / "training" / "compiled", dict[str, str]()

    def add(name: str) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        for included in re.findall(r'^#include "(.+)"$', text, re.MULTILINE):
            if included not in found:
                add(included)
        found[name] = text

    add(STEP)
    return [f"%%writefile {name}\n{text.rstrip()}" for name, text in found.items()]


def compiled(needs: Needs) -> str:
    """The compiled engine: how it is compiled and called."""
    augmented = needs.is_augmented
    rate = "learning_rate * factors[step + n]" if needs.is_scheduled else "learning_rate"
    smoothing = "label_smoothing" if needs.any("label_smoothing") else "0.0"
    decay = "weight_decay" if needs.any("weight_decay") else "0.0"
    pictures = "train_images[indices]"
    if augmented:
        pictures = (
            "torch.cat([augment(train_images[some], epoch, batch + n) "
            "for n, some in enumerate(indices.split(batch_size))])"
        )
    names = '("channels1", "channels2", "hidden", "batch", "images", "threads")'
    return f'''FLAGS = {list(FLAGS)!r}
NATIVE = {NATIVE!r}.get(platform.machine(), "-march=native")
compiler = next(filter(None, map(shutil.which, {COMPILERS!r})), None)
library = None
if compiler:
    subprocess.run([compiler, *FLAGS, NATIVE, "step.c", "-o", "./step.so", "-lm"], check=True)
    library = ctypes.CDLL("./step.so")
else:
    print("No C compiler was found: PyTorch takes the steps, and rounds otherwise.")


class Job(ctypes.Structure):
    """`Job` in network.h, field by field."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in {names}),
        *((name, ctypes.c_void_p) for name in ("pixels", "labels", "order", "levels", "kept", "rates")),
        ("parameters", ctypes.c_void_p * 8),
        ("momenta", ctypes.c_void_p * 8),
        ("losses", ctypes.c_void_p),
        *((name, ctypes.c_double) for name in ("dropout", "smoothing", "momentum", "decay")),
        ("nesterov", ctypes.c_int64),
    ]


def as_rows(tensor):
    """Convolutions as (out, y, x, in), everything in one piece of memory."""
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous()


def momentum_of(parameter):
    """What the optimizer remembers of a parameter; zeros before the first step."""
    state = optimizer.state[parameter]
    return state.setdefault("momentum_buffer", torch.zeros_like(parameter, requires_grad=False))


def train_in_c(until):
    """What `train` does, the steps of an epoch in one call."""
    global step
    if library is None:
        return train(until)
    levels = as_input(torch.arange(256, dtype=torch.uint8).view(1, 16, 16)).flatten()
    while step < until:
        epoch, batch = divmod(step, steps_per_epoch)
        count = min(until, (epoch + 1) * steps_per_epoch) - step
        indices = order(epoch)[batch * batch_size :][: count * batch_size]
        images, labels, places = {pictures}, train_labels[indices], np.arange(len(indices))
        kept = None  # which hidden units dropout keeps, for one batch after another, as F.dropout draws them
        if dropout:
            shapes = [(len(some), net.fc1.out_features) for some in indices.split(batch_size)]
            kept = torch.cat([torch.empty(shape).bernoulli_(1 - dropout) for shape in shapes]).to(torch.uint8)
        rates = np.array([{rate} for n in range(count)], np.float32)
        found = np.empty(count, np.float32)
        tensors = [parameter.detach() for parameter in net.parameters()]
        tensors += [momentum_of(parameter) for parameter in net.parameters()]
        rows = [as_rows(tensor) for tensor in tensors]
        job = Job(
            net.conv1.out_channels, net.conv2.out_channels, net.fc1.out_features,
            batch_size, len(indices), torch.get_num_threads(),
            images.data_ptr(), labels.data_ptr(), places.ctypes.data, levels.data_ptr(),
            kept.data_ptr() if kept is not None else None, rates.ctypes.data,
            (ctypes.c_void_p * 8)(*(tensor.data_ptr() for tensor in rows[:8])),
            (ctypes.c_void_p * 8)(*(tensor.data_ptr() for tensor in rows[8:])),
            found.ctypes.data,
            dropout, {smoothing}, momentum, {decay}, optimizer.param_groups[0]["nesterov"],
        )
        library.train_steps(ctypes.byref(job))
        for tensor, row in zip(tensors, rows):
            if row.data_ptr() != tensor.data_ptr():  # a copy in another memory layout
                tensor.copy_(row.permute(0, 3, 1, 2))
        losses.extend(found.tolist())
        step += count
        tell(epoch, batch + count - 1)
    return None'''
