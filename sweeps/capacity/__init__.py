"""How many trials a machine takes at once: what each asks for, what fits, and what was measured to be fastest."""
