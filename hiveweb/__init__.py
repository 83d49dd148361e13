"""The project: settings, the gate before everything, mounting."""

#: The same as in pyproject.toml.
VERSION = "0.1.0"
