"""Kafka, Redpanda, Azure Event Hubs: every reading as a message."""
