"""Search spaces: specs and knobs, the networks they build, what these cost."""
