"""The far sides of outputs, for the suite over all of them: a driver per server.

A driver is a context manager that gives a ``Far``. Each output has a module; a new one
joins by adding its drivers here.
"""

from typing import Any

from tests.fakes.outputs import (
    emoncms,
    influxdb,
    kafka,
    mqtt,
    notify,
    postgresql,
    prometheus_remote_write,
    redis,
)

DRIVERS: dict[str, list[Any]] = {
    "emoncms": [emoncms.recorded, emoncms.real_one],
    "influxdb": [influxdb.influxdb_2, influxdb.victoria_metrics],
    "kafka": [kafka.kafka],
    "mail": [notify.smtp],
    "mqtt": [mqtt.mosquitto_state],
    "mqtt_history": [mqtt.mosquitto_history],
    "ntfy": [notify.ntfy],
    "postgresql": [postgresql.postgresql],
    "prometheus_remote_write": [
        prometheus_remote_write.prometheus,
        prometheus_remote_write.victoria_metrics,
    ],
    "redis": [redis.redis_streams, redis.redis_newest, redis.redis_hmap],
    "telegram": [notify.telegram],
    "webhook": [notify.webhook, notify.alertmanager],
}
