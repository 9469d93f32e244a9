"""Attacks on who waits for a function: its thread, and what reads its answer."""

import pytest

from tests.attacks.arena import Arena
from tests.attacks.test_attacks_channel import Vault, forge

pytestmark = pytest.mark.runtime

# All of one write, so that they are read at once; nobody reads what they are answered.
CALLS = {
    "many": "tell(...Array.from({ length: 1900 }, (_, call) => ({ call, op: 'x' })))",
    "one by one": "for (let call = 0;; call++) tell({ call, op: 'x' })",
    "slow": "tell(...Array.from({ length: 1900 }, (_, call) => ({ call, op: 'slow' })))",
}


# Each answer that waited by itself would make it minutes.
@pytest.mark.timeout(60)
@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
def test_calls_that_nobody_reads_do_not_hold_the_worker(whole_arena: Arena, calls: str) -> None:
    forge(whole_arena, f"{calls}; for (;;);", timeout_s=1, platform=Vault("attacker"))

    assert whole_arena.word in {"execution-time-exceeded", "protocol"}


def test_deep_value_past_the_host_is_refused(whole_arena: Arena) -> None:
    """The host's own limit is 200 levels; whoever forges an answer is held to one too."""
    result = forge(
        whole_arena,
        """say('{"id":' + id + ',"ok":true,"value":' + deep(900) + '}'); for (;;);""",
        timeout_s=20,
    )

    assert result.failure is not None
    assert result.failure.code == "protocol"
