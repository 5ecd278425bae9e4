"""Columns of the table of lit samples: what is known of the surface at each, (N, NUM_COLUMNS).

A point in the world, a normal, a place at rest for patterns, a colour, and how open to the sky.
"""

POINT, NORMAL, PLACE, COLOR, OPEN, NUM_COLUMNS = 0, 3, 6, 9, 12, 13
