"""Computes figures, comparisons and tables from stored results."""
