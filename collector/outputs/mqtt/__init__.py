"""MQTT: ``output`` keeps the newest state, which Home Assistant finds; ``history`` tells all."""
