"""Strategies: small modules that several families can take, each chosen by one knob."""
