"""Runs models on suites, attacks them, and verifies stored results."""
