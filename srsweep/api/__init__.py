"""The Python API: what `srsweep.load`, `srsweep.run` and the other names of the package `srsweep` do."""
