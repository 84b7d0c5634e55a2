"""A Pub/Sub client on generated stubs, with a REST client and the control surface of the same simulated org."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import httpx
import pytest
from support.pubsub_client import EVENTS
from support.waiting import DEADLINE_S, wait_until

from simulators.launch import Simulators
from simulators.seeding_salesforce import STATIC_TOKEN

BODY = {"Subject": "Review", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30}
ERROR = "sfdc.platform.eventbus.grpc."


class Stream:
    """One Subscribe or ManagedSubscribe call: requests from a queue, answers into another."""

    def __init__(self, call: Callable[..., Any], metadata: list[tuple[str, str]]) -> None:
        self._requests: queue.Queue[Any] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self.call = call(iter(self._requests.get, None), metadata=metadata, timeout=DEADLINE_S)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            for answer in self.call:
                self._answers.put(answer)
            self._answers.put(None)
        except grpc.RpcError as problem:
            self._answers.put(problem)

    def send(self, request: Any) -> None:
        """Send a request; None closes the client's side."""
        self._requests.put(request)

    def next(self) -> Any:
        """The next answer; None at an end without error. Raises the error that ends the stream."""
        answer = self._answers.get(timeout=DEADLINE_S)
        if isinstance(answer, grpc.RpcError):
            raise answer
        return answer

    def is_silent(self, seconds: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        time.sleep(seconds)
        return self._answers.empty()

    def close(self) -> None:
        """Give up the call."""
        self.call.cancel()
        self._requests.put(None)
        self._thread.join(DEADLINE_S)


class Client:
    """A client by generated stubs, and a REST client of the same org."""

    def __init__(self, simulators: Simulators, stubs: tuple[Any, Any], channel: grpc.Channel | None = None) -> None:
        self.simulators = simulators
        self.messages, generated = stubs
        self._channel = channel or grpc.insecure_channel(simulators.environment()["PUBSUB_ADDR"])
        self.stub = generated.PubSubStub(self._channel)
        self._streams: list[Stream] = []

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_rest: object) -> None:
        for stream in self._streams:
            stream.close()
        self._channel.close()

    def metadata(self, **changed: str) -> list[tuple[str, str]]:
        """What every call carries."""
        env = self.simulators.environment()
        own = {"accesstoken": STATIC_TOKEN, "instanceurl": env["SF_URL"], "tenantid": env["SF_ORG"]}
        return list({**own, **changed}.items())

    def fetch(self, topic: str = "", count: int = 10, **more: Any) -> Any:
        """A FetchRequest."""
        return self.messages.FetchRequest(topic_name=topic, num_requested=count, **more)

    def subscribe(self, topic: str = EVENTS, count: int = 10, **more: Any) -> Stream:
        """An open subscription; from now on unless told otherwise."""
        before = status(self.simulators)["streams"].count(topic)
        stream = self.open(self.stub.Subscribe)
        stream.send(self.fetch(topic, count, **more))
        # LATEST begins when the service has read the request.
        wait_until(lambda: status(self.simulators)["streams"].count(topic) > before or not stream.is_silent(0))
        return stream

    def open(self, call: Callable[..., Any], **metadata: str) -> Stream:
        """A stream without a request yet."""
        stream = Stream(call, self.metadata(**metadata))
        self._streams.append(stream)
        return stream

    def create(self, **fields: Any) -> str:
        """Create an event over REST."""
        return str(self.rest("POST", "sobjects/Event", {**BODY, **fields})["id"])

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """One REST call."""
        url = f"{self.simulators.salesforce_url}/services/data/v66.0/{path}"
        headers = {"authorization": f"Bearer {STATIC_TOKEN}"}
        answer = httpx.request(method, url, json=body, headers=headers, trust_env=False)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def schema(self, schema_id: str) -> str:
        """GetSchema."""
        answer = self.stub.GetSchema(self.messages.SchemaRequest(schema_id=schema_id), metadata=self.metadata())
        assert answer.schema_id == schema_id
        return str(answer.schema_json)


def control(simulators: Simulators, name: str, value: Any = None, expected: int = 200) -> Any:
    """One POST to the control surface of Salesforce."""
    url = f"{simulators.salesforce_hosted.url}/_sim/{name}"
    answer = httpx.post(url, json={} if value is None else value, trust_env=False)
    assert answer.status_code == expected, answer.text
    return answer.json()


def status(simulators: Simulators) -> Any:
    """The state of the bus."""
    return httpx.get(f"{simulators.salesforce_hosted.url}/_sim/pubsub", trust_env=False).json()


def failure_of(act: Callable[[], Any]) -> tuple[grpc.StatusCode, str]:
    """Status and code of a refused call; the message and the trailers carry the id of the call."""
    with pytest.raises(grpc.RpcError) as caught:
        act()
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["error-code"].startswith(ERROR)
    assert f"rpcId: {trailers['rpc-id']}" in caught.value.details()
    return caught.value.code(), trailers["error-code"].removeprefix(ERROR)
