"""Training states on disk and in object stores, and weights that others published."""

import warnings

# torch warns about archives and pickles that it did not write. An unreadable file causes an error of one line instead.
warnings.filterwarnings("ignore", module=r"torch\._weights_only_unpickler|torch\._utils")
warnings.filterwarnings("ignore", category=UserWarning, module=r"sweeps\.checkpoints\.state")
