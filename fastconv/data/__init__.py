"""Data for experiments: reading it."""
