"""Spaces: what an inner maximisation, or a random draw, may vary about an image."""
