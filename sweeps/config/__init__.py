"""The sweep file: what it may say, where its faults are, and whether its space holds any network within the budget."""
