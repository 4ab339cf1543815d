"""The tutorial's network, taken apart: what goes in, what comes out, what is learned, what each line does."""

from __future__ import annotations

from fmnist_core.inside import fresh
from pages.parts import frame
from pages.parts.network.layers import table, totals, worked_out
from pages.parts.network.lines import line_by_line, printed
from pages.parts.network.way import picture
from pages.parts.network.widths import TUTORIAL, chosen_settings

frame.page(
    "Network",
    "This is all there is between a picture and its ten scores. Change a width and see what it costs; nothing is "
    "trained on this page.",
    code=("fmnist_core.networks.net.Net", fresh.layers, fresh.fresh),
)
config = chosen_settings()
layers = fresh.layers(config)
totals(config, layers, fresh.layers(TUTORIAL))
picture(config, layers)
table(layers)
worked_out(layers)
line_by_line(config)
printed(config)
