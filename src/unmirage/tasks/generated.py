"""Tasks whose problems are numbered, so that they can be drawn uniformly and none twice.

Problem k of a task is the same wherever and whenever it is asked; a seed draws which are asked and which are
shown as examples. More items with the same seed are the same items and further ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from unmirage.errors import SettingsError
from unmirage.tasks.item import SPARE_TOKENS, Item, Task, make_task, too_many, too_many_shots
from unmirage.tasks.template import Template, read_template

ITEMS = 2000  # where their number is not said: as many as each of GPT-3's arithmetic tasks has
SHUFFLED = 100_000  # problems that are shuffled; of more, numbers are drawn until enough differ
# GPT-3's own (openai/gpt-3, data): a question, an answer, and nothing between one and the next.
QUESTION = Template("\n\nQ: {prompt}\n\nA:", separator="", stop=("\n",))


@dataclass(frozen=True)
class Problem:
    """One problem.

    Attributes
    ----------
    item_id: tells it from all others of its task.
    question: the field {prompt} of a template.
    answer: the right one, and the only one.
    choices: where the answer is one of a few.
    alike: problems that share it are never shown before each other, as the answer of one is that of the
        other; None: only the problem itself.
    """

    item_id: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    alike: str | None = None


@dataclass(frozen=True)
class Generated:
    """A task that makes its own problems.

    Attributes
    ----------
    name, about: as `unmirage.tasks.names` lists them.
    space: problems that there are, numbered from 0.
    problem: number -> problem.
    longest: characters of the longest answer (ASCII).
    template: how they are written by default.
    """

    name: str
    about: str
    space: int
    problem: Callable[[int], Problem]
    longest: int
    template: Template = QUESTION

    def task(self, items: int | None, shots: int, seed: int, template: str | Path | None) -> Task:
        """The task with the problems and examples that a seed draws; arguments as in `tasks.find`."""
        if items is not None and items > self.space:
            raise too_many(self.name, items, self.space, "different problems")
        written = read_template(template, self.template)
        if written.examples or written.held_out:
            raise SettingsError(
                f"{self.name} makes its own examples",
                where=str(template),
                hint="The keys examples and held_out are for tasks from files.",
            )
        count = items if items is not None else min(ITEMS, self.space)
        asked = [self._item(self.problem(k), shots, seed, written) for k in self._drawn(count, seed)]
        return make_task(
            self.name,
            "choice" if asked[0].choices else "generation",
            asked,
            stop=written.stops,
            max_tokens=written.max_tokens or self.longest + SPARE_TOKENS,
            shots=shots,
        )

    def _drawn(self, count: int, seed: int) -> list[int]:
        rng = Random(f"{self.name} {seed}")
        if self.space <= SHUFFLED:
            order = list(range(self.space))
            rng.shuffle(order)
            return order[:count]
        drawn: dict[int, None] = {}
        while len(drawn) < count:
            drawn[rng.randrange(self.space)] = None
        return list(drawn)

    def _item(self, problem: Problem, shots: int, seed: int, template: Template) -> Item:
        shown = [_written(one, template) for one in self._examples(problem, shots, seed)]
        target, choices = problem.answer, problem.choices
        return Item(
            problem.item_id,
            template.context(shown, template.asked({"prompt": problem.question}, choices)),
            target,
            tuple(template.answered(text, k) for k, text in enumerate(choices))
            or (template.answered(target),),
            choices,
            choices.index(target) if choices else None,
        )

    def _examples(self, problem: Problem, shots: int, seed: int) -> list[Problem]:
        """Different problems, none like the one that is asked; the first few are the same for more shots."""
        others = self.space - 2  # where there are few problems, at most two are alike
        if shots > others:
            raise too_many_shots(self.name, shots, others)
        rng = Random(f"{self.name} {seed} {problem.item_id}") if shots else None
        shown: dict[int, Problem] = {}
        while rng and len(shown) < shots:
            k = rng.randrange(self.space)
            one = self.problem(k)
            if one.item_id != problem.item_id and (one.alike is None or one.alike != problem.alike):
                shown[k] = one
        return list(shown.values())


def _written(problem: Problem, template: Template) -> str:
    place = problem.choices.index(problem.answer) if problem.choices else None
    asked = template.asked({"prompt": problem.question}, problem.choices)
    return asked + template.answered(problem.answer, place)
