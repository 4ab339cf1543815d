"""The cluster that runs train on, where there is one: its machines, how busy they are, and what each of them trains."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from fmnist_core.runs import client, cluster, environment
from fmnist_core.runs.cluster import Node, Place
from fmnist_core.runs.files.record import Run, State
from pages.parts import frame

MOST = 24
"""Nodes that are shown."""


def nodes(runs: Sequence[Run]) -> None:
    """A small panel for each node; nothing where runs train on this machine. `runs`: those that may be seen."""
    try:
        address = environment.cluster()
    except ValueError:
        return  # Train says what is wrong with the setting
    if address is None:
        return
    st.subheader("On the cluster", anchor=False)
    found = cluster.cluster(client.runs_folder())
    if found is None:
        st.caption(f"Looking for the cluster at {frame.plain(address)}: this takes up to a minute.")
        return
    if found.trouble:
        st.warning(frame.plain(found.trouble), icon=":material/lan:")
    places = {run: place for run in runs if run.is_active and (place := place_of(run))}
    with st.grid(3, min_column_width=260):
        for node in found.nodes[:MOST]:
            with st.container(border=True, height="stretch", gap="xsmall"):
                _node(node, [run for run, place in places.items() if place.node == node.address])
    rest = [f"{len(found.nodes) - MOST:,} more nodes."] if len(found.nodes) > MOST else []
    waiting = sum(place.phase == "waiting" for place in places.values())
    if waiting:
        rest.append(f"{waiting:,} {'run waits' if waiting == 1 else 'runs wait'} for a free node.")
    if rest:
        st.caption(" ".join(rest))


def _node(node: Node, runs: Sequence[Run]) -> None:
    name = node.name if node.name == node.address else f"{node.name} ({node.address})"
    st.markdown(f"**{frame.plain(name)}**")
    used = [_used(node.cpus, node.free_cpus, "CPU")]
    if node.gpus:
        used.append(_used(node.gpus, node.free_gpus, "GPU"))
    st.markdown(", ".join(used))
    for run in runs:
        frame.page_link("train", frame.plain(run.title), icon=":material/play_arrow:", run=run.id)
    if not runs:
        st.caption("No run of yours trains here." if node.free_cpus < node.cpus else "Nothing trains here.")


def _used(total: float, free: float, what: str) -> str:
    return f"{total - free:g} of {total:g} {what}{'' if total == 1 else 's'} in use"


def place_of(run: Run) -> Place | None:
    """Where a run is on the cluster; None where it is on none, or where whoever wrote it down was killed since."""
    place = cluster.place(client.runs_folder() / run.id)
    is_left = place is not None and (place.phase == "training") == (run.state is State.QUEUED)
    return None if is_left else place


def where(run: Run) -> None:
    """One line about where a run on a cluster is, while it is not over."""
    try:
        is_there = run.is_active and environment.cluster() is not None
    except ValueError:
        return
    if not is_there or not (place := place_of(run)):
        return
    match place.phase:
        case "connecting":
            st.caption("Going to the cluster …")
        case "waiting":
            st.info("Every node of the cluster is busy: the run starts when one is free.", icon=":material/hourglass:")
        case "training":
            st.caption(f"Trains on the node {frame.plain(place.node)}.")
        case "given back":
            st.warning(frame.plain(place.words), icon=":material/lan:")
