"""Trains one network: the settings, losses and schedules, the training loop, and one segment of a trial."""
