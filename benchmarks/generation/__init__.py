"""Writes, verifies and repairs corrupted sets on disk."""
