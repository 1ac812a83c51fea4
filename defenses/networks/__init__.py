"""Plain networks by name, at the size of CIFAR."""
