"""Families of networks on images: what the paper's third part is about (arXiv 2304.15004, Sec. 5).

`train` is the door. Each network is in a file of its own (`lenet`, `autoencoder`, `omniglot`), and images
come from `sources`. What needs PyTorch is imported by `train` (extra `models`).
"""
