"""Arithmetic shared by the corruptions and the perturbations: plain arrays and numbers in, arrays out."""
