"""Labels to doubt: which, why, and what a person says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from fmnist_core.data.dataset import CLASSES, Split, SplitName
from fmnist_core.data.duplicates import Place
from fmnist_core.runs import client
from fmnist_core.runs.files.record import Run
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.studies import cross_validation, judgements, label_evidence
from fmnist_core.studies.cross_validation import LabelCheck
from fmnist_core.studies.judgements import Verdict
from fmnist_core.studies.label_evidence import Evidence
from fmnist_core.views.colours import RIGHT, WRONG
from pages.parts import address, controls, frame, starting
from pages.parts.components.image_grid import image_grid
from pages.parts.person import person

SHOWN = 20
PARTS = 5
CHECK = TrainingConfig(batch_size=100, epochs=5, learning_rate=0.002, optimizer="adam", dropout=0.2)
"""Settings of the runs that check the labels: quick, and right on about nine pictures of ten."""
SPLITS: tuple[SplitName, ...] = ("test", "train")
VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "right": ("Label is right", ":material/check:", "k"),
    "wrong": ("Label is wrong", ":material/close:", "w"),
    "unsure": ("Unsure", ":material/question_mark:", "u"),
}
MARKS: dict[Verdict, str] = {"right": RIGHT, "wrong": WRONG, "unsure": "#8c8c8c"}


def labels(train: Split, test: Split) -> None:
    """The split's doubtful labels, the most doubtful first, to judge one by one."""
    st.markdown(
        "Networks that were not trained on a picture say which class they see. Where they are sure of another class than the "
        "label, look: some labels are wrong, some pictures are just hard. You judge."
    )
    runs = client.list_runs()
    split = controls.one_of(
        "Pictures",
        "of",
        SPLITS,
        words={"test": "Test pictures", "train": "Training pictures"},
        then=lambda: address.put(page=None, picture=None),
    )
    evidence = _of_test(runs) if split == "test" else _of_train(runs)
    if evidence:
        _judge(evidence, test if split == "test" else train)
    _export({"train": train, "test": test})


# --- Evidence ------------------------------------------------------------------------------------------------------


def _of_test(runs: Sequence[Run]) -> Evidence | None:
    judges = label_evidence.judges_of_test(runs)
    if not judges:
        st.info(
            f"No finished run is right on {frame.percent(label_evidence.LEAST_ACCURACY, 0)} of the test pictures yet: train one first.",
            icon=":material/info:",
        )
        st.page_link("pages/4_train.py", label="Train a network", icon=":material/arrow_forward:")
        return None
    try:
        evidence = label_evidence.of_test(judges)
    except (OSError, ValueError):
        st.warning("The predictions of a run are missing from its folder.", icon=":material/folder_off:")
        return None
    who = "1 run" if len(judges) == 1 else f"the newest {len(judges)} runs, on average"
    _say(evidence, f"Asked: {who}. No run is ever trained on test pictures.")
    return evidence


def _of_train(runs: Sequence[Run]) -> Evidence | None:
    checks = cross_validation.label_checks(runs)
    active = next((check for check in checks if check.is_active), None)
    complete = next((check for check in checks if check.is_complete), None)
    if active:
        _progress(active)
    elif not complete:
        st.info(
            f"A network knows the pictures that it was trained on, so it cannot doubt their labels. {PARTS} runs can: each "
            f"leaves out another fifth of the training pictures and then judges that fifth.",
            icon=":material/info:",
        )
    if not active:
        _start(runs, again=complete is not None)
    if not complete:
        return None
    try:
        evidence = label_evidence.of_train(complete)
    except (OSError, ValueError):
        st.warning("The predictions of a part are missing from its folder.", icon=":material/folder_off:")
        return None
    _say(
        evidence,
        f"Asked: {frame.plain(complete.name)}, {complete.parts} runs; each picture's answer is of the run that had not "
        "seen it.",
    )
    return evidence


def _say(evidence: Evidence, who: str) -> None:
    doubts = evidence.doubts
    st.caption(
        f"{who} The answers agree with {frame.percent(evidence.accuracy, 1)} of the labels and put "
        f"**{len(doubts.indices):,}** in doubt. Confident learning (Northcutt, Jiang and Chuang, 2021) takes "
        f"{frame.percent(doubts.estimated_errors, 1)} of the labels to be wrong; for classes as alike as Shirt and T-shirt/top "
        "that is too many: it mistakes hard pictures for wrong labels."
    )


def _start(runs: Sequence[Run], *, again: bool) -> None:
    starting.button(
        f"Check the training labels{' again' if again else ''} ({PARTS} runs)",
        "start_check",
        lambda: cross_validation.start_label_check(CHECK, PARTS, runs, person()),
        lambda _runs: None,
        icon=":material/playlist_add_check:",
        type="secondary" if again else "primary",
        help=f"Ordinary runs in the queue: {CHECK.epochs} epochs each with Adam, which take a few minutes together.",
    )


def _progress(check: LabelCheck) -> None:
    ended = sum(not run.is_active for run in check.runs)
    done = sum(run.step for run in check.runs) / sum(run.config.total_steps for run in check.runs)
    st.progress(min(done, 1.0), f"{frame.plain(check.name)}: {ended} of {len(check.runs)} runs have ended")
    st.fragment(_wait_for_news, run_every=3.0, key="check_news")(check.name, ended, round(50 * done))


