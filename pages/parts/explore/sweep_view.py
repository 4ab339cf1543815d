"""The sweep on the Explore page: what to vary, the runs, the choice, and one test."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fmnist_core.runs import client
from fmnist_core.runs.files.folder import is_run_id
from fmnist_core.runs.files.record import Run, State
from fmnist_core.settings import search
from fmnist_core.settings.config import TrainingConfig
from fmnist_core.settings.search import MOST_RUNS, SCALES
from fmnist_core.studies import sweep
from fmnist_core.views import sweep as drawn
from pages.parts import address, controls, frame, starting
from pages.parts.components.ranking import Column, Row, ranking
from pages.parts.person import may_change, person
from pages.parts.runs import rows
from pages.parts.runs.run_list import NOTHING, duration, state_words
from pages.parts.text import number

SAMPLERS = {"grid": "Grid", "random": "At random"}
MOST_VARIED = 4
MORE = 4
"""Runs that the sampler adds at a time."""


def show() -> None:
    """The view."""
    name = address.text("sweep")
    runs = sweep.runs_of(name) if is_run_id(name) else []
    if name and not runs:
        address.put(sweep=None)
        st.warning("No such sweep: its runs may have been deleted.", icon=":material/search_off:")
    if runs:
        address.assume(_settings(name, runs))
    with st.container(key="run_first" if runs else "form_first"):  # on a narrow screen
        settings, result = st.columns([1, 2], gap="large")
    with settings, st.container(border=True):
        ranges, base = _form(is_seed_known=not runs or sweep.plan(name) is not None)
    with result:
        if runs:
            with st.container(key="run_head"):
                _sweep(name, runs, ranges, base)
        with st.expander("What does a sweep show?", icon=":material/school:", expanded=not runs):
            _explain()
    _earlier(name if runs else "")


# --- What to vary --------------------------------------------------------------------------------------------------


def _form(*, is_seed_known: bool) -> tuple[dict[str, tuple[float, float]], TrainingConfig]:
    named = [word for word in address.items("vary_settings") if word in SCALES][:MOST_VARIED]
    controls.several(
        "Settings to vary",
        "vary_settings",
        list(SCALES),
        named,
        most=MOST_VARIED,
        words={setting: scale.label for setting, scale in SCALES.items()},
        help="All others stay the tutorial's. At most four: every further one makes a grid several times as large.",
    )
    ranges: dict[str, tuple[float, float]] = {}
    for setting in named:
        scale = SCALES[setting]
        ranges[setting] = controls.between_on_scale(
            f"{scale.label} from … to",
            (f"{setting}_low", f"{setting}_high"),
            scale.values,
            help="The ends of what is tried.",
        )
    sampler = controls.one_of(
        "Which combinations",
        "sampler",
        tuple(SAMPLERS),
        words=SAMPLERS,
        help="A grid tries every combination of a few values. At random, each run tries another value of every setting: "
        "better where only some of them matter.",
    )
    if sampler == "grid":
        number, seed = controls.slider("Values of each setting", "points"), None
    else:
        number = controls.slider("Runs", "count")
        label = "Seed of the sample" if is_seed_known else "Seed of the next sample"
        seed = controls.whole_number(label, "sample_seed", help="Another seed, another sample.")
    epochs = controls.slider("Epochs of each run", "epochs")
    base = TrainingConfig(epochs=epochs, validation=search.HELD_OUT)
    plan = sweep.Plan(ranges=ranges, number=number, seed=seed)
    configs = plan.configs(base)
    if not ranges:
        st.info("Choose at least one setting to vary.")
    elif len(configs) > MOST_RUNS:
        st.warning(
            f"{len(configs)} runs are too many: at most {MOST_RUNS}. Take fewer values or settings, or a sample."
        )
    else:
        st.caption(
            f"{len(configs)} runs of {epochs} epoch{'s' * (epochs > 1)}, one after the other. Each holds out the first "
            f"{search.HELD_OUT:,} training pictures: the choice is made by them."
        )
        name = sweep.new_name()

        def begin() -> str:
            sweep.start_planned(name, plan, base, person())
            return name

        starting.button(
            "Start the sweep",
            "start_sweep",
            begin,
            lambda started: address.put(sweep=started),
            type="primary",
            icon=":material/play_arrow:",
        )
    return ranges, base


# --- Its runs ------------------------------------------------------------------------------------------------------


def _sweep(name: str, runs: list[Run], ranges: dict[str, tuple[float, float]], base: TrainingConfig) -> None:
    active = [run for run in runs if run.is_active]
    done = sum(run.state.is_final for run in runs)
    st.subheader(f"Sweep of {len(runs)} runs", anchor=False)
    if said := _sample(name, runs):
        st.caption(said)
    st.progress(done / len(runs), f"{done} of {len(runs)} have ended")
    if active:
        st.fragment(_wait, run_every=1.0, key="sweep_wait")(name, _signature(runs))
    if own := [run.id for run in active if may_change(run)]:
        st.button("Stop the sweep", icon=":material/stop:", on_click=_stop, args=(own,), key="stop_sweep")
    if best := sweep.best(runs):
        _charts(runs, best)
    _choice(name, runs, best, any_active=bool(active))
    if best and not active and sweep.chosen(name) is None:
        _more(name, runs, ranges, base)


def _sample(name: str, runs: Sequence[Run]) -> str:
    """How the settings of a random sample were drawn; "" for a grid."""
    if plan := sweep.plan(name):
        return "" if plan.seed is None else f"Settings at random: sample {plan.seed}."
    if drawn.is_grid([run.config for run in runs]):
        return ""
    return (
        "The form shows what these runs tried; from which ranges, and by which seed, was not written down. "
        "The seed that stands there is for the next sample."
    )


def _charts(runs: Sequence[Run], best: Run) -> None:
    """What the measured runs tell of the settings, and what accuracy cost."""
    tries = [
        drawn.Try(_title(run), run.config, accuracy, run.seconds)
        for run in runs
        if (accuracy := sweep.validation_accuracy(run)) is not None and not run.is_steered
    ]
    config = {"displayModeBar": False}
    configs = [run.config for run in runs]
    settings = len(drawn.varied([one.config for one in tries]))
    if len(drawn.varied(configs)) == 2 and drawn.is_grid(configs):
        st.plotly_chart(drawn.heat_map(tries, configs, frame.ink()), config=config, key="heat_map")
        st.caption("Accuracy on the held-out pictures; the best is outlined. Neighbours may change places by chance.")
    elif settings == 1:
        st.plotly_chart(drawn.along(tries, _title(best)), config=config, key="along")
        st.caption("Each point is a run. Neighbours may change places by chance.")
    elif settings:
        st.plotly_chart(drawn.parallel(tries, frame.ink()), config=config, theme=None, key="parallel")
        st.caption(
            "Each line is a run, from its settings to its accuracy on the held-out pictures. Drag along an axis to select."
        )
    st.plotly_chart(drawn.against_time(tries, _title(best)), config=config, key="against_time")
    st.caption(
        "What accuracy costs: up is better, left is quicker. Green: the best so far. One seed each, so small differences are chance."
    )


def _choice(name: str, runs: list[Run], best: Run | None, *, any_active: bool) -> None:
    """The list of the runs; the choice of `best`, or what was chosen."""
    chosen_id = sweep.chosen(name)
    chosen = next((run for run in runs if run.id == chosen_id), None)
    ordered = sorted(runs, key=lambda run: sweep.validation_accuracy(run) or -1.0, reverse=True)
    settings = drawn.varied([run.config for run in ordered])
    words = {one.run.id: rows.place(one) for one in client.queue()} if any_active else {}
    columns = (
        Column("Run"),
        Column("Held out", number=True, help="Accuracy on the held-out pictures"),
        *([Column("Test", number=True, help="Accuracy on the test pictures")] if chosen_id else []),
        *(Column(SCALES[setting].label, number=True) for setting in settings),
        Column("Time", number=True),
    )
    lines = [
        Row(
            (
                _title(run),
                _percent(sweep.validation_accuracy(run)),
                *([_percent(_test(run))] if chosen_id else []),
                *(number(getattr(run.config, setting)) for setting in settings),
                duration(run.seconds) if run.seconds else NOTHING,
            ),
            note="" if run.state is State.FINISHED else words.get(run.id, state_words(run)),
            link=address.link("train", {"run": run.id}),
            is_shaded=chosen is not None and run.id == chosen.id,
        )
        for run in ordered
    ]
    ranking(columns, lines, sorted_by="", descending=False, label="The sweep's runs", key="sweep_table")
    if chosen_id is None and best is None:
        st.caption("Charts and the choice come with the first run that has trained an epoch.")
    elif chosen_id is None and best:
        st.caption(
            "The test accuracies stay hidden here until you have chosen. The best of many test results "
            "is optimistic: choosing by it trains on the test set. They are looked at once, for one network."
        )
        st.button(
            f"Choose {frame.plain(_title(best))} and test it",
            icon=":material/check:",
            type="primary",
            on_click=_choose,
            args=(name, best.id),
            disabled=any_active,
            key="choose",
            help="The best on the held-out pictures. Once and for all: the choice cannot be taken back.",
        )
    elif chosen and chosen.latest and chosen.latest.test:
        held_out = sweep.validation_accuracy(chosen)
        left, right = st.columns(2)
        left.metric("Chosen: held-out pictures", frame.percent(held_out or 0.0), border=True)
        right.metric("Chosen: test pictures", frame.percent(chosen.latest.test.accuracy), border=True)
        st.caption(
            "The first number chose among many and is a little too good; the second is the one to report. The others' test "
            "accuracies are shown now that they can no longer change the choice."
        )
        with st.container(horizontal=True):
            frame.page_link("test", "Test this network", icon=":material/fact_check:", run=chosen.id)
            frame.page_link("train", "Open the run", icon=":material/trending_down:", run=chosen.id)
    else:
        st.caption("The run that was chosen has been deleted.")


def _more(name: str, runs: list[Run], ranges: dict[str, tuple[float, float]], base: TrainingConfig) -> None:
    if not ranges:
        return
    if not search.has_sampler():
        st.caption("With Optuna installed (requirements-extra.txt), a sampler can add runs where it expects the best.")
        return

    def begin() -> list[str]:
        known = [(run.config, sweep.validation_accuracy(run)) for run in runs if not run.is_steered]
        return sweep.start(name, search.expected_good(base, ranges, known, MORE, seed=len(runs)), person())

    starting.button(
        f"Add {MORE} runs where they look promising",
        "more",
        begin,
        lambda _runs: None,
        icon=":material/add:",
        help="Optuna's tree-structured Parzen estimator reads the runs so far and proposes settings within the ranges "
        "on the left: more of what went with high accuracy on the held-out pictures.",
    )


def _choose(name: str, run_id: str) -> None:
    try:
        sweep.choose(name, run_id)
    except client.RunRefused as error:
        st.toast(frame.plain(str(error)), icon=":material/block:")


def _stop(ids: list[str]) -> None:
    for run_id in ids:
        try:
            client.stop(run_id)
        except (client.RunNotFound, client.RunRefused) as error:
            st.toast(frame.plain(str(error)), icon=":material/block:")


def _wait(name: str, shown: list[tuple[str, str, int]]) -> None:
    if _signature(sweep.runs_of(name)) != shown:
        st.rerun()


def _signature(runs: Sequence[Run]) -> list[tuple[str, str, int]]:
    return [(run.id, run.state.value, run.latest.step if run.latest else -1) for run in runs]


def _title(run: Run) -> str:
    name = run.title if run.title == f"Run {run.sequence}" else f"{run.title} ({run.sequence})"
    return f"{name}, steered" if run.is_steered else name


def _percent(share: float | None) -> str:
    return "–" if share is None else frame.percent(share)


def _test(run: Run) -> float | None:
    return run.latest.test.accuracy if run.latest and run.latest.step and run.latest.test else None


def _settings(name: str, runs: Sequence[Run]) -> dict[str, object]:
    """What the controls must say for this sweep, by the parameters' names: what was asked for, or what its runs have tried."""
    configs = [run.config for run in runs]
    plan = sweep.plan(name)
    if plan is None:
        tried = {setting: drawn.values_of(setting, configs) for setting in drawn.varied(configs)[:MOST_VARIED]}
        ranges = {setting: (values[0], values[-1]) for setting, values in tried.items()}
        is_grid = drawn.is_grid(configs)
        number = max(map(len, tried.values()), default=1) if is_grid else len(configs)
        seed: dict[str, object] = {}
    else:
        ranges, number, is_grid = dict(plan.ranges), plan.number, plan.seed is None
        seed = {} if is_grid else {"sample_seed": plan.seed}
    ends = {
        f"{setting}_{end}": value
        for setting, pair in ranges.items()
        for end, value in zip(("low", "high"), pair, strict=True)
    }
    how = {"sampler": "grid", "points": number} if is_grid else {"sampler": "random", "count": number}
    return {"vary_settings": ",".join(ranges), "epochs": configs[0].epochs, **ends, **how, **seed}


def _earlier(shown: str) -> None:
    others = {name: runs for name, runs in sweep.sweeps().items() if name != shown}
    if others:
        st.subheader("Earlier sweeps", anchor=False)
    for name, runs in list(others.items())[:8]:
        first = min(run.sequence for run in runs)
        frame.page_link(
            "explore",
            (f"{len(runs)} runs from run {first} on" if len(runs) > 1 else f"1 run, run {first}")
            + (", chosen" if sweep.chosen(name) else ""),
            icon=":material/tune:",
            view="sweep",
            sweep=name,
            **address.fitting(_settings(name, runs)),
        )


def _explain() -> None:
    st.markdown(
        "**Choose on one set, report on another.** Whoever tries twenty settings and takes the best test result reports luck "
        "along with skill. So each run of a sweep holds 10,000 training pictures out, the choice is made by these, and the "
        "test pictures are looked at once, for the network that was chosen."
    )
    st.markdown(
        "**Grid or random.** A grid of three values each tries only three learning rates, however many runs it has; a random "
        "sample tries as many as there are runs (Bergstra and Bengio 2012)."
    )
