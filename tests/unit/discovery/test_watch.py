"""The file watch: every way that people and Kubernetes change files."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource

import pytest

from meshproxy.discovery.notices import Notices
from meshproxy.discovery.watch import watch

LIMIT_S = 30.0


class Watching:
    """A watch in the background; `change` does something and gives what was reported."""

    def __init__(self, *paths) -> None:
        self._iterator = watch([str(path) for path in paths], poll_s=60.0)
        self._next = None

    async def __aenter__(self):
        self._next = asyncio.ensure_future(anext(self._iterator))
        await self._armed()
        return self

    async def _armed(self) -> None:
        """Wait until notifications are asked for: the watcher has no signal for it."""
        await asyncio.sleep(0.15)

    async def change(self, action) -> set[str]:
        action()
        async with asyncio.timeout(LIMIT_S):
            changed = await self._next
        self._next = asyncio.ensure_future(anext(self._iterator))
        await self._armed()
        return {os.path.basename(name) for name in changed}

    async def __aexit__(self, *_error) -> None:
        self._next.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._next
        await self._iterator.aclose()


def run(scenario) -> None:
    asyncio.run(scenario)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1\n")
    return tmp_path


def test_folder_reports_edit_new_file_rename_and_removal(folder):
    async def scenario():
        async with Watching(folder) as watching:
            assert await watching.change(lambda: (folder / "a.yaml").write_text("a: 22\n")) == {
                "a.yaml"
            }
            (folder / "sub").mkdir()
            assert await watching.change(
                lambda: (folder / "sub" / "b.yaml").write_text("b: 1\n")
            ) == {"b.yaml"}
            assert await watching.change(
                lambda: (folder / "a.yaml").rename(folder / "c.yaml")
            ) == {"a.yaml", "c.yaml"}
            assert await watching.change(lambda: (folder / "c.yaml").unlink()) == {"c.yaml"}

    run(scenario())


def test_folder_made_anew_under_its_name_is_watched(folder):
    sub = folder / "sub"

    def remake():
        (sub / "b.yaml").unlink()
        sub.rmdir()
        sub.mkdir()
        (sub / "c.yaml").write_text("c: 1\n")

    sub.mkdir()
    (sub / "b.yaml").write_text("b: 1\n")

    async def scenario():
        async with Watching(folder) as watching:
            assert await watching.change(remake) == {"b.yaml", "c.yaml"}
            assert await watching.change(lambda: (sub / "c.yaml").write_text("c: 22\n")) == {
                "c.yaml"
            }

    run(scenario())


def test_single_file_replaced_by_rename_is_reported_each_time(folder):
    path = folder / "a.yaml"

    def replace(text):
        fresh = folder / ".a.yaml.swp"
        fresh.write_text(text)
        fresh.rename(path)

    async def scenario():
        async with Watching(path) as watching:
            for number in range(2):
                assert await watching.change(lambda n=number: replace(f"a: {n}0\n")) == {"a.yaml"}

    run(scenario())


def test_file_truncated_and_rewritten_is_reported_once_it_is_whole(folder):
    path = folder / "a.yaml"

    async def scenario():
        async with Watching(path) as watching:
            path.write_text("")
            await asyncio.sleep(0.08)
            assert await watching.change(lambda: path.write_text("a: 333\n")) == {"a.yaml"}
            assert path.read_text() == "a: 333\n"
            assert not watching._next.done()

    run(scenario())


def test_config_map_link_swap_is_reported(tmp_path):
    mount = tmp_path / "mount"
    mount.mkdir()

    def publish(version: str) -> None:
        data = mount / f"..{version}"
        data.mkdir()
        (data / "mesh.yaml").write_text(f"v: {version}\n")
        (mount / "..data_tmp").symlink_to(data.name)
        (mount / "..data_tmp").rename(mount / "..data")

    publish("2024_1")
    (mount / "mesh.yaml").symlink_to("..data/mesh.yaml")

    async def scenario():
        async with Watching(mount) as of_folder, Watching(mount / "mesh.yaml") as of_file:
            publish("2024_2")
            assert await of_folder.change(lambda: None) == {"mesh.yaml"}
            assert await of_file.change(lambda: None) == {"mesh.yaml"}

    run(scenario())


def test_file_that_does_not_exist_yet_is_reported_when_it_comes(tmp_path):
    path = tmp_path / "late.yaml"

    async def scenario():
        async with Watching(path) as watching:
            assert await watching.change(lambda: path.write_text("a: 1\n")) == {"late.yaml"}

    run(scenario())


def test_other_files_beside_a_watched_one_are_not_reported(folder):
    async def scenario():
        async with Watching(folder / "a.yaml") as watching:
            (folder / "other.yaml").write_text("x: 1\n")
            assert await watching.change(lambda: (folder / "a.yaml").write_text("a: 55\n")) == {
                "a.yaml"
            }

    run(scenario())


@contextlib.asynccontextmanager
async def repeating(action):
    """Do something every 5 ms for as long as the block runs."""

    async def repeat() -> None:
        for number in range(2000):
            action(number)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()


def test_file_that_is_replaced_all_the_time_is_reported(folder):
    def replace(number):
        fresh = folder / ".a.new"
        fresh.write_text(f"a: {number}\n")
        fresh.rename(folder / "a.yaml")

    async def scenario():
        async with Watching(folder / "a.yaml") as watching, repeating(replace):
            for _ in range(3):
                assert await watching.change(lambda: None) == {"a.yaml"}

    run(scenario())


def test_file_that_is_written_all_the_time_holds_up_no_other(folder):
    def append(number):
        with (folder / "grows.yaml").open("a") as file:
            file.write(f"k{number}: 1\n")

    async def scenario():
        async with Watching(folder) as watching, repeating(append):
            changed = await watching.change(lambda: (folder / "a.yaml").write_text("a: 22\n"))
            assert changed == {"a.yaml"}

    run(scenario())


def test_what_is_written_beside_a_path_is_not_notified_what_is_written_to_it_is(tmp_path):
    mesh, file, log = tmp_path / "mesh", tmp_path / "one.yaml", tmp_path / "access.log"
    mesh.mkdir()
    inner = mesh / "a.yaml"
    for path in (file, inner, log):
        path.write_text("a: 1\n")
    notices = Notices()
    try:
        assert notices.follow([str(mesh)], [str(mesh), str(file)])
        assert not notices.follow([str(mesh)], [str(mesh), str(file)])
        for path, is_ours in ((log, False), (file, True), (inner, True), (log, False)):
            path.write_text("a: 2\n")
            assert is_notified(notices) == is_ours, path.name
        for path, there in ((file, tmp_path / "two.yaml"), (mesh, tmp_path / "other")):
            path.rename(there)
            assert is_notified(notices), path.name
    finally:
        notices.close()


def is_notified(notices) -> bool:
    """Inotify queues before the call that changed something returns."""
    try:
        asyncio.run(asyncio.wait_for(notices.wait(60.0), 0.3))
    except TimeoutError:
        return False
    notices.forget()
    return True


def test_without_inotify_waiting_is_a_pause_and_the_log_says_so(folder, caplog):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        notices = Notices()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert not notices.follow([str(folder)], [])
    notices.forget()
    run(notices.wait(0.001))
    notices.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "noticed late" in caplog.text
