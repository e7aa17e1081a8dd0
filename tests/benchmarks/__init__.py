"""Measured against hand-made floors and the usual way, in one run on one machine."""
