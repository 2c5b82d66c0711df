"""Which tests `make test` runs: all but the long ones that break things on purpose, which `make faults` runs.

Its property tests draw the same inputs each time: a change is judged, not the luck. `make explore` runs them alone,
with other inputs for each seed. What it finds stays as an `@example`, or as a named test of the right value.
"""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

# No profile remembers what failed before, nor looks at the clock: a run is what its tree and its seed say.
_SAME_ANYWHERE: Final[dict[str, Any]] = {
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("fixed", derandomize=True, **_SAME_ANYWHERE)
settings.register_profile("explore", derandomize=False, max_examples=300, print_blob=True, **_SAME_ANYWHERE)
settings.load_profile("fixed")  # --hypothesis-profile comes later, and wins

FAULTS: Final = {
    "test_access_tokens.py",
    "test_backfill_topic.py",
    "test_cancelled_closes.py",
    "test_cancelled_kafka_clients.py",
    "test_changing_table.py",
    "test_configured_outputs.py",
    "test_connection_causes.py",
    "test_crashed_shard.py",
    "test_defective_worker.py",
    "test_denied_attempts.py",
    "test_do_no_harm.py",
    "test_doctor.py",
    "test_doctor_of_secured_kafka.py",
    "test_documented_settings.py",
    "test_erasure.py",
    "test_followed_table.py",
    "test_filled_holes.py",
    "test_followed_ucs.py",
    "test_forgotten.py",
    "test_hostile_server.py",
    "test_idle_outage.py",
    "test_interrupted_commands.py",
    "test_interrupted_demo.py",
    "test_judged_proofs.py",
    "test_ipv6.py",
    "test_kafka_backlog.py",
    "test_kafka_faults.py",
    "test_large_records.py",
    "test_links_over_tls.py",
    "test_links.py",
    "test_long_histories.py",
    "test_member_replaced.py",
    "test_moved_brokers.py",
    "test_open_resources.py",
    "test_planted_values.py",
    "test_rights.py",
    "test_rights_of_verbs.py",
    "test_rotated_secrets.py",
    "test_same_worker_id.py",
    "test_scale_out.py",
    "test_sealed_topics.py",
    "test_second_source.py",
    "test_signed_log.py",
    "test_split_messages.py",
    "test_stamped_log.py",
    "test_stopped_without_kafka.py",
    "test_stored_topic.py",
    "test_surroundings.py",
    "test_tls_closing.py",
    "test_token_keys.py",
    "test_token_wrapping.py",
    "test_topics_of_others.py",
    "test_transactional_writer_outage.py",
    "test_unsolicited_ends.py",
    "test_verify_topics.py",
    "test_worker_lost_answers.py",
}
"""The longest, most of it waiting for time-outs: on a machine with other work they say more about the machine."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of these files, and the property tests of all files."""
    for item in items:
        if item.path.name in FAULTS:
            item.add_marker(pytest.mark.faults)
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
