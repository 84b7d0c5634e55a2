"""What Concord costs and how fast it is, measured against real Kafka and the bundled simulators: `make bench`."""
