"""A small OpenAI-compatible server with a pretended model whose every log-probability is known.

Tokens are words with the space before them, digits one by one, and other characters (:func:`cut`). After each
token one word is the likeliest; :func:`logprob` says how likely any token is after another. Faults are taken
one a request, from `faults`; traits say what the server can do.
"""

from __future__ import annotations

import json
import random
import re
import socket
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from zlib import crc32

WORDS = (" red", " blue", " green", " one", " two", ".", "\n")
BEST, TIE = -0.25, " tie"


def cut(text):
    """Text -> tokens."""
    return re.findall(r" ?[A-Za-z]+|\d|[^A-Za-z\d]", text)


def best(before):
    """The likeliest token after another."""
    at = WORDS.index(before) + 1 if before in WORDS else crc32(before.encode())
    return WORDS[at % len(WORDS)]


def logprob(before, token):
    """Log-probability of a token after another. That of TIE is always as high as that of the best one."""
    if token in (best(before), TIE):
        return BEST
    return -1.0 - crc32(f"{before}|{token}".encode()) % 1000 / 250


def truth(one):
    """(tokens, log-probabilities, greedy) of a continuation, from the pretended model itself."""
    context, tokens = cut(one.context), cut(one.continuation)
    assert cut(one.context + one.continuation) == context + tokens
    before = [context[-1], *tokens[:-1]]
    expected = [logprob(last, token) for last, token in zip(before, tokens, strict=True)]
    return (
        tuple(tokens),
        tuple(expected),
        all(token == best(last) for last, token in zip(before, tokens, strict=True)),
    )


def likeliest(prompt, count):
    """The tokens put out at temperature 0."""
    tokens = cut(prompt)
    for _ in range(count):
        tokens.append(best(tokens[-1]))
    return tuple(tokens[-count:])


