"""The sweep file: its keys, the lines of its faults, and the check that its space holds a network within the budget."""
