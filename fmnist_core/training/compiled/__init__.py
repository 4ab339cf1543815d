"""The tutorial's network in plain C, compiled on the machine that runs it: many training steps, or many predictions, in one call.

`library.py` compiles it, once per machine; `engine.py` and `steps.py` train with it, `predict.py` predicts, without torch.
`network.h` says what is in memory and `layout.h` where; `forward.h` and `backward.h` are one image's arithmetic, `step.c` and
`predict.c` the two calls. Where there is no compiler, or FMNIST_COMPILED=0 says no, training takes PyTorch's way and predictions
NumPy's, to the same results but for rounding.
"""
