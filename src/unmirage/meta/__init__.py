"""Many tasks, metrics and families at once: where what looks like emergence concentrates."""
