"""Make the words of the unscrambling tasks from SCOWL, a collection of word lists.

It is Debian's package `scowl`; 2020.12.07 was used. Unpacked, its lists are in one folder:

    python scripts/embed_words.py usr/share/dict/scowl src/unmirage/tasks/words.txt

Keeps common words (level 10) of 5 to 15 letters that no other word (level 60 and below) can be taken for
once their letters are cycled, or moved between the first and the last; of those, 2,000 by a hash.
"""

import hashlib
import re
import sys
from collections import Counter
from pathlib import Path

WORDS = 2000
NOTICE = """\
# 2,000 common English words, chosen by scripts/embed_words.py from level 10 of SCOWL 2020.12.07, which comes
# from lists in the public domain: Moby Words II (Grady Ward) and UK English Wordlist With Frequency
# Classification (Brian Kelk).
#
# The collective work is Copyright 2000-2018 by Kevin Atkinson.
#
# Permission to use, copy, modify, distribute and sell these word lists, the associated scripts, the output
# created from the scripts, and its documentation for any purpose is hereby granted without fee, provided
# that the above copyright notice appears in all copies and that both that copyright notice and this
# permission notice appear in supporting documentation. Kevin Atkinson makes no representations about the
# suitability of this array for any purpose. It is provided "as is" without express or implied warranty.
"""


def main(source: Path, target: Path) -> None:
    """Write the list."""
    every = {word for level in (10, 20, 35, 40, 50, 55, 60) for word in _words(source, level)}
    cycles, inner = (Counter(key(word) for word in every) for key in (_cycle, _inner))
    kept = [
        word
        for word in _words(source, 10)
        if 5 <= len(word) <= 15 and cycles[_cycle(word)] == 1 and inner[_inner(word)] == 1
    ]
    kept.sort(key=lambda word: hashlib.sha256(word.encode()).digest())
    target.write_text(NOTICE + "".join(f"{word}\n" for word in sorted(kept[:WORDS])), encoding="utf-8")
    print(f"{target}: {WORDS:,} of {len(kept):,} words")


def _words(source: Path, level: int) -> set[str]:
    files = [source / f"{kind}-words.{level}" for kind in ("english", "american")]
    lines = [line for file in files for line in file.read_text(encoding="latin-1").split()]
    return {word for word in lines if re.fullmatch("[a-z]+", word)}


def _cycle(word: str) -> str:
    """The same for all words that are cycles of each other."""
    return min(word[k:] + word[:k] for k in range(len(word)))


def _inner(word: str) -> str:
    """The same for all words that differ in the order of the letters between the first and the last."""
    return word[0] + "".join(sorted(word[1:-1])) + word[-1]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
