"""One picture, or all of them, through a network: activations, attribution, edits. NumPy only, no torch."""
