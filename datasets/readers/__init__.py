"""Readers of image sets: folders, arrays, CIFAR, digits."""
