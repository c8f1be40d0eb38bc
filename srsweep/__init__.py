"""The command line: the one place that sees searchspace, sweeps and analysis together."""
