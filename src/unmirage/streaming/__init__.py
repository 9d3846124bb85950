"""Curves of more rows than fit into memory: batches are scored, and each is reduced to sums at once."""
