"""Strategies: small modules that several families share. One knob chooses each of them."""
