"""The whole training step of the tutorial's network as one call: plain C, compiled on the machine that runs it.

`library.py` compiles it, once per machine; `engine.py` calls it; `network.h` and `step.c` are the arithmetic. Where there
is no compiler, or FMNIST_COMPILED=0 says no, training takes PyTorch's way, to the same losses but for rounding.
"""
