"""Measurements; each module prints its table when it is run."""
