"""The tasks of `unmirage train arithmetic`: what the models of its family were asked, to be asked again.

With two examples and seed 0 these are the prompts of its `responses.parquet`.
"""

from __future__ import annotations

import numpy as np

from unmirage.tasks.item import SPARE_TOKENS, Item, Task, make_task, too_many

NAMES = {
    "multiplication": "products of two 2-digit integers as `unmirage train arithmetic` asks them: 37*8=296",
    "addition": "sums of two 4-digit integers as `unmirage train arithmetic` asks them: 37+8=45",
}


def trained(name: str, items: int | None, shots: int, seed: int) -> Task:
    """A task of the arithmetic family, on pairs that are held out of its training.

    The examples are training pairs. The end of an answer, a new line, is scored with it, as in the
    family's own table: these models write it after every answer.

    Parameters
    ----------
    name: one of `NAMES`; items, shots, seed: as in `unmirage.tasks.find`.
    """
    from unmirage.train.arithmetic import Plan
    from unmirage.train.problems import SHOTS, TASKS, operands, questions, text

    task = next(one for one in TASKS if one.name == name)
    asked = questions(task, "test", Plan().asked, seed)
    there = int(asked.a.size)
    if items is not None and items > there:
        raise too_many(name, items, there)
    if shots == SHOTS:
        prompts = [text(row) for row in asked.prompts]
    else:
        rng = np.random.default_rng([seed, ord(task.sign), shots])
        a, b = (pair.reshape(there, shots) for pair in operands(task, there * shots, rng))
        answers = task.answer(a, b)
        prompts = [
            "\n" + "".join(f"{x}{task.sign}{y}={z}\n" for x, y, z in zip(*rows, strict=True)) + f"{mine}="
            for *rows, mine in zip(a.tolist(), b.tolist(), answers.tolist(), asked.item_ids, strict=True)
        ]
    targets = [str(value) for value in task.answer(asked.a, asked.b).tolist()]
    made = [
        Item(item_id, prompt, target, (f"{target}\n",))
        for item_id, prompt, target in zip(asked.item_ids, prompts, targets, strict=True)
    ]
    longest = len(str(task.answer(*(np.array([task.operands - 1]),) * 2)[0]))
    return make_task(
        name,
        "generation",
        made[:items],
        stop=("\n",),
        max_tokens=longest + SPARE_TOKENS,
        shots=shots,
    )
