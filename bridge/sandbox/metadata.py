"""A Metadata request to a Kafka broker: how many brokers it knows, which tells when a cluster is ready.

Encoded here because a Kafka client would need an event loop in the thread that starts the broker.
Source: Kafka protocol guide, Metadata request and response, v1.
"""

from __future__ import annotations

import socket
import struct

_METADATA, _VERSION, _CORRELATION = 3, 1, 1
_NO_CLIENT_ID, _NO_TOPICS = -1, 0
_REQUEST = struct.pack(">hhihi", _METADATA, _VERSION, _CORRELATION, _NO_CLIENT_ID, _NO_TOPICS)
_LONGEST_RESPONSE = 1 << 20


def brokers_known_to(host: str, port: int, timeout_seconds: float) -> int:
    """Return how many live brokers the one at this address reports; 0 when it does not answer."""
    try:
        with socket.create_connection((host, port), timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
            with connection.makefile("rb") as stream:
                (size,) = struct.unpack(">i", stream.read(4))
                if size > _LONGEST_RESPONSE:
                    return 0  # not Kafka
                correlation, brokers = struct.unpack_from(">ii", stream.read(size))
    except (OSError, struct.error):  # refused, timed out, or closed during the response
        return 0
    return int(brokers) if correlation == _CORRELATION else 0
