"""What is done at each Chat Server: connections, and chats that are joined or wait there."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from bridge.capture.ports import PlaceUse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bridge.sources.chat_server.followed_session import FollowedSession
    from bridge.sources.chat_server.link import Link


def used_places(links: Iterable[Link], sessions: Iterable[FollowedSession]) -> Mapping[str, PlaceUse]:
    """Return server -> its use; a chat that is not joined waits at the server whose turn it is."""
    found: defaultdict[str, PlaceUse] = defaultdict(PlaceUse)
    for one in links:
        found[one.server].links += 1
        if one.ready:
            found[one.server].versions.add(one.version)
    for session in sessions:
        if (link := session.joined_on) is not None:
            found[link.server].joined += 1
        else:
            found[session.server].waiting += 1
    return found


def joined_versions(sessions: Iterable[FollowedSession]) -> Counter[int]:
    """Return ClientVersion in force -> number of these chats that are joined under it."""
    found: Counter[int] = Counter()
    for link, chats in Counter(session.joined_on for session in sessions).items():
        if link is not None:
            found[link.version] += chats
    return found
