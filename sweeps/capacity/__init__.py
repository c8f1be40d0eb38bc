"""How many trials run at once on a machine: what a trial asks for, how many fit, and how many are fastest."""
