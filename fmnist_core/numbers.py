"""Numbers as people read them: no "1e-05", and U+2212 for minus."""

from __future__ import annotations

import math

import numpy as np

MINUS = "\u2212"
LARGE = 1e7
"""From here on `decimal` writes a power of ten: what a network that has diverged computes has twenty digits."""


def number(value: float) -> str:
    """A number as it is read: no exponent, and no digits that only rounding put there.

    >>> number(1e-05), number(0.1), number(10.0), number(1.2345e-9), number(0.1 + 0.2), number(-2.5)
    ('0.00001', '0.1', '10', '0.0000000012345', '0.3', '−2.5')
    """
    text = f"{value:.6g}"
    return (np.format_float_positional(float(text), trim="-") if "e" in text else text).replace("-", MINUS)


def decimal(value: float, digits: int) -> str:
    """A number with so many digits; no sign where it rounds to zero; from ten millions on a power of ten.

    >>> decimal(-0.25, 1), decimal(3.0, 2), decimal(-0.001, 2), decimal(-1.2345e16, 2)
    ('−0.2', '3.00', '0.00', '−1.23 × 10¹⁶')
    """
    if LARGE <= abs(value) < math.inf:
        digit, _, power = f"{value:.2e}".partition("e+")
        return f"{digit} × 10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(d)] for d in str(int(power)))}".replace("-", MINUS)
    return f"{value if round(value, digits) else 0:.{digits}f}".replace("-", MINUS)


def signed(value: float, digits: int) -> str:
    """A difference with its sign; none where it rounds to zero.

    >>> signed(0.125, 1), signed(-3.0, 2), signed(-0.001, 2)
    ('+0.1', '−3.00', '0.00')
    """
    return ("+" if value > 0 and round(value, digits) else "") + decimal(value, digits)