class FakeServer:
    """Serves until closed.

    Parameters
    ----------
    lists, ids: whether a request may hold several prompts, or a prompt as numbers of `vocabulary`.
    least: the smallest max_tokens that is taken.
    ignores: options that are taken and not looked at. refuses: options answered with 400, or with `status`.
    begin: a token that it puts before each prompt, as tokenizers do.
    by_number: names tokens "token_id:N".
    keeps_stop: leaves the stop text in. counts: states usage. key: that a request must bear.
    limit: the option of chat that limits the output. slow: seconds that an answer takes.
    """

    def __init__(
        self,
        *,
        lists=True,
        ids=False,
        vocabulary=None,
        least=0,
        ignores=(),
        refuses=(),
        status=400,
        begin="",
        by_number=False,
        keeps_stop=False,
        counts=True,
        key=None,
        limit="max_tokens",
        slow=0.0,
    ):
        self.lists, self.ids, self.vocabulary, self.least = lists, ids, vocabulary or [], least
        self.ignores, self.refuses, self.status, self.begin = set(ignores), set(refuses), status, begin
        self.by_number, self.keeps_stop, self.counts = by_number, keeps_stop, counts
        self.key, self.limit, self.slow = key, limit, slow
        self.faults = deque()
        self.asked, self.times, self.statuses = [], [], Counter()
        self.at_once = self.most_at_once = self.cut_off = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                owner.answer(self)

            def log_message(self, *_):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, client_address):
                owner.cut_off += 1

        self.http = Quiet(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def close(self):
        self.released.set()
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()

    def answer(self, request):
        """One request."""
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        with self.lock:
            headers = {name.lower(): value for name, value in request.headers.items()}
            self.asked.append((request.path, headers, body))
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            fault = self.faults.popleft() if self.faults else ""
        try:
            if self.slow:
                self.released.wait(self.slow)
            self._answer(request, body, fault)
        finally:
            with self.lock:
                self.at_once -= 1

    def _answer(self, request, body, fault):
        status, headers = (fault.partition(" ")[0], {}) if fault[:3].isdigit() else ("", {})
        if status:
            if "after" in fault:
                headers["Retry-After"] = fault.split()[-1]
            error = {"message": f"fault {status}\nfor {request.headers.get('Authorization')}\x1b[31m"}
            if "quota" in fault:
                error["code"] = "insufficient_quota"
            return self._send(request, int(status), json.dumps({"error": error}).encode(), headers)
        if fault == "hang":
            self.released.wait(30)
            return None
        if fault == "cut":  # the connection ends within the answer
            request.send_response(200)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", "1000")
            request.end_headers()
            request.wfile.write(b'{"choices": [')
            request.wfile.flush()
            request.connection.shutdown(socket.SHUT_RDWR)
            request.close_connection = True
            return None
        if fault == "not json":
            return self._send(request, 200, b'{"choices": [{"index": 0, "te')
        if fault == "page":
            return self._send(request, 200, b"<html>A gateway</html>", {"Content-Type": "text/html"})
        refusal = self._refusal(request, body)
        if refusal:
            code, message = refusal
            return self._send(request, code, json.dumps({"error": {"message": message}}).encode())
        chat = request.path == "/v1/chat/completions"
        reply = json.dumps(self._chat(body, fault) if chat else self._completion(body, fault)).encode()
        if fault == "drip":
            request.send_response(200)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(reply)))
            request.end_headers()
            for byte in reply:
                request.wfile.write(bytes([byte]))
                request.wfile.flush()
                if self.released.wait(0.05):
                    return None
            return None
        return self._send(request, 200, reply)

    def _send(self, request, status, content, headers=()):
        with self.lock:
            self.statuses[status] += 1
        request.send_response(status)
        for name, value in {"Content-Type": "application/json", **dict(headers)}.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _refusal(self, request, body):
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            return 401, f"Incorrect key {request.headers.get('Authorization')}"
        if body["model"] != "toy":
            return 404, f"The model `{body['model']}` does not exist."
        for option in self.refuses & set(body):
            return self.status, f"{option} is not supported"
        if request.path == "/v1/chat/completions":
            return None if self.limit in body else (400, f"Use {self.limit}.")
        prompt = body["prompt"]
        several = isinstance(prompt, list) and isinstance(prompt[0], str | list)
        numbers = isinstance(prompt[0] if several else prompt, list)
        if (several and not self.lists) or (numbers and not self.ids):
            return 400, "prompt must be a string."
        if body["max_tokens"] < self.least:
            return 400, f"max_tokens must be at least {self.least}"
        return None

    def _generate(self, before, body):
        """Tokens after the last one of `before`, the stop text, and why it ended."""
        draw = random.Random(body.get("seed", 0))
        tokens, last, finish = [], before[-1] if before else "", "length"
        stops = body.get("stop") or []
        limit = body.get("max_tokens", body.get("max_completion_tokens"))
        text = ""
        for _ in range(limit):
            last = draw.choice(WORDS) if body.get("temperature") else best(last)
            tokens.append(last)
            text += last
            ends = [text.index(one) for one in stops if one in text]
            if ends:
                finish = "stop"
                text = text if self.keeps_stop else text[: min(ends)]
                break
        return tokens, text, finish

    def _completion(self, body, fault):
        body = {name: value for name, value in body.items() if name not in self.ignores}
        prompt = body["prompt"]
        prompts = prompt if isinstance(prompt, list) and isinstance(prompt[0], str | list) else [prompt]
        choices, read, written = [], 0, 0
        for index, one in enumerate(prompts):
            given = cut(one) if isinstance(one, str) else [self.vocabulary[k] for k in one]
            given = [self.begin, *given] if self.begin and isinstance(one, str) else given
            new, text, finish = self._generate(given, body)
            read, written = read + len(given), written + len(new)
            tokens = given + new if body.get("echo") else new
            before = [None, *given[:-1], *([given[-1]] if given else []), *new]
            before = before[: len(given + new)][-len(tokens) :] if tokens else []
            start = "".join(given).removeprefix(self.begin) if body.get("echo") else ""
            choice = {"index": index, "text": start + text, "finish_reason": finish, "logprobs": None}
            if "logprobs" in body:
                choice["logprobs"] = self._logprobs(tokens, before, fault)
            choices.append(choice)
        if fault == "fewer":
            choices.pop()
        if fault == "filtered":
            choices[0]["finish_reason"] = "content_filter"
        usage = {"prompt_tokens": read, "completion_tokens": written} if self.counts else None
        return {"object": "text_completion", "choices": choices[::-1], "usage": usage}

    def _logprobs(self, tokens, before, fault):
        if fault == "no logprobs":
            return None
        pairs = list(zip(before, tokens, strict=True))
        found = [None if last is None else logprob(last, token) for last, token in pairs]
        tops = [
            None if last is None else {best(last): BEST, token: logprob(last, token)} for last, token in pairs
        ]
        offsets = [sum(map(len, tokens[:k])) for k in range(len(tokens))]
        names = [f"token_id:{self._number(token)}" for token in tokens] if self.by_number else tokens
        if fault == "null":
            found[-1] = None
        if fault == "nan":
            found[-1] = float("nan")
        return {
            "tokens": names,
            "token_logprobs": found[:-1] if fault == "short" else found,
            "top_logprobs": tops[:-1] if fault == "short tops" else None if fault == "no tops" else tops,
            "text_offset": offsets,
        }

    def _number(self, token):
        return self.vocabulary.index(token) if token in self.vocabulary else crc32(token.encode()) % 50000

    def _chat(self, body, fault):
        body = {name: value for name, value in body.items() if name not in self.ignores}
        given = cut(body["messages"][0]["content"])
        new, text, finish = self._generate(given, body)
        content = [
            {"token": token, "logprob": logprob(last, token), "bytes": None, "top_logprobs": []}
            for last, token in zip([given[-1], *new[:-1]], new, strict=True)
        ]
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": None if fault == "silent" else text},
            "finish_reason": finish,
            "logprobs": {"content": content} if body.get("logprobs") and fault != "no logprobs" else None,
        }
        usage = {"prompt_tokens": len(given), "completion_tokens": len(new)}
        return {"choices": [] if fault == "fewer" else [choice], "usage": usage}