def _wait_for_news(name: str, ended: int, done: int) -> None:
    check = next((c for c in cross_validation.label_checks(client.list_runs()) if c.name == name), None)
    if not check:
        st.rerun()
    steps = sum(run.step for run in check.runs) / sum(run.config.total_steps for run in check.runs)
    if sum(not run.is_active for run in check.runs) != ended or round(50 * steps) != done:
        st.rerun()


# --- Judging -------------------------------------------------------------------------------------------------------


def _judge(evidence: Evidence, split: Split) -> None:
    doubts, verdicts = evidence.doubts, judgements.read(client.runs_folder())
    given, seen = _pair_in_address()
    with st.container(horizontal=True):
        for name, label in (("given", "Given label"), ("seen", "Networks see")):
            controls.class_choice(label, name, then=lambda: address.put(page=None, picture=None), width=200)
    keep = np.ones(len(doubts.indices), bool)
    if given is not None:
        keep &= split.labels[doubts.indices] == given
    if seen is not None:
        keep &= doubts.suggested == seen
    order = np.flatnonzero(keep)
    if not len(order):
        st.info("No label of this kind is doubted.", icon=":material/check_circle:")
        return
    page = controls.page_number(-(-len(order) // SHOWN))
    shown = order[(page - 1) * SHOWN : page * SHOWN]
    indices = doubts.indices[shown].tolist()
    current = address.optional("picture", high=len(split) - 1)
    position = indices.index(current) if current in indices else 0
    left, right = st.columns([1, 2], gap="large")
    with left:
        _card(evidence, split, int(shown[position]), indices, position, verdicts)
    with right:
        pairs = [(CLASSES[split.labels[doubts.indices[i]]], CLASSES[doubts.suggested[i]]) for i in shown]
        said = [verdicts.get(Place(split.name, index)) for index in indices]
        clicked = image_grid(
            split.images[indices],
            captions=[f"{true}\n→ {guess}?" for true, guess in pairs],
            hovers=[
                f"{'Training' if split.name == 'train' else 'Test'} picture {index}\nLabel: {true}\nNetworks see: {guess}"
                + (f"\nYou said: {VERDICTS[verdict][0]}" if verdict else "")
                for index, (true, guess), verdict in zip(indices, pairs, said, strict=True)
            ],
            colours=[MARKS[verdict] if verdict else None for verdict in said],
            marked=position,
            columns=5,
            cell=84,
            alt="Pictures with doubtful labels",
            key="doubts",
        )
        if clicked is not None and clicked != position:
            address.put(picture=indices[clicked])
            st.rerun()
        st.caption("The given label, and what the networks see. The label that they find least likely comes first.")


def _pair_in_address() -> tuple[int | None, int | None]:
    return address.optional("given"), address.optional("seen")


def _card(
    evidence: Evidence,
    split: Split,
    number: int,
    indices: Sequence[int],
    position: int,
    verdicts: dict[Place, Verdict],
) -> None:
    """The picture that is to be judged now, large."""
    doubts = evidence.doubts
    index = indices[position]
    place = Place(split.name, index)
    given, suggested = CLASSES[split.labels[index]], CLASSES[doubts.suggested[number]]
    name = "Training" if split.name == "train" else "Test"
    image_grid(
        split.images[[index]],
        captions=[""],
        hovers=[f"{name} picture {index}, labelled {given}"],
        links=[address.link("image", {"split": split.name, "index": index})],
        columns=1,
        cell=196,
        alt="The picture to judge",
        key="card",
    )
    st.markdown(
        f"{name} picture {index}. Label: **{given}**, probability {_share(doubts.given_probability[number])}. "
        f"The networks see: **{suggested}**, {_share(doubts.suggested_probability[number])}."
    )
    said = verdicts.get(place)
    following = indices[min(position + 1, len(indices) - 1)]
    with st.container(horizontal=True, gap="small"):
        for verdict, (label, icon, key) in VERDICTS.items():
            st.button(
                label,
                icon=icon,
                shortcut=key,
                type="primary" if said == verdict else "secondary",
                key=f"say_{verdict}",
                on_click=_said,
                args=(place, None if said == verdict else verdict, following),
            )
    if fault := st.session_state.pop("judgement_refused", ""):
        st.error(frame.plain(fault), icon=":material/block:")
    st.caption(
        "A verdict moves on to the next picture; the same one again takes it back. Everybody here shares these verdicts."
    )


def _share(probability: float) -> str:
    return "below 0.1\u00a0%" if probability < 0.001 else frame.percent(float(probability), 1)


def _said(place: Place, verdict: Verdict | None, following: int) -> None:
    try:
        judgements.judge(client.runs_folder(), place, verdict)
    except OSError as error:
        st.session_state["judgement_refused"] = f"The runs folder cannot be written to ({error.strerror})."
    else:
        if verdict:
            address.put(picture=following)


def _export(splits: dict[str, Split]) -> None:
    verdicts = judgements.read(client.runs_folder())
    if not verdicts:
        return
    counts = {verdict: sum(said == verdict for said in verdicts.values()) for verdict in VERDICTS}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            f"Verdicts as CSV ({len(verdicts)})",
            judgements.to_csv(verdicts, splits),
            "label-judgements.csv",
            "text/csv",
            icon=":material/download:",
            on_click="ignore",
        )
        st.caption(
            f"{counts['right']} right, {counts['wrong']} wrong, {counts['unsure']} unsure. Test pictures with a wrong label are "
            "left out of the cleaned test set.",
            width="content",
        )
