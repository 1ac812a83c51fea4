"""Fits defenses on data sets."""
