# Of the whole path: item-level metrics of choices, and resamples of the items.
REPLICATES = 1000
METRICS = (
    "multiple_choice_grade",
    "acc_norm",
    "choice_prob",
    "choice_logprob",
    "vocab_logprob",
    "vocab_prob",
    "margin",
    "brier_one_sided",
    "brier_sum",
    "entropy",
)
