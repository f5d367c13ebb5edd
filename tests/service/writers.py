"""Clients that write without a pause and remember every write that was acknowledged."""

import itertools
import threading
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.factories import text_message

API = "/api/v1"
# What a client may be told while the database or the process behind the API is gone, or while its own first call with
# the same key still runs. Anything else is a defect.
TRANSIENT = {503}
IN_FLIGHT = "idempotency-key-in-flight"
RETRY_AFTER = 0.02


@dataclass(frozen=True)
class Acknowledged:
    """A write whose 2xx was received in full."""

    name: str
    generation: int
    request_id: str
    answer: dict[str, Any]


@dataclass
class Ledger:
    """What a writer knows: what was acknowledged, and what it cannot know to have happened or not."""

    acknowledged: list[Acknowledged] = field(default_factory=list)
    keyed: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    replayed: int = 0
    unexpected: list[str] = field(default_factory=list)


class Writer(ABC):
    """A thread with a client of its own. Every other POST carries an Idempotency-Key and is repeated until answered."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.ledger = Ledger()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> None:
        """Let the write that is under way come to its end, repeated if need be, and end the thread."""
        self._stopping.set()
        self._thread.join(patience)
        assert not self._thread.is_alive(), f"{self._thread.name} never got an answer"
        self.client.close()

    @abstractmethod
    def request(self, number: int, name: str) -> httpx.Request:
        """Return the next write, which bears the name."""

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._stopping.is_set() or self.ledger.unexpected:
                return
            name = uuid.uuid4().hex
            request = self.request(number, name)
            if request.method == "POST" and number % 2:
                request.headers["Idempotency-Key"] = name
                self.ledger.keyed.add(name)
            while not self._send(name, request) and name in self.ledger.keyed:
                self._stopping.wait(RETRY_AFTER)

    def _send(self, name: str, request: httpx.Request) -> bool:
        """Send the write once; False when nobody can tell what came of it."""
        try:
            answer = self.client.send(request)
        except httpx.TransportError:
            self.ledger.uncertain.add(name)
            self._stopping.wait(RETRY_AFTER)
            return False
        if answer.is_success:
            self._acknowledge(name, answer)
            return True
        if answer.status_code in TRANSIENT or IN_FLIGHT in answer.text:
            self.ledger.uncertain.add(name)
            return False
        self.ledger.unexpected.append(f"{request.method} {request.url.path}: {answer.status_code} {answer.text}")
        return True

    def _acknowledge(self, name: str, answer: httpx.Response) -> None:
        self.ledger.uncertain.discard(name)
        replayed = answer.headers.get("Idempotency-Replayed") == "true"
        self.ledger.replayed += replayed
        generation = int(answer.headers["ETag"].strip('"'))
        # A replay bears the id of its own request; the write was made under the first one's.
        request_id = "" if replayed else answer.headers["X-Request-Id"]
        self.ledger.acknowledged.append(Acknowledged(name, generation, request_id, answer.json()))


class StateWriter(Writer):
    """Replaces the state of one session."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        self.session_id: str = client.post(f"{API}/sessions", json={}).raise_for_status().json()["id"]

    def request(self, number: int, name: str) -> httpx.Request:
        state = {"name": name, "number": number}
        return self.client.build_request("PUT", f"{API}/sessions/{self.session_id}/state", json=state)


class SubmitWriter(Writer):
    """Submits tasks into one context."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__(client)
        first = client.post(f"{API}/tasks", json={"message": text_message()}).raise_for_status().json()
        self.context_id: str = first["context_id"]

    def request(self, number: int, name: str) -> httpx.Request:
        body = {"context_id": self.context_id, "message": text_message(message_id=name), "metadata": {"name": name}}
        return self.client.build_request("POST", f"{API}/tasks", json=body)


class MessageWriter(Writer):
    """Appends messages to a task that others append to as well."""

    def __init__(self, client: httpx.Client, task_id: str) -> None:
        super().__init__(client)
        self.task_id = task_id

    def request(self, number: int, name: str) -> httpx.Request:
        body = text_message(message_id=name)
        return self.client.build_request("POST", f"{API}/tasks/{self.task_id}/messages", json=body)
