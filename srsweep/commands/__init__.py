"""The commands of `srsweep`, one file each."""
