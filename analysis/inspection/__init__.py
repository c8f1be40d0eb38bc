"""Inspects trained networks: what each block adds, what activations remove, and what each pool layer or path
contributes.
"""
