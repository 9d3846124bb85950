"""Options of servers, and keys, which no file holds and no message shows."""

import time
from email.utils import formatdate

import pytest

from unmirage.ask.endpoint import retry_after
from unmirage.ask.options import OPENAI, read_key, read_options
from unmirage.errors import SettingsError

SECRET = "sk-Abc123"


def test_defaults(entry, monkeypatch):
    options = read_options(entry())
    assert options.base_url == OPENAI
    assert (options.concurrency, options.retries, options.timeout, options.logprobs) == (8, 6, 60.0, True)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(SettingsError, match="OPENAI_API_KEY holds no key"):
        read_key(options, "m")
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\n")
    assert read_key(options, "m") == SECRET


def test_a_server_of_ones_own_needs_no_key(entry, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OTHER_KEY", raising=False)
    local = {"base_url": "http://localhost:8000/v1/"}
    assert read_options(entry(local)).base_url == "http://localhost:8000/v1"
    assert read_key(read_options(entry(local)), "m") is None
    assert read_key(read_options(entry(local | {"key_env": "OPENAI_API_KEY"})), "m") is None
    with pytest.raises(SettingsError, match="OTHER_KEY holds no key"):
        read_key(read_options(entry(local | {"key_env": "OTHER_KEY"})), "m")


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": SECRET},
        {"key": SECRET},
        {"default_headers": {"Authorization": SECRET}},
        {"token": SECRET},
        {"key_env": SECRET},
        {"key_env": "hf_Abc123sk-Abc123"},
        {"base_url": f"https://me:{SECRET}@host/v1"},
        {"base_url": f"https://host/v1?key={SECRET}"},
        {"base_url": f"me:{SECRET}@host"},
        {"base_url": f"http://[{SECRET}/v1"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_keys_are_refused_and_not_shown(entry, options):
    with pytest.raises(SettingsError) as caught:
        read_options(entry(options))
    assert SECRET not in f"{caught.value}{caught.value!r}"
    assert caught.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"concurrency": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"retries": 1.5},
        {"requests_per_minute": 0},
        {"logprobs": "yes"},
        {"base_url": "ftp://host"},
        {"batch": 3},
    ],
    ids=str,
)
def test_wrong_options_are_refused(entry, options):
    with pytest.raises(SettingsError, match="toy-1b, options"):
        read_options(entry(options))


def test_waits_that_servers_ask_for():
    assert retry_after({}) is None
    assert retry_after({"retry-after": "3"}) == 3
    assert retry_after({"retry-after": "3", "retry-after-ms": "1500"}) == 1.5
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({"retry-after": "-3"}) is None
    assert retry_after({"retry-after": "nan"}) is None
    assert retry_after({"retry-after": formatdate(time.time() + 60, usegmt=True)}) == pytest.approx(60, abs=3)
    assert retry_after({"retry-after": formatdate(time.time() - 60, usegmt=True)}) == 0
