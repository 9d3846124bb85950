"""Curves of tables of any length: read in batches, scored, and reduced at once to sums that can be added."""
