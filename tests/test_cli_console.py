"""What a command says while it works."""

import io


def test_reading_shows_its_progress_in_bytes(monkeypatch):
    from rich.console import Console

    from unmirage import cli_console

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    def shown(stderr, quiet=False):
        screen = Console(file=io.StringIO(), force_terminal=True, width=100)
        monkeypatch.setattr(cli_console, "console", lambda stderr=False: screen)
        monkeypatch.setattr("sys.stderr", stderr)
        with cli_console.progress_line(quiet) as progress:
            progress("reading", 1_500_000, 3_000_000)
            progress("judging", 2, 3)
        return screen.file.getvalue() + stderr.getvalue()

    seen = shown(Terminal())
    assert "1.5 MB/3.0 MB" in seen
    assert "2/3" in seen
    assert shown(io.StringIO()) == shown(Terminal(), quiet=True) == ""
