"""Two networks picture by picture: what the newer one fixes and breaks, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from fmnist_core.data.dataset import CLASSES, Split
from fmnist_core.evaluation import comparison
from fmnist_core.evaluation.comparison import ClassDifference, Difference
from fmnist_core.evaluation.evaluate import Evaluation
from fmnist_core.runs import client
from fmnist_core.studies import scores
from fmnist_core.studies.scores import Mask
from pages.parts import address, controls, frame
from pages.parts.compare import contenders as address_of
from pages.parts.compare.contenders import Contender
from pages.parts.components.image_grid import image_grid
from pages.parts.components.ranking import Column, Row, ranking

SHOWN = 20
SURE = 0.05
KINDS = ("fixed", "broken")
COLUMNS = (
    Column("Class"),
    Column("Fixed", number=True),
    Column("Broken", number=True),
    Column("p-value", number=True),
    Column("Real?", help="Whether it is more than chance: below 5 %"),
)


def difference(contenders: Sequence[Contender], mask: Mask) -> None:
    """The first contender against one of the others: from the older one to the newer."""
    st.subheader("Is the difference more than chance?", anchor=False)
    test = frame.data_or_stop("test")
    against = address.whole("other", high=len(contenders) - 1)
    if len(contenders) > 2:
        numbers = list(range(1, len(contenders)))
        st.segmented_control(
            f"{frame.plain(contenders[0].name)} against",
            numbers,
            format_func=lambda number: frame.plain(contenders[number].name),
            required=True,
            **address.bound("other", against, then=lambda: address.put(page=None)),
        )
    positions = sorted((0, against), key=lambda n: (contenders[n].run.sequence, contenders[n].at))  # the newer one last
    pair = contenders[positions[0]], contenders[positions[1]]
    with st.container(horizontal=True, gap="large"):
        for position, contender in zip(positions, pair, strict=True):
            _moment(contenders, position, contender)
    try:
        results = [scores.evaluation(contender.moment, mask) for contender in pair]
    except (client.RunNotFound, OSError, ValueError):
        st.warning("The predictions for each picture are missing from one run's folder.", icon=":material/folder_off:")
        return
    apart = comparison.difference(results[0], results[1])
    names = pair[0].name, pair[1].name
    st.markdown(verdict(apart, names))
    st.caption(
        "The test asks whether these two networks differ on pictures of this kind. It does not say that one setting is better "
        "than the other: that takes several seeds of each (Seeds, above)."
    )
    parts = comparison.by_class(apart, test.labels)
    left, right = st.columns([1, 1.3], gap="large")
    with left:
        _table(apart, parts, names)
    with right:
        _galleries(apart, parts, results, names, test)


def verdict(apart: Difference, names: tuple[str, str]) -> str:
    """In plain words, as Markdown."""
    first, second = (f"**{frame.plain(name)}**" for name in names)
    counts = len(apart.only_first), len(apart.only_second)
    if not sum(counts):
        return f"{first} and {second} are right on the same pictures and wrong on the same pictures."
    p = apart.p_value
    return (
        f"{first} is right on **{counts[0]:,}** pictures where {second} is wrong; {second} on **{counts[1]:,}** where "
        f"{first} is wrong. Two equally good networks would differ at least this much in {often(p)} cases (McNemar's "
        f"exact test): {'this is more than chance.' if p < SURE else 'this could well be chance.'}"
    )


def often(p: float) -> str:
    """A p-value as "… cases" needs it.

    >>> often(0.34), often(0.042), often(0.00052), often(0.00001)
    ('34 of 100', '4.2 of 100', '1 of 1,900', 'fewer than 1 of 10,000')
    """
    if p < 1e-4:
        return "fewer than 1 of 10,000"
    if p < 0.01:
        return f"1 of {float(f'{1 / p:.2g}'):,.0f}"
    return f"{100 * p:.0f} of 100" if p >= 0.1 else f"{100 * p:.2g} of 100"


def _moment(contenders: Sequence[Contender], position: int, contender: Contender) -> None:
    """A slider over the moments that the run keeps; what is chosen goes into the address."""
    steps = client.folder(contender.run.id).logit_steps()
    if len(steps) < 2 or contender.at not in steps:
        return
    key = f"moment_{position}_{contender.entry}"

    def moved() -> None:
        step = st.session_state[key]
        chosen = [*contenders]
        chosen[position] = replace(contender, step=None if step == contender.run.step else step)
        if len({c.entry for c in chosen}) == len(chosen):  # else it would be held against itself
            address_of.put(chosen)

    run = contender.run
    is_shared = any(other.run.title == run.title and other.run.id != run.id for other in contenders)
    st.select_slider(
        f"{frame.plain(run.title)}{f' ({run.sequence})' * is_shared}: moment",
        steps,
        contender.at,
        format_func=lambda step: f"epoch {step / contender.run.config.steps_per_epoch:.3g}",
        key=key,
        on_change=moved,
        width=340,
        help="Compare an earlier moment of this run. The last one is where it ended.",
    )


def _table(apart: Difference, parts: Sequence[ClassDifference], names: tuple[str, str]) -> None:
    """A line for each class, which leads to its pictures, and one for all."""
    chosen = address.optional("class")
    rows = [_row("All classes", None, apart, apart.p_value, chosen)]
    rows += [_row(part.name, i, part.apart, part.corrected, chosen) for i, part in enumerate(parts)]
    ranking(COLUMNS, rows, sorted_by="", descending=False, label="Fixed and broken, class by class", key="by_class")
    st.caption(
        f"Fixed: only {frame.plain(names[1])} is right. Broken: only {frame.plain(names[0])} is right. p-value: how often two "
        "equally good networks would differ at least this much (McNemar); for the classes corrected with Holm's method, "
        "because ten tests find something by chance more easily than one. Real: the p-value is below 5 %. Where it is not, there "
        "may still be a difference, too small to show on so few pictures. A class leads to its pictures."
    )


def _row(name: str, number: int | None, apart: Difference, p: float, chosen: int | None) -> Row:
    link = address.here(**{"class": number, "page": None})
    counts = f"{len(apart.only_second):,}", f"{len(apart.only_first):,}"
    return Row((name, *counts, chance(p), "yes" if p < SURE else "no"), link=link, is_shaded=number == chosen)


def chance(p: float) -> str:
    """A p-value in percent.

    >>> chance(0.5), chance(0.0123), chance(1e-9)
    ('50 %', '1.2 %', 'below 0.01 %')
    """
    return "below 0.01 %" if p < 1e-4 else f"{100 * p:.0f} %" if p >= 0.1 else f"{100 * p:.2g} %"


def _galleries(
    apart: Difference,
    parts: Sequence[ClassDifference],
    results: Sequence[Evaluation],
    names: tuple[str, str],
    test: Split,
) -> None:
    number = address.optional("class")
    shown = apart if number is None else parts[number].apart
    counts = {"fixed": len(shown.only_second), "broken": len(shown.only_first)}
    kind = controls.one_of(
        f"From {frame.plain(names[0])} to {frame.plain(names[1])}",
        "change",
        KINDS,
        words={kind: f"{kind.capitalize()} ({counts[kind]:,})" for kind in KINDS},
        then=lambda: address.put(page=None),
    )
    indices = shown.only_second if kind == "fixed" else shown.only_first
    wrong = results[0] if kind == "fixed" else results[1]
    if not len(indices):
        st.info("There is no such picture.", icon=":material/image_not_supported:")
        return
    page = controls.page_number(-(-len(indices) // SHOWN))
    indices = indices[(page - 1) * SHOWN : page * SHOWN]
    guess_of = dict(zip(wrong.indices.tolist(), wrong.predictions.tolist(), strict=True))
    pairs = [(CLASSES[test.labels[i]], CLASSES[guess_of[i]]) for i in indices.tolist()]
    image_grid(
        test.images[indices],
        captions=[f"{guess} ({true})" for true, guess in pairs],
        hovers=[
            f"Test picture {i}\nTrue: {true}\nThe network that is wrong: {guess}"
            for i, (true, guess) in zip(indices.tolist(), pairs, strict=True)
        ],
        links=[address.link("image", {"split": "test", "index": i}) for i in indices.tolist()],
        columns=5,
        cell=84,
        alt=f"Pictures that are {kind}",
        key="apart",
    )
    st.caption(
        "What the network that is wrong takes them for, and the true class in brackets. A click opens the picture."
    )
