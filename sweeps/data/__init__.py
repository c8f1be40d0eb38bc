"""Finds, reads, resizes, caches and splits image sets, and cuts them into patches."""

import warnings

# Pillow warns about metadata that it cannot read. A file whose pixels it cannot read raises an error instead.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
