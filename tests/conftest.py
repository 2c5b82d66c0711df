"""Which tests `make test` runs: all but the long ones that break things on purpose, which `make faults` runs.

Its property tests draw the same few inputs each time: a change is judged, not the luck. `make explore` runs them alone,
with more inputs, others for each seed. What it finds stays as an `@example`, or as a named test of the right value.
"""

from __future__ import annotations

import gc
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, settings

from tests.support.drawn_tests import FEWEST, SHARE, TESTS_SHARE, drawn_tests, drawn_variants

if TYPE_CHECKING:
    from pathlib import Path

# No profile remembers what failed before, nor looks at the clock: a run is what its tree and its seed say.
_SAME_ANYWHERE: Final[dict[str, Any]] = {
    "database": None,
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("fixed", derandomize=True, max_examples=40, **_SAME_ANYWHERE)
settings.register_profile("explore", derandomize=False, max_examples=300, print_blob=True, **_SAME_ANYWHERE)
settings.load_profile("fixed")  # --hypothesis-profile comes later, and wins

FAULTS: Final = {
    "test_access_tokens.py",
    "test_backfill_topic.py",
    "test_cancelled_closes.py",
    "test_cancelled_engine.py",
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
    "test_growing_evidence.py",
    "test_growing_topics.py",
    "test_growing_under_load.py",
    "test_hostile_server.py",
    "test_idle_outage.py",
    "test_interrupted_commands.py",
    "test_interrupted_demo.py",
    "test_judged_proofs.py",
    "test_ipv6.py",
    "test_kafka_backlog.py",
    "test_kafka_faults.py",
    "test_large_records.py",
    "test_last_transactional_id.py",
    "test_late_answers.py",
    "test_links_over_tls.py",
    "test_links.py",
    "test_long_histories.py",
    "test_member_replaced.py",
    "test_mixed_transactions.py",
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
    "test_ucs_beside_live.py",
    "test_ucs_commands.py",
    "test_unsolicited_ends.py",
    "test_verify_topics.py",
    "test_worker_lost_answers.py",
}
"""The longest, most of it waiting for time-outs: on a machine with other work they say more about the machine."""
FAULTS_IN_PART: Final = {
    "test_end_to_end.py",
    "test_lost_answers.py",
    "test_sandbox.py",
    "test_stops_under_load.py",
    "test_topics_not_created.py",
    "test_traced_steps.py",
    "test_transactional_writer.py",
    "test_worker_transactions.py",
}
"""Files that mark their tests, or some of them, themselves."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the other files unread when only the tests of faults are run: to collect all takes half a minute."""
    only_faults = config.option.markexpr == "faults"
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if only_faults and is_test and collection_path.name not in FAULTS | FAULTS_IN_PART else None


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which `.ci/run` judges a change in less time than all tests of faults take."""
    told = (
        f"run one in {TESTS_SHARE} of the tests marked faults; of those marked many_variants, run all, but {FEWEST} "
        f"variants of each, or one in {SHARE} (or as the mark says) if that is more; this number draws them"
    )
    parser.addoption("--drawn-by", type=int, metavar="SEED", help=told)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that not all tests are run."""
    seed = config.getoption("drawn_by")
    if seed is None:
        return None
    shares = f"one in {TESTS_SHARE} of the tests, of many_variants one in {SHARE}"
    return f"faults: {shares}, drawn by {seed}; make faults runs all"


def pytest_collection_finish() -> None:
    """Keep the garbage collector from looking at the modules and items of all tests again and again."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let what was kept from it go in order: re2 tells of objects that are there at the end."""
    gc.unfreeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of these files, and the property tests of all files; leave those that are drawn."""
    for item in items:
        if item.path.name in FAULTS:
            item.add_marker(pytest.mark.faults)
        if getattr(getattr(item, "function", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.property)
    seed = config.getoption("drawn_by")
    if seed is not None:
        many: dict[int, set[str]] = defaultdict(set)  # by the share of which one is drawn
        for item in items:
            if (mark := item.get_closest_marker("many_variants")) is not None:
                many[mark.args[0] if mark.args else SHARE].add(item.nodeid)
        others = {item.nodeid for item in items if item.get_closest_marker("faults")}.difference(*many.values())
        left_out = others - drawn_tests(others, seed)
        for share, variants in many.items():
            left_out |= variants - drawn_variants(variants, seed, share)
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]
