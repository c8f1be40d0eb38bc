"""The names under which the database stores a latency. `sweeps.measure.latency` explains the measurements."""

PREFIX = "latency_ms"
"""The first word in the name of every stored latency."""
LOWER, UPPER, LOW, HIGH = "latency_q1", "latency_q3", "latency_lo", "latency_hi"
"""First words of the names of a latency's quartiles, and of the ends of the confidence interval of its median, in
milliseconds. The rest of the name and the dataset are the same as for the latency."""
RUNS, OTHERS, RELIABLE = "latency_n", "lat_others", "latency_ok"
"""First words of the names of three more facts about a latency: its number of runs, the number of cores that other
processes used, and whether it is reliable (1 or 0)."""
WORDS = (PREFIX, LOWER, UPPER, LOW, HIGH, RUNS, OTHERS, RELIABLE)
"""All first words in this module."""
