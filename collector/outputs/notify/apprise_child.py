"""The child process that sends one message through Apprise: JSON comes on standard input."""

import json
import logging
import os
import sys

NO_ADDRESS = 3
NOT_SENT = 4
LARGEST = 100_000
NICE = 10


def main() -> int:
    os.nice(NICE)
    asked = json.loads(sys.stdin.buffer.read(LARGEST))
    import apprise  # noqa: PLC0415  the extra

    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    sender = apprise.Apprise()
    if not sender.add(asked["service"]):
        return NO_ADDRESS
    sent = sender.notify(body=asked["text"], title=asked["title"], notify_type=asked["kind"])
    return 0 if sent else NOT_SENT


if __name__ == "__main__":
    sys.exit(main())
