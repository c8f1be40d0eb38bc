"""End-to-end tests of sweeps on clusters, with real sshd, raylets and databases."""
