"""Scores models to a chosen precision: one cell an image, in balanced blocks."""
