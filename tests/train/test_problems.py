"""The two tasks as text: what is written, which pairs are held out, what a batch teaches."""

import numpy as np
import pytest

from unmirage.train.problems import (
    ADDITION,
    CONTEXT,
    END,
    MULTIPLICATION,
    PARTS,
    TASKS,
    digits,
    operands,
    questions,
    text,
    training_batch,
    written,
)


def test_digits_are_those_of_the_decimal_text():
    values = np.concatenate([np.arange(2000), 10 ** np.arange(9), 10 ** np.arange(1, 9) - 1])
    assert digits(values).tolist() == [len(str(v)) for v in values.tolist()]


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_problems_are_written_as_people_write_them(task):
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, task.operands, (2, 300))
    tokens, there = written(task, a, b)
    for row, mask, x, y in zip(tokens, there, a.tolist(), b.tolist(), strict=True):
        right = x + y if task is ADDITION else x * y
        assert text(row[mask]) == f"{x}{task.sign}{y}={right}\n"


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_a_pair_and_its_mirror_are_in_one_part(task):
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, task.operands, (2, 20_000))
    assert (task.part(a, b) == task.part(b, a)).all()


def test_parts_have_their_shares():
    pairs = np.array([(a, b) for a in range(100) for b in range(a, 100)]).T
    for task, share in ((MULTIPLICATION, 0.2), (ADDITION, 0.4)):
        counts = np.bincount(task.part(*pairs), minlength=3) / pairs.shape[1]
        # Binomial over 5,050 pairs: five standard errors.
        assert counts[2] == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 5050))
        assert counts[1] == pytest.approx(share / 4, abs=5 * np.sqrt(share / 4 / 5050))


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_held_out_pairs_are_in_no_training_text(task):
    a, b = operands(task, 50_000, np.random.default_rng(2), auxiliary=0.5)
    assert (task.part(a, b) == 0).all()
    longest = max(digits(a).max(), digits(b).max())
    assert longest == (4 if task.auxiliary or task is ADDITION else 2)


def test_batches_are_whole_problems_of_one_task_a_text():
    tokens, learned = training_batch(40, 7, 3, share=0.25, auxiliary=0.5)
    assert tokens.shape == learned.shape == (40, CONTEXT + 1)
    signs = 0
    for row, mask in zip(tokens, learned, strict=True):
        line = text(row)
        assert line[0] == "\n"
        problems = line[1:].split("\n")
        sign = "*" if "*" in line else "+"
        signs += sign == "*"
        expected = "\0"
        for k, problem in enumerate(problems):
            whole = k < len(problems) - 1
            question, _, answer = problem.partition("=")
            if whole:
                x, y = question.split(sign)
                assert answer == str(int(x) + int(y) if sign == "+" else int(x) * int(y))
            expected += "\0" * (len(question) + ("=" in problem)) + answer + "\n" * whole
        assert "".join(s if m else "\0" for s, m in zip(line, mask, strict=True)) == expected
    assert signs == 10


def test_a_batch_depends_on_its_step_and_seed_alone():
    def batch(step, seed):
        return training_batch(8, step, seed, share=0.5, auxiliary=0.5)[0].tobytes()

    assert batch(3, 1) == batch(3, 1)
    assert len({batch(3, 1), batch(4, 1), batch(3, 2)}) == 3


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
@pytest.mark.parametrize("part", PARTS[1:])
def test_questions_show_two_solved_training_problems(task, part):
    asked = questions(task, part, 30)
    assert len(set(asked.item_ids)) == asked.a.size
    assert (task.part(asked.a, asked.b) == PARTS.index(part)).all()
    assert (asked.prompt_lengths + asked.answer_lengths).max() <= CONTEXT + 1
    for k in range(asked.a.size):
        prompt = text(asked.prompts[k][: asked.prompt_lengths[k]])
        assert prompt.startswith("\n")
        first, second, question = prompt[1:].split("\n")
        for shown in (first, second):
            pair, answer = shown.split("=")
            x, y = (np.array([int(v)]) for v in pair.split(task.sign))
            assert int(answer) == task.answer(x, y)[0]
            assert task.part(x, y) == 0
        assert question == f"{asked.a[k]}{task.sign}{asked.b[k]}="
        answer = asked.answers[k][: asked.answer_lengths[k]]
        assert answer[-1] == END
        assert int(text(answer)) == task.answer(asked.a, asked.b)[k]


def test_all_held_out_products_are_asked_and_many_sums_of_each_length():
    products = questions(MULTIPLICATION, "test")
    a, b = np.array([(a, b) for a in range(100) for b in range(a, 100)]).T
    assert products.a.size == (MULTIPLICATION.part(a, b) == 2).sum()
    sums = questions(ADDITION, "test", 3100)
    for asked in (products, sums):
        pairs = np.sort(np.column_stack([asked.a, asked.b]), axis=1)
        assert len(np.unique(pairs, axis=0)) == asked.a.size
        assert 0.4 < (asked.a < asked.b).mean() / (asked.a != asked.b).mean() < 0.6
    assert sums.a.size >= 10_000
    lengths, counts = np.unique(sums.answer_lengths - 1, return_counts=True)
    assert lengths.tolist() == [1, 2, 3, 4, 5]
    assert (counts[2:] == 3100).all()


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_questions_are_the_same_each_time_and_in_no_order(task):
    one, again = questions(task, "test", 300), questions(task, "test", 300)
    assert one.item_ids == again.item_ids
    assert one.prompts.tobytes() == again.prompts.tobytes()
    for values in (one.a, one.answer_lengths):
        beside = np.corrcoef(values[1:], values[:-1])[0, 1]
        assert abs(beside) < 5 / np.sqrt(values.size)
