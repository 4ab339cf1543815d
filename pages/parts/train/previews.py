"""What settings will do, before they do it: the learning rate over the run, the pictures as training will show them."""

from __future__ import annotations

import base64
import io

import numpy as np
import streamlit as st
from PIL import Image

from fmnist_core.data import augmentation, dataset
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.views import settings
from pages.parts.runs.drawing import drawing

PICTURES, EPOCHS, ZOOM, GAP = 3, 4, 2, 2


def schedule(config: TrainingConfig) -> None:
    """The learning rate over the run, drawn anew as the controls move."""
    image = settings.schedule(config)
    drawing(wide=image, narrow=image, key="schedule_preview")


def augmented(config: TrainingConfig) -> None:
    """A few real pictures, and what the first epochs make of them."""
    if not augmentation.is_augmented(config):
        return
    try:
        split = dataset.load("train")
    except dataset.DatasetError:
        return  # the page says so elsewhere
    rows, indices = settings.augmented_rows(config, split, pictures=PICTURES, epochs=EPOCHS)
    source = base64.b64encode(_sheet(rows)).decode()
    width = (1 + EPOCHS) * (28 * ZOOM + GAP) - GAP
    names = ", ".join(f"{dataset.CLASSES[split.labels[index]]} {index}" for index in indices)
    st.html(
        f'<img src="data:image/png;base64,{source}" style="width:100%;max-width:{width}px;image-rendering:pixelated;'
        f'border-radius:4px" alt="Three training pictures ({names}), each as it is and as four epochs show it">'
    )
    st.caption(
        f"Left: {names} as they are. Then as epochs 1 to {EPOCHS} will show them, with the random numbers that training uses."
    )


def _sheet(rows: np.ndarray) -> bytes:
    """A PNG: a row for each picture, white gaps between the cells."""
    count, columns = rows.shape[:2]
    cell = 28 + GAP // ZOOM
    sheet = np.full((count * cell - GAP // ZOOM, columns * cell - GAP // ZOOM), 128, np.uint8)
    for row in range(count):
        for column in range(columns):
            sheet[row * cell : row * cell + 28, column * cell : column * cell + 28] = rows[row, column]
    packed = io.BytesIO()
    Image.fromarray(sheet).resize((sheet.shape[1] * ZOOM, sheet.shape[0] * ZOOM), Image.Resampling.NEAREST).save(
        packed, "PNG"
    )
    return packed.getvalue()
