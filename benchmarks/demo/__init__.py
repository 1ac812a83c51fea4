"""Two small networks that ship with the package, for the demo and for tests."""
