"""Studies: a grid of experiments times seeds, run to its end and reported honestly."""
