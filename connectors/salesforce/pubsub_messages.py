"""The messages of the Pub/Sub API that we send and receive, made from the compiled `pubsub_api.proto`.

In a descriptor pool of their own: other code in the process may have registered the same names.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE: Final = "eventbus.v1"
SERVICE: Final = f"{PACKAGE}.PubSub"
DESCRIPTOR_FILE: Final = "pubsub_api.binpb"


def _load() -> Any:
    pool = DescriptorPool()
    compiled = FileDescriptorSet.FromString((files(__package__) / DESCRIPTOR_FILE).read_bytes())
    for file in compiled.file:
        pool.Add(file)
    return pool


POOL: Final = _load()


def _message(name: str) -> Any:
    return GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


FetchRequest: Final = _message("FetchRequest")
FetchResponse: Final = _message("FetchResponse")
SchemaRequest: Final = _message("SchemaRequest")
SchemaInfo: Final = _message("SchemaInfo")
REPLAY_PRESETS: Final[dict[str, int]] = {
    value.name: value.number for value in POOL.FindEnumTypeByName(f"{PACKAGE}.ReplayPreset").values
}
