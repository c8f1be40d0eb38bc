"""Image sets: how they are found, read, resized, cached, split and cut into patches."""

import warnings

# Pillow warns of metadata that it cannot read. A file whose pixels it cannot read raises an error instead.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
