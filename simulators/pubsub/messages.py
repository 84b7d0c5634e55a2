"""The message classes of eventbus.v1, made from the compiled `pubsub_api.proto` in a descriptor pool of their own.

A pool of our own, because a client in the same process may have registered the same messages from another file.
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
"""What `make proto` writes from pubsub_api.proto."""


def _loaded() -> Any:
    pool = DescriptorPool()
    compiled = FileDescriptorSet.FromString((files(__package__) / DESCRIPTOR_FILE).read_bytes())
    for file in compiled.file:
        pool.Add(file)
    return pool


POOL: Final = _loaded()


def message(name: str) -> Any:
    """The class of a message by its name, e.g. FetchRequest."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{name}"))


def methods() -> Any:
    """The service's method descriptors: name, input_type, output_type, client_streaming, server_streaming."""
    return POOL.FindServiceByName(SERVICE).methods


TopicInfo: Final = message("TopicInfo")
SchemaInfo: Final = message("SchemaInfo")
FetchResponse: Final = message("FetchResponse")
ManagedFetchResponse: Final = message("ManagedFetchResponse")
ReplayPreset: Final = POOL.FindEnumTypeByName(f"{PACKAGE}.ReplayPreset")
COMMIT_ERROR: Final = POOL.FindEnumTypeByName(f"{PACKAGE}.ErrorCode").values_by_name["COMMIT"].number
