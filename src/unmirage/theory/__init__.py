"""The paper's mathematical model, and a simulator of families whose truth is known.

`model` has the formulas and `sampling` the same by sampled strings. `truths` finds a truth by name, from the
sets in `tuning` and `held_out`, which are put together from `shapes`; `simulate` makes responses of it.
`designs` names the families that the verdict is tried on.
"""
