"""The org's event bus: change data capture as the Pub/Sub API delivers it. Stands beside `simulators.salesforce`."""
