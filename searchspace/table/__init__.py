"""Tables of all architectures of a search space with their exact costs.

`cost_parts` starts a worked example, which the other modules of this folder continue.
"""
