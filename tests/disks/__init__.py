"""Full, read-only and slow disks under everything that srsweep writes."""
