"""Training one network: settings, schedules, the loop, and one segment of a trial."""
