"""Reads JSON lines from a topic and writes them keyed by chat with Quix Streams, exactly once.

Runs in an environment of its own, without the bridge: `python quix_keyed.py SERVERS GROUP SOURCE TARGET FOLDER`.
"""

from __future__ import annotations

import os
import sys

from quixstreams import Application


def main(servers: str, group: str, source: str, target: str, folder: str) -> None:
    """Run until the process is ended. The state's directory is below `folder`."""
    os.chdir(folder)
    application = Application(broker_address=servers, consumer_group=group, processing_guarantee="exactly-once")
    lines = application.dataframe(application.topic(source))
    lines.to_topic(application.topic(target), key=lambda line: line["sessionId"].encode())
    application.run()


if __name__ == "__main__":
    main(*sys.argv[1:6])
