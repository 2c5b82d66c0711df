from __future__ import annotations

from bridge.capture.ports import PlaceUse
from bridge.overview.server_list import MOST_SERVERS, LastErrors, servers_of, together
from bridge.overview.shard_owners import OPEN, OPENING, STABLE, GroupView, OwnShard, ShardOwner, shards_of
from bridge.overview.worker_report import LastError, Shards

THIS, OTHER = ShardOwner("worker-1", "host-1"), ShardOwner("worker-2", "host-2")
OWN = {0: OwnShard(OPEN, 3), 2: OwnShard(OPENING, 0, "starting")}
ERROR = LastError(at=5, code="RESET", detail="connection reset")


def rows(shards: Shards) -> list[tuple[int, str, str, str, int | None]]:
    return [(one.shard, one.state, one.owner, one.host, one.chats) for one in shards.rows]


def test_a_stable_group_tells_whose_the_other_shards_are() -> None:
    shards = shards_of(4, OWN, THIS, GroupView(state=STABLE, owners={1: OTHER, 2: OTHER}, at=90.0), 97.0)
    assert rows(shards) == [
        (0, "open", "worker-1", "host-1", 3),
        (1, "elsewhere", "worker-2", "host-2", None),
        (2, "opening", "worker-1", "host-1", 0),  # its own state, whatever the group says
        (3, "unowned", "", "", None),
    ]
    assert (shards.asked_seconds_ago, shards.unknown_because) == (7.0, "")


def test_without_an_answer_of_the_group_the_others_are_unknown_and_it_says_why() -> None:
    shards = shards_of(3, OWN, THIS, GroupView(unknown_because="no right"), 97.0)
    assert [one.state for one in shards.rows] == ["open", "unknown", "opening"]
    assert (shards.asked_seconds_ago, shards.unknown_because) == (None, "no right")


def test_a_group_that_rebalances_has_no_owners_yet() -> None:
    shards = shards_of(3, OWN, THIS, GroupView(state="PreparingRebalance", owners={1: OTHER}, at=90.0), 97.0)
    assert [one.state for one in shards.rows] == ["open", "unknown", "opening"]


def test_own_shards_are_shown_before_the_number_of_partitions_is_known() -> None:
    assert [one.shard for one in shards_of(0, OWN, THIS, GroupView(), 0.0).rows] == [0, 1, 2]
    assert shards_of(0, {}, THIS, GroupView(), 0.0).rows == []


def test_what_shards_do_at_a_server_is_added() -> None:
    one, two = PlaceUse(1, 4, 0, {105}), PlaceUse(2, 0, 3, {106})
    assert together([{"a:1": one}, {"a:1": two, "b:1": PlaceUse(1)}]) == {
        "a:1": PlaceUse(3, 4, 3, {105, 106}),
        "b:1": PlaceUse(1),
    }
    assert one == PlaceUse(1, 4, 0, {105})


def test_servers_with_waiting_chats_come_first_and_one_without_chats_is_there_with_its_error() -> None:
    servers = servers_of({"a:1": PlaceUse(1, 9, 0, {106, 105}), "b:1": PlaceUse(0, 0, 2)}, {"c:1": ERROR, "b:1": ERROR})
    assert [(one.server, one.links, one.joined, one.waiting, one.last_error) for one in servers.rows] == [
        ("b:1", 0, 0, 2, ERROR),
        ("a:1", 1, 9, 0, None),
        ("c:1", 0, 0, 0, ERROR),
    ]
    assert servers.rows[1].client_versions == [105, 106]


def test_a_stranger_who_announces_many_addresses_does_not_make_the_report_grow() -> None:
    servers = servers_of({f"{number}:1": PlaceUse(waiting=1) for number in range(500)}, {})
    assert (servers.total, len(servers.rows)) == (500, MOST_SERVERS)
    errors = LastErrors()
    for number in range(500):
        errors.note(f"{number}:1", ERROR)
    errors.note("499:1", ERROR)
    assert list(errors.all()) == [f"{number}:1" for number in range(500 - MOST_SERVERS, 500)]
