"""The paper's mathematical model, and a simulator of families whose truth is known.

`model` is the analytic part, `truths` the shapes that a family can have, `simulate` makes responses of them.
"""
