"""The one Kafka request that the launcher needs: whom does this broker know?

Asked by hand because it is the truthful sign of readiness, and a Kafka client would want an event loop of its
own in whatever thread starts the broker. Source: Kafka protocol guide, Metadata request and response, v1.
"""

from __future__ import annotations

import socket
import struct

_METADATA, _VERSION, _CORRELATION = 3, 1, 1
_NO_CLIENT_ID, _NO_TOPICS = -1, 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, _CORRELATION, _NO_CLIENT_ID, _NO_TOPICS)
_LONGEST_RESPONSE = 1 << 20


def brokers_known_to(host: str, port: int, timeout_seconds: float) -> int:
    """Return how many brokers the one at this address says are up; 0 when it does not answer."""
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            with connection.makefile("rb") as stream:
                (size,) = struct.unpack(">i", stream.read(4))
                if size > _LONGEST_RESPONSE:
                    return 0  # not Kafka
                correlation, brokers = struct.unpack_from(">ii", stream.read(size))
    except (OSError, struct.error):  # refused, slow, or closed half-way
        return 0
    return int(brokers) if correlation == _CORRELATION else 0
