"""Search spaces: specs and their knobs, the networks that they build, and the costs of those networks."""
