from __future__ import annotations

from meshproxy.snapshot import delta


def whole(generation, clusters, hosts=None, domains=(), listeners=()):
    return {
        "generation": generation,
        "full": True,
        "clusters": clusters,
        "virtual_hosts": hosts or {},
        "domains": list(domains),
        "listeners": list(listeners),
    }


def test_equal_snapshots_have_no_difference():
    assert delta.diff(whole(1, {1: {"id": 1}}), whole(2, {1: {"id": 1}})) is None


def test_difference_names_changed_added_and_removed_parts():
    old = whole(1, {1: {"id": 1}, 2: {"id": 2}, 3: {"id": 3}}, domains=[{"domain": "a"}])
    new = whole(2, {1: {"id": 1}, 2: {"id": 2, "x": 1}, 4: {"id": 4}}, domains=[{"domain": "a"}])
    update = delta.diff(old, new)
    assert update["clusters"] == {2: {"id": 2, "x": 1}, 4: {"id": 4}, 3: None}
    assert update["domains"] is None and update["listeners"] is None
    assert delta.apply(old, update) == new


def test_full_update_replaces_everything():
    new = whole(5, {})
    assert delta.apply(whole(1, {1: {"id": 1}}), new) is new
