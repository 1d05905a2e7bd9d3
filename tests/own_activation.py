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


def by_share(x):
    """Return the positive part times the share of positive numbers, which it counts by the length of their list."""
    return ops.relu(x) * (ops.nonzero(ops.reshape(x, (-1,)) > 0)[0].shape[0] / ops.size(x))


def above_mean(x):
    """Return x less the mean of its positive numbers, which it picks out by a mask."""
    return x - ops.sum(x[x > 0]) / ops.size(x)


def of_few(x, by=1.0):
    """Fail in layers of more than 11 units, which is what an activation is tried on."""
    if x.shape[-1] > 11:
        raise ValueError("too many units")
    return by * x
