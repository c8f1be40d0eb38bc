"""The command line. Only this package imports searchspace, sweeps and analysis together."""
