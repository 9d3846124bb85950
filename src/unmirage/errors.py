"""Every error that a user can meet. Each says what was wrong, where, and what to do.

The command line prints the message and ends with exit code 2. Anything else that is raised is a
defect of ours and ends with exit code 1.
"""


class UnmirageError(Exception):
    """Bad input or bad arguments.

    Parameters
    ----------
    what: what is wrong, one sentence.
    where: the file, line, column or option that it was found in.
    hint: what to do about it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f"\n{self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class SourceError(UnmirageError):
    """A source cannot be read: no such path, an unknown format, a broken record."""


class TableError(UnmirageError):
    """A table breaks a rule of its schema: a missing column, a duplicate key, an impossible value."""


class ScaleError(UnmirageError):
    """A model's scale is unknown on the axis that was asked for."""


class MetricError(UnmirageError):
    """A metric is unknown, or its expression cannot be read."""


class MissingExtraError(UnmirageError):
    """A feature needs an optional dependency that is not installed."""


class SettingsError(UnmirageError):
    """An option has a value outside its range."""


class OutputError(UnmirageError):
    """A result cannot be written where it should go."""


class WorkError(UnmirageError):
    """Work that was spread over processes or machines was lost."""


class UnmirageWarning(UserWarning):
    """Something that a step has to say about the data; `audit` lists these in `warnings` instead."""
