"""The corruptions of ImageNet-C-bar and CIFAR-10-C-bar (Mintun, Kirillov and Xie 2021, arXiv:2102.11273)."""
