"""The sweep file: its keys, the lines of its faults, and whether its space holds a network within the budget."""
