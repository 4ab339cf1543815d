"""One step of a run: the images of its batch, the worst first. A click on the loss curve leads here."""

from __future__ import annotations

import numpy as np
import streamlit as st

from fmnist_core.data.dataset import CLASSES
from fmnist_core.runs import client
from fmnist_core.runs.files import curve
from fmnist_core.runs.files.batch import batch_of, batch_then
from fmnist_core.runs.files.record import Run
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, controls, frame
from pages.parts.components.image_grid import image_grid

SHOWN = 100


def batch_view(run: Run) -> None:
    """The batch of the step in `?batch=`; nothing where the address names none."""
    if not address.has("batch_at") or run.step <= run.first_step:
        return
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            step = controls.whole_number(
                "Step", "batch_at", low=run.first_step + 1, high=run.step, default=run.step, width=170
            )
            for label, key, to in (("Previous", "step_before", step - 1), ("Next", "step_after", step + 1)):
                is_there = run.first_step < to <= run.step
                st.button(label, key=key, on_click=address.put, kwargs={"batch_at": to}, disabled=not is_there)
            st.button(
                "Close", icon=":material/close:", key="close_batch", on_click=address.put, kwargs={"batch_at": None}
            )
        _pictures(run, step)


def _pictures(run: Run, step: int) -> None:
    train = frame.data_or_stop("train")
    folder = client.folder(run.id)
    batch = None
    try:
        with st.spinner("The network looks at this batch"):
            batch = batch_then(folder, step)
    except FileNotFoundError:
        pass  # no weights were kept from before this step: the pictures are known all the same
    except (OSError, ValueError, RuntimeError) as error:
        st.warning(frame.plain(f"This step cannot be shown: {error}"), icon=":material/broken_image:")
        return
    trained_on = batch_of(run.config, step)
    order = (np.arange(len(trained_on)) if batch is None else np.argsort(-batch.losses, kind="stable"))[:SHOWN]
    indices, labels = trained_on[order], train.labels[trained_on[order]]
    recorded = curve.losses(folder)[step - 1 - run.first_step :][:1]
    loss = f" Its loss while training: **{recorded[0]:.4f}**." if len(recorded) else ""
    st.markdown(f"**The {len(trained_on):,} images of step {step:,}**, the worst loss first.{loss}")
    if batch is None:
        captions, colours = [CLASSES[label] for label in labels], None
    else:
        guesses, losses = batch.logits[order].argmax(1), batch.losses[order]
        captions = [
            f"{loss:.3f}\n{CLASSES[true] if guess == true else f'{CLASSES[guess]} ({CLASSES[true]})'}"
            for loss, guess, true in zip(losses, guesses, labels, strict=True)
        ]
        colours = [RIGHT if guess == true else WRONG for guess, true in zip(guesses, labels, strict=True)]
    image_grid(
        train.images[indices],
        captions=captions,
        hovers=[f"Training picture {i:,}\nTrue: {CLASSES[train.labels[i]]}" for i in indices.tolist()],
        links=[address.link("image", {"split": "train", "index": i}) for i in indices.tolist()],
        colours=colours,
        columns=10,
        cell=56,
        alt=f"The batch of step {step}",
        key="batch",
    )
    if batch is None:
        st.caption("The weights of that time were not kept, so there is no loss for each image.")
    else:
        st.caption(
            f"Below each picture its loss in nats and the predicted class, by the weights kept after step {batch.weights_step:,}, "
            "the newest before this step; without dropout and augmentation, so their mean is not exactly the loss of the step."
        )
