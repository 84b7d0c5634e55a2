"""The whole loop in one thread: pure stages, connectors and simulators under a seeded scheduler that injects faults."""
