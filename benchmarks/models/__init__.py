"""Models by name: where they come from, how they are loaded, what they want done to images."""
