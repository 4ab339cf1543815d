"""A photograph or any picture file: the way to 28 x 28, stage by stage, with what the network would say at each."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import streamlit as st
from PIL import Image

from fmnist_core.data.brought.files import MOST_BYTES, Brought, PictureRefused, decode
from fmnist_core.data.brought.likeness import Likeness
from fmnist_core.data.brought.photos import as_photo
from fmnist_core.data.brought.way import Choices, Stage, Way, prepare
from fmnist_core.data.dataset import CLASSES
from pages.parts import address, controls, frame
from pages.parts.components.paste import paste
from pages.parts.yours import collection
from pages.parts.yours.answering import Judge, answers_html, said
from pages.parts.yours.draw import put

MOST_FILES = 30
PASTED = "yours_pasted"
SHOWN = 260
"""Pixels of the longer side at which a stage is shown."""
STYLE = """<style>
.stages { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15.5rem), 1fr)); gap: .9rem; }
.stages { margin: 0 !important; padding: 0 !important; list-style: none; }
.stages li { margin: 0; padding: .7rem; border: 1px solid rgba(128,132,150,.3); border-radius: .6rem; }
.stages li { display: flex; flex-direction: column; gap: .45rem; }
.stages .pictures { display: flex; gap: .6rem; align-items: flex-end; }
.stages img { image-rendering: pixelated; border-radius: 4px; background: #000; max-width: 100%; }
.stages img.large { max-height: 130px; max-width: 9rem; object-fit: contain; }
.stages img.seen { width: 56px; height: 56px; flex: none; }
.stages h4 { margin: 0; padding: 0; font-size: .95rem; }
.stages p { margin: 0; font-size: .87rem; line-height: 1.4; }
.stages .said { margin-top: auto; font-weight: 600; }
.stages small { font-weight: 400; opacity: .8; }
</style>"""
AUTOMATIC = {"auto": "Automatic", "yes": "Yes", "no": "No"}
CHOICES = ("cut", "negate", "angle", "crop", "mirror", "upright", "sharpen", "stretch")


@dataclass(frozen=True)
class File:
    """What somebody brought, before anybody has looked into it."""

    name: str
    content: bytes
    label: int | None = None
    """The class, where it is known: of a photograph made from a test picture."""


def draw(judges: Sequence[Judge]) -> npt.NDArray[np.uint8] | None:
    """The view; what the network sees (28, 28) uint8, None where nothing was brought."""
    files = _files()
    pictures: list[tuple[File, Brought]] = []
    for file in files:
        try:
            pictures.append((file, _decoded(file.content, file.name)))
        except PictureRefused as refusal:
            st.error(frame.plain(str(refusal)), icon=":material/broken_image:")
    if not pictures:
        if not files:
            st.info(
                "Nothing brought yet. No photo at hand? Take one that is made from a test picture.",
                icon=":material/image:",
            )
        return None
    part = min(address.whole("part"), len(pictures) - 1)
    if len(pictures) > 1:
        names = [f"{n + 1}: {brought.name}" for n, (_, brought) in enumerate(pictures)]
        _overview(judges, pictures)
        st.selectbox(
            "Picture", range(len(names)), format_func=names.__getitem__, width=520, **address.bound("part", part)
        )
    file, brought = pictures[part]
    choices = _choices()
    way = prepare(brought, choices, likeness())
    if way.is_blank:
        st.warning(
            f"{frame.plain(brought.name)} is blank: nothing in it stands out from the colour along its edges, so whatever comes "
            "out below means nothing.",
            icon=":material/crop_free:",
        )
    answer, adjust = st.columns([3, 2], gap="large")
    with answer:
        known = f" It was made from a {CLASSES[file.label]}." if file.label is not None else ""
        st.subheader("What the network sees, and says", anchor=False)
        st.html(
            f'<img alt="28 x 28" src="{_png(way.picture)}" style="width:168px;image-rendering:pixelated;border-radius:4px">'
        )
        if known:
            st.caption(known)
        answers_html(judges, way.picture)
    with adjust:
        _adjust(way)
    st.subheader("The way to 28 x 28", anchor=False)
    st.caption(
        "Each stage as it looks, the 28 x 28 pixels that the network would be given if one stopped there, and what "
        f"**{frame.plain(judges[0].name)}** would say."
    )
    _stages(judges[0], way.stages)
    with st.container(horizontal=True):
        st.button(
            "Put it on the drawing pad", icon=":material/draw:", key="to_pad", on_click=_to_pad, args=(way.picture,)
        )
        collection.keep_button(way.picture, brought.name, file.label)
    return way.picture


# --- What was brought ----------------------------------------------------------------------------------------------


def _files() -> list[File]:
    """Of all ways in, in the order in which they stand on the page."""
    uploaded = st.file_uploader(
        "Pictures, at most 10 MB each: choose, or drag them here; a phone offers its camera",
        accept_multiple_files=True,
        max_upload_size=MOST_BYTES // 1_000_000,
        key="yours_files",
    )
    files = [File(one.name, one.getvalue()) for one in uploaded[:MOST_FILES]]
    if len(uploaded) > MOST_FILES:
        st.warning(f"{len(uploaded)} files are more than {MOST_FILES}: the first {MOST_FILES} are shown.")
    pasted = st.session_state.setdefault(PASTED, [])
    if new := paste(key="paste"):
        pasted[:] = [File(name, content) for name, content in new][:MOST_FILES]
    with st.container(horizontal=True, vertical_alignment="center"):
        if pasted and st.button("Remove what was pasted", icon=":material/close:", key="unpaste"):
            pasted.clear()
        with st.popover("Camera", icon=":material/photo_camera:"):
            shot = (
                st.camera_input("Hold the garment before something plain", key="camera")
                if st.toggle("Use the camera", key="camera_on")
                else None
            )
        with st.popover("Make one from a test picture", icon=":material/auto_fix_high:"):
            index = controls.whole_number("Test picture", "start", width=150)
            st.button("Make a photograph of it", key="make_photo", on_click=address.put, kwargs={"photo_of": index})
        if address.has("photo_of"):
            st.button("Put the made photograph away", key="no_photo", on_click=address.put, kwargs={"photo_of": None})
    files += pasted
    if shot is not None:
        files.append(File("camera.jpg", shot.getvalue()))
    if (made := address.optional("photo_of")) is not None:
        test = frame.data_or_stop("test")
        photo = as_photo(test.images[made], np.random.default_rng(made))
        files.append(File(f"photo of test picture {made}.jpg", photo, int(test.labels[made])))
    return files


@st.cache_data(max_entries=MOST_FILES, show_spinner=False, scope="session")
def _decoded(content: bytes, name: str) -> Brought:
    return decode(content, name)


@lru_cache(maxsize=1)
def likeness() -> Likeness:
    """Training pictures to compare with: 19 MB, once a process."""
    return Likeness.to(frame.data_or_stop("train").images)


def _overview(judges: Sequence[Judge], pictures: Sequence[tuple[File, Brought]]) -> None:
    """All files in one table, each prepared automatically."""
    ways = [prepare(brought, Choices(), likeness()) for _, brought in pictures]
    answers = judges[0].respondent.answer(np.stack([way.picture for way in ways]))
    st.dataframe(
        {
            "28 x 28": [_png(way.picture) for way in ways],
            "File": [brought.name for _, brought in pictures],
            "Answer": [said(answers, n) for n in range(len(ways))],
        },
        column_config={"28 x 28": st.column_config.ImageColumn(width="small")},
        hide_index=True,
    )


# --- Adjusting -----------------------------------------------------------------------------------------------------


def _choices() -> Choices:
    """Those of the address; what it leaves out is automatic."""
    words = {"auto": None, "yes": True, "no": False}
    return Choices(
        upright=address.flag("upright"),
        threshold=address.real("cut") if address.has("cut") else None,
        negate=words[address.word("negate")],
        angle=address.real("angle") if address.has("angle") else None,
        crop=_crop(address.text("crop")),
        sharpen=address.flag("sharpen"),
        stretch=address.flag("stretch"),
        mirror=words[address.word("mirror")],
    )


def _crop(text: str) -> tuple[float, float, float, float] | None:
    """Four percentages; None, and a sentence, where they are none."""
    if not text:
        return None
    try:
        left, top, right, bottom = (float(word) / 100 for word in text.split(","))
        return Choices(crop=(left, top, right, bottom)).crop
    except ValueError:
        address.put(crop=None)
        st.warning("The address holds no box to crop to: it is found automatically.", icon=":material/link_off:")
        return None


def _adjust(way: Way) -> None:
    """Every decision, at what was decided; moving one makes it a person's."""
    with st.expander("Adjust", icon=":material/tune:", expanded=any(address.has(name) for name in CHOICES)):
        decided = way.decided
        left, top, right, bottom = (round(100 * edge) for edge in decided.crop or (0, 0, 1, 1))
        st.slider(
            "Difference from the background at which the garment begins",
            0.0,
            1.0,
            step=0.01,
            help="As a share of the distance from black to white. 0 keeps everything.",
            **address.bound("cut", round(decided.threshold or 0, 2), default=-1.0),
        )
        st.slider(
            "Turn, degrees", -180.0, 180.0, step=0.5, **address.bound("angle", decided.angle or 0.0, default=-999.0)
        )
        for label, key, low, high, ends in (
            ("Left and right edge, %", "crop_across", left, right, (top, bottom)),
            ("Upper and lower edge, %", "crop_down", top, bottom, (left, right)),
        ):
            st.session_state[key] = (low, max(high, low + 1))
            st.slider(label, 0, 100, key=key, on_change=_cropped, args=(key, ends))
        controls.one_of("Dark becomes light", "negate", words=AUTOMATIC)
        controls.one_of("Mirror", "mirror", words=AUTOMATIC)
        controls.switch("Turn as the camera says", "upright")
        controls.switch("Sharpen after shrinking", "sharpen")
        controls.switch("Stretch the brightest pixel to 255", "stretch")
        st.button(
            "All automatic again",
            icon=":material/restart_alt:",
            key="automatic",
            on_click=address.put,
            kwargs=dict.fromkeys(CHOICES),
        )


def _cropped(key: str, ends: tuple[int, int]) -> None:
    low, high = st.session_state[key]
    high = max(high, low + 1)
    edges = (low, ends[0], high, ends[1]) if key == "crop_across" else (ends[0], low, ends[1], high)
    address.put(crop=",".join(map(str, edges)))


def _to_pad(picture: npt.NDArray[np.uint8]) -> None:
    put(picture)
    address.put(view=None)


# --- The stages ----------------------------------------------------------------------------------------------------


def _stages(judge: Judge, stages: Sequence[Stage]) -> None:
    answers = judge.respondent.answer(np.stack([stage.seen for stage in stages]))
    items = "".join(
        f'<li><h4>{n + 1}. {stage.name.capitalize()}</h4><div class="pictures">'
        f'<img class="large" alt="{stage.name}" src="{_png(stage.picture)}">'
        f'<img class="seen" alt="what the network would see" src="{_png(stage.seen)}"></div>'
        f'<p>{html.escape(stage.said)}</p><p class="said">{html.escape(said(answers, n))}</p></li>'
        for n, stage in enumerate(stages)
    )
    st.html(f'{STYLE}<ol class="stages">{items}</ol>')


def _png(picture: npt.NDArray[np.uint8]) -> str:
    """As a data address, at most `SHOWN` pixels long; small ones keep their pixels."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if max(image.size) > SHOWN:
        image.thumbnail((SHOWN, SHOWN), Image.Resampling.BOX)
    packed = io.BytesIO()
    image.save(packed, "JPEG" if image.mode == "RGB" else "PNG", quality=85)
    kind = "jpeg" if image.mode == "RGB" else "png"
    return f"data:image/{kind};base64,{base64.b64encode(packed.getvalue()).decode()}"
