"""Families of models that are trained here, so that all can be checked on weights that anyone can make.

What needs PyTorch is imported by the functions that train (extra `models`).
"""
