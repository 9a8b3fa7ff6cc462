"""The number of threads changes no result of an operation that repeats its bits: verifying elsewhere relies on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract_inputs import examples
from MedImgAnalysisLib import catalog
from MedImgAnalysisLib.blockwise import set_thread_count, thread_count
from MedImgAnalysisLib.execution import execute

SLOW = {"register_group", "register_features", "register_sequence"}
"""They run what `register` runs, many times."""
EXACT = sorted(name for name, operation in catalog.OPERATIONS.items() if operation().exact and name not in SLOW)


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    before = thread_count()
    yield
    set_thread_count(before)


@pytest.mark.parametrize("name", EXACT)
def test_one_thread_and_three_give_the_same_bits(name: str) -> None:
    operation = catalog.find(name)
    found = []
    for threads in (1, 3):
        set_thread_count(threads)
        record = execute(operation(), examples(operation)).record
        assert record["threads"] == threads
        found.append(record["outputs"])
    assert found[0] == found[1]


def test_nearly_all_operations_repeat_their_bits() -> None:
    assert len(EXACT) + len(SLOW) >= len(catalog.OPERATIONS) - 3
