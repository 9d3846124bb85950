"""Templates: what is filled, what is refused, and that texts with braces stay as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmirage.errors import UnmirageError
from unmirage.tasks.template import Template, read_template

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def escaped(text: str) -> str:
    """The text as a literal of a format string."""
    return text.replace("{", "{{").replace("}", "}}")


@given(WORDS, WORDS, WORDS)
def test_a_field_is_replaced_once_and_everything_else_is_kept(before, value, after):
    template = Template(prompt=f"{escaped(before)}{{prompt}}{escaped(after)}")
    assert template.asked({"prompt": value}) == before + value + after


@given(WORDS, st.lists(WORDS, min_size=1, max_size=40))
def test_choices_are_written_one_by_one(value, texts):
    template = Template("{prompt}{choices}", choice="<{number}:{choice}>")
    written = "".join(f"<{k}:{text}>" for k, text in enumerate(texts, 1))
    assert template.asked({"prompt": value}, texts) == value + written


@given(WORDS, st.sampled_from(["", " ", "\n", "\t "]), st.sampled_from(["target", "letter", "number"]))
def test_a_text_is_cut_where_the_target_begins(before, space, field):
    template = read_template(f"{escaped(before)}{{prompt}}:{space}{{{field}}}", Template())
    asked, answered = template.asked({"prompt": "2+2"}), template.answered("four", 3)
    assert (asked, answered) == (
        f"{before}2+2:",
        space + {"target": "four", "letter": "D", "number": "4"}[field],
    )


@given(st.lists(WORDS, max_size=4), WORDS, WORDS, WORDS)
def test_a_context_is_its_parts(examples, prompt, instruction, separator):
    template = Template(instruction=instruction, separator=separator)
    found = template.context(examples, prompt)
    assert found == instruction + "".join(one + separator for one in examples) + prompt


def test_a_text_without_a_target_keeps_the_default():
    assert read_template("Q: {prompt}\nA:", Template()) == Template("Q: {prompt}\nA:")
    assert Template().answered("4") == " 4"


def test_the_separator_of_a_default_goes_with_its_prompt(tmp_path):
    default = Template("\n{prompt} =", separator="", stop=("\n",))
    assert read_template("{prompt}?", default) == Template("{prompt}?", stop=("\n",))
    path = tmp_path / "t.toml"
    path.write_text('instruction = "Unscramble."')
    assert read_template(path, default).context(["\na = b"], "\nc =") == "Unscramble.\na = b\nc ="
    path.write_text('prompt = "{prompt}"')
    assert read_template(path, default).separator == "\n\n"
    path.write_text('prompt = "{prompt}"\nseparator = ""')
    assert read_template(path, default).separator == ""


def test_letters():
    template = Template(target=" {letter}")
    assert [template.answered("x", k) for k in (0, 25)] == [" A", " Z"]
    with pytest.raises(UnmirageError, match=r"\{letter\}, which is not there"):
        template.answered("x", 26)


def test_stops_follow_the_separator():
    assert Template().stops == ("\n\n",)
    assert Template(separator="").stops == ("\n",)
    assert Template(stop=()).stops == ()


def test_a_file(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(
        'prompt = "{passage}\\n{prompt}"\ntarget = " {letter}"\nchoice = " ({letter}) {choice}"\n'
        'separator = "---"\n'
        'instruction = "Answer."\nstop = ["\\n", "---"]\nmax_tokens = 5\nheld_out = 3\n'
    )
    expected = Template(
        "{passage}\n{prompt}",
        " {letter}",
        " ({letter}) {choice}",
        "Answer.",
        "---",
        ("\n", "---"),
        5,
        None,
        3,
    )
    assert read_template(path, Template()) == read_template(str(path), Template()) == expected
    path.write_text('examples = "few.jsonl"\n')
    assert read_template(path, Template()).examples == tmp_path / "few.jsonl"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("prompt = 3", "prompt must be a text"),
        ('stop = "x"', "stop must be a list of texts"),
        ('stop = [""]', "stop must be a list of texts"),
        ("max_tokens = 0", "max_tokens must be a whole number from 1"),
        ("max_tokens = true", "max_tokens must be a whole number"),
        ('promt = "{prompt}"', "no key 'promt'"),
        ('prompt = "constant"', "has no field"),
        ('target = "constant"', "needs a field for the answer"),
        ('target = "{answer}"', r"has no field \{answer\}"),
        ('choice = "{target}"', r"has no field \{target\}"),
        ('prompt = "{prompt"', "cannot be read"),
        ('prompt = "{prompt.__class__}"', "no plain name"),
        ('prompt = "{prompt!r}"', "no plain name"),
        ('prompt = "{0}"', "no plain name"),
        ('prompt = "{}"', "no plain name"),
        ('examples = "a.jsonl"\nheld_out = 2', "exclude each other"),
        ("prompt =", "this is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used(content, message, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(content)
    with pytest.raises(UnmirageError, match=message) as caught:
        read_template(path, Template())
    assert str(path) in caught.value.where


def test_a_text_that_cannot_be_used():
    for text in ("{prompt} {target}.", "{prompt} {target}\n", "{target} {prompt} {target}"):
        with pytest.raises(UnmirageError, match="would tell the answer"):
            read_template(text, Template())
    for text in ("no_such.toml", "{{target}", "{prompt}{{{target}}"):
        with pytest.raises(UnmirageError, match="cannot be read"):
            read_template(text, Template())


def test_braces_that_are_doubled_are_no_field():
    template = read_template("{{target}} {prompt} {{ {target}", Template())
    assert template.asked({"prompt": "x"}) == "{target} x {"
    assert template.answered("y") == " y"
    assert read_template("{prompt} {{letter}}", Template()).asked({"prompt": "x"}) == "x {letter}"
