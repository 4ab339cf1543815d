"""The colours that mean the same thing everywhere, chosen to be told apart by colour-blind readers, on light and dark."""

CLASS_COLOURS = (
    "#1f6f8b",  # T-shirt/top
    "#66ccee",  # Trouser
    "#808025",  # Pullover
    "#ccbb44",  # Dress
    "#ee6677",  # Coat
    "#aa3377",  # Sandal
    "#8c564b",  # Shirt
    "#7f9bc4",  # Sneaker
    "#44bb99",  # Bag
    "#9970ab",  # Ankle boot
)
"""One per class, after Paul Tol's "bright" and "muted" schemes (https://sronpersonalpages.nl/~pault/); no role below shares one."""

BEFORE = "#8c8c8c"
AFTER = "#3b82c4"
TRAIN = "#ee7733"
TEST = "#3b82c4"
RIGHT = "#228833"
WRONG = "#cc3311"
MORE = "#3b6fc4"
LESS = "#b85a14"
"""A difference: numbers that have grown, numbers that have shrunk. White text on either can be read."""
BETWEEN = "#757575"
"""Neither, under white text."""
REFERENCE = "#8c8c8c"
"""Lines to compare with: chance, people."""

RUNS = ("#3b82c4", "#ee7733", "#228833", "#aa3377", "#ccbb44", "#66ccee")
"""Runs beside each other on the Compare page."""
