"""The outbox on a real broker: every record is answered, whatever the client library knew of its topic before."""

from __future__ import annotations

import asyncio

import pytest
from support.broker import create_topic, unique_name

from concord.broker import DevelopmentBroker
from concord.guard.outbox import Outbox

pytestmark = pytest.mark.broker


def test_a_topic_known_by_chance_is_not_forgotten_again(broker: DevelopmentBroker) -> None:
    """The first refresh of the client's metadata names every topic; later ones name only those it was asked for. So a
    record for a topic known by chance, followed at once by one for a topic made since, must not lose its leader: it
    would wait 20 s and then end the process."""
    early, late = unique_name("early"), unique_name("late")
    create_topic(broker.address, early)

    async def scenario() -> None:
        outbox = Outbox({"bootstrap_servers": broker.address.split(",")})
        await outbox.start()
        client = outbox._producer.client
        await client.force_metadata_update()  # what a broker that is just up makes the producer do
        assert early in client.cluster.topics()
        await asyncio.to_thread(create_topic, broker.address, late)
        sent = [outbox.send(early, b"k", b"1"), outbox.send(late, b"k", b"2")]
        assert await asyncio.wait_for(asyncio.gather(*sent), 8) == [0, 0]
        await outbox.stop()

    asyncio.run(scenario())
