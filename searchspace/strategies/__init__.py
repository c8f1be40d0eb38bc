"""Strategies: small modules that several families share. Each kind of strategy is chosen by one knob."""
