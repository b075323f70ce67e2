"""Loads follow each other: what is in force after each of them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from meshproxy.config.load import Loader
from meshproxy.config.store import ConfigSet, merge


def service(name: str, port: object = 80) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"  # noqa: E501


class Store:
    def __init__(self, *paths: Path | str) -> None:
        self.loader = Loader([str(path) for path in paths])
        self.config = ConfigSet()
        self.step()

    def step(self):
        self.last = merge(self.config, self.loader.load())
        self.config = self.last.config
        return self.last

    @property
    def names(self) -> list[str]:
        return sorted(key.name for key in self.config.resources)

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.last.problems]


def port(config: ConfigSet, name: str) -> int:
    (resource,) = [item for key, item in config.resources.items() if key.name == name]
    return resource.model.spec.ports[0].port


def test_folder_gives_its_manifests_sorted_and_recursively(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.yml").write_text(service("b"))
    (tmp_path / "a.yaml").write_text(service("a"))
    (tmp_path / "sub" / "c.json").write_text(
        '{\n\t"apiVersion": "v1",\n\t"kind": "Service",\n\t"metadata": {"name": "c"},\n'
        '\t"spec": {"clusterIP": "None"}\n}\n'
    )
    (tmp_path / "notes.txt").write_text("not: a manifest")
    (tmp_path / ".hidden.yaml").write_text("not: a manifest")
    store = Store(tmp_path)
    assert not store.last.problems
    assert [key.name for key in store.config.resources] == ["a", "b", "c"]


def test_path_that_is_missing_or_empty_is_a_problem_not_an_error(tmp_path):
    store = Store(tmp_path / "nothing.yaml", tmp_path)
    assert store.codes == ["MP009", "MP001"]


def test_file_that_is_not_utf8_is_placed_at_the_byte(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"a: 1\nb: \xff\xfe\n")
    (problem,) = Store(path).last.problems
    assert (problem.code, problem.line, problem.column) == ("MP002", 2, 4)


def test_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + service("a").encode())
    assert Store(path).names == ["a"]


def test_rejected_version_keeps_the_last_good_one_until_it_is_mended(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(service("a") + "---\n" + service("b"))
    store = Store(path)
    path.write_text(service("a", "oops") + "---\n" + service("b", 8181))
    store.step()
    assert port(store.config, "a") == 80
    assert port(store.config, "b") == 8181
    assert store.codes == ["MP102", "MP402"]
    assert {key.name for key in store.config.rejected} == {"a"}
    store.step()
    assert store.codes == ["MP102", "MP402"]
    assert not store.last.changed
    path.write_text(service("a", 9191) + "---\n" + service("b", 8181))
    store.step()
    assert port(store.config, "a") == 9191
    assert not store.codes and not store.config.stale


def test_object_rejected_from_the_start_is_absent_and_named(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(service("a", "oops"))
    store = Store(path)
    assert store.names == []
    assert {key.name for key in store.config.rejected} == {"a"}


def test_document_that_cannot_be_parsed_keeps_the_objects_of_its_file(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("---\n".join(service(name) for name in "abc"))
    store = Store(path)
    path.write_text(service("a", 8181) + "---\nkind: [\n---\n" + service("c"))
    store.step()
    assert store.names == ["a", "b", "c"]
    assert port(store.config, "a") == 8181
    assert store.codes == ["MP003", "MP403"]
    path.write_text(service("a", 8181))
    store.step()
    assert store.names == ["a"]


def test_file_that_becomes_unreadable_keeps_its_objects(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(service("a"))
    store = Store(path)
    path.write_bytes(b"\xff" + path.read_bytes())
    store.step()
    assert store.names == ["a"]
    assert store.codes == ["MP002", "MP403"]


def test_removed_object_and_removed_file_go_away(tmp_path):
    (tmp_path / "a.yaml").write_text(service("a") + "---\n" + service("b"))
    (tmp_path / "c.yaml").write_text(service("c"))
    store = Store(tmp_path)
    (tmp_path / "a.yaml").write_text(service("a"))
    (tmp_path / "c.yaml").unlink()
    store.step()
    assert store.names == ["a"]
    assert {key.name for key in store.last.changed} == {"b", "c"}


def test_object_that_moves_to_another_file_stays(tmp_path):
    (tmp_path / "a.yaml").write_text(service("a") + "---\n" + service("b"))
    store = Store(tmp_path)
    (tmp_path / "a.yaml").write_text(service("b"))
    (tmp_path / "z.yaml").write_text(service("a"))
    store.step()
    assert store.names == ["a", "b"]
    assert not store.codes


@pytest.mark.parametrize("split", [True, False])
def test_duplicate_object_counts_once_and_the_first_wins(tmp_path, split):
    first, second = service("a", 1), service("a", 2)
    if split:
        (tmp_path / "a.yaml").write_text(first)
        (tmp_path / "b.yaml").write_text(second)
    else:
        (tmp_path / "a.yaml").write_text(first + "---\n" + second)
    store = Store(tmp_path)
    assert port(store.config, "a") == 1
    assert store.codes == ["MP401"]
    assert "a.yaml:1" in store.last.problems[0].message


def test_reload_parses_only_documents_whose_text_changed(tmp_path, monkeypatch):
    path = tmp_path / "a.yaml"
    path.write_text("".join("---\n" + service(f"s{i}") for i in range(20)))
    store = Store(path)
    parsed: list[str] = []
    from meshproxy.config import load

    real = load.parse
    monkeypatch.setattr(load, "parse", lambda text: parsed.append(text) or real(text))
    path.write_text("# moved\n" + path.read_text().replace("{name: s7}", "{name: t7}"))
    store.step()
    assert len(parsed) == 2
    assert {key.name for key in store.last.changed} == {"s7", "t7"}


def test_object_that_only_moved_is_unchanged_but_placed_anew(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("---\n" + service("a"))
    store = Store(path)
    before = next(iter(store.config.resources.values()))
    path.write_text("# one\n# two\n---\n" + service("a"))
    store.step()
    after = next(iter(store.config.resources.values()))
    assert not store.last.changed
    assert after.locate()[1] == before.locate()[1] + 2


def test_pipe_is_read_once_and_keeps_its_objects(tmp_path):
    read, write = os.pipe()
    os.write(write, service("a").encode())
    os.close(write)
    store = Store(f"/dev/fd/{read}")
    store.step()
    os.close(read)
    assert store.names == ["a"] and not store.codes


def test_separator_inside_a_block_scalar_does_not_cut(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  k: |\n    ---\n    a: [\n"
        "--- # next\n" + service("a") + "...\n"
    )
    store = Store(path)
    assert store.names == ["a"] and not store.codes


def test_store_pipe_in_a_folder_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    os.mkfifo(tmp_path / "b.yaml")
    store = Store(tmp_path)
    assert (store.names, store.codes) == (["a"], ["MP001"])
    (problem,) = store.last.problems
    assert str(problem).startswith(f"{tmp_path}/b.yaml:0:0: error MP001: cannot read the file: it")


@pytest.mark.parametrize("written", ["{}", "{}/"])
def test_store_folder_that_is_gone_or_unreadable_keeps_its_objects(
    tmp_path: Path, written: str
) -> None:
    folder, sub = tmp_path / "mesh", tmp_path / "mesh" / "sub"
    sub.mkdir(parents=True)
    (folder / "a.yaml").write_text(service("a"))
    (sub / "b.yaml").write_text(service("b"))
    store = Store(written.format(folder))
    folder.rename(tmp_path / "away")
    assert not store.step().changed
    assert (store.names, sorted(store.codes)) == (["a", "b"], ["MP001", "MP403", "MP403"])
    (tmp_path / "away").rename(folder)
    assert not store.step().changed
    assert (store.names, store.codes) == (["a", "b"], [])
    (sub / "b.yaml").unlink()
    sub.rmdir()
    store.step()
    assert (store.names, store.codes) == (["a"], [])


def test_store_folder_that_cannot_be_listed_is_told_and_keeps_its_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.yaml").write_text(service("a"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.yaml").write_text(service("b"))
    store = Store(tmp_path)
    scandir = os.scandir

    def refusing(path: str):  # root, who runs tests, may list everything
        if path.endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert not store.step().changed
    assert (store.names, sorted(store.codes)) == (["a", "b"], ["MP001", "MP403"])
    told = next(str(problem) for problem in store.last.problems if problem.code == "MP001")
    assert told.endswith("/sub:0:0: error MP001: cannot read the folder: Permission denied")


def test_store_link_to_a_folder_is_followed_once(tmp_path: Path) -> None:
    """As a ConfigMap is mounted whose items have paths with folders."""
    (tmp_path / "..v1" / "sub").mkdir(parents=True)
    (tmp_path / "..v1" / "sub" / "a.yaml").write_text(service("a"))
    (tmp_path / "..v1" / "sub" / "up").symlink_to(tmp_path)
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "sub").symlink_to("..data/sub")
    (tmp_path / "twin").symlink_to("sub")
    store = Store(tmp_path)
    assert (store.names, store.codes) == (["a"], [])
