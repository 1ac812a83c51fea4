"""Corrupted sets as files: layouts, manifests, writers and readers."""
