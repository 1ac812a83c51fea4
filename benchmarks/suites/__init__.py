"""Suites: which corruptions or perturbations, of images prepared how."""
