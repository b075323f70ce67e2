from __future__ import annotations

import pytest

from meshproxy.errors import CapacityError
from meshproxy.snapshot.slots import Slots


def test_slot_of_a_held_key_never_changes():
    slots = Slots("things", 3)
    assert [slots.take(key) for key in "abab"] == [0, 1, 0, 1]


def test_freed_slot_is_reused_last_and_oldest_first():
    slots = Slots("things", 4)
    for key in "abc":
        slots.take(key)
    assert slots.free("b") == 1
    assert slots.free("a") == 0
    assert [slots.take(key) for key in "xyz"] == [3, 1, 0]


def test_full_table_raises_and_holds_nothing_new():
    slots = Slots("things", 1)
    slots.take("a")
    with pytest.raises(CapacityError, match="things"):
        slots.take("b")
    assert slots.get("b") is None and len(slots) == 1


def test_free_of_an_unknown_key_does_nothing():
    assert Slots("things", 1).free("a") is None
