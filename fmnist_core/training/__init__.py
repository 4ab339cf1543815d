"""One run in memory: state, loop, optimizers, precision, learning-rate finder, race."""
