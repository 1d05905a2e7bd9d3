"""An activation of one's own, for tests that hand one in by its path."""

from keras import ops


def bent(x):
    """Return x / (1 + |x|/2) where x > 0, and a tenth of it elsewhere."""
    return ops.where(x > 0, x / (1 + ops.abs(x) / 2), 0.1 * x)


def wide(x, width=2.0):
    """Return x times a bell curve of some width."""
    return x * ops.exp(-x * x / width**2)


def powered(x, order=2, by=1.0):
    """Return x to a whole power: `range` takes no other."""
    y = by * x
    for _ in range(order - 1):
        y = y * x
    return y


def between(x, low, high=1):
    """Two arguments without a default: no activation by itself."""
    return ops.clip(x, low, high)


def branching(x):
    """Return x, or its negative where the mean is below zero: a choice that Python makes anew in each step."""
    return x if float(ops.mean(x)) >= 0 else -x
