"""The sweep file: its keys, the line numbers of mistakes, and the check that a network is within the budget."""
