"""A directory is believed in only when it is this user's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from insights.cache import folder
from insights.cache.disk import DATABASE, FILES, DiskStore
from insights.cache.folder import NETWORK, Unfit, filesystem, make, prepare
from insights.core.errors import CacheError

from .tools import DIRECTORY, hold_once, one_warning

NOBODY = 65534

root_only = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def inner(outer: Path) -> Path:
    """A directory that is as it should be."""
    prepare(outer / DIRECTORY, FILES)
    return outer / DIRECTORY


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def refused(directory: Path) -> str:
    """Why it is refused: by `prepare`, and by a store, with one warning, and without writing there."""
    with pytest.raises(Unfit) as caught:
        prepare(directory, FILES)
    store = DiskStore(directory.parent)
    with one_warning("insights answers without its cache") as said:
        assert not store.set("a", b"x")
        assert store.get("a") is None
        hold_once(store, "a")
        assert store.stats().entries == 0
        with pytest.raises(CacheError, match="the cache can't be used"):
            store.clear()
        store.close()
    assert str(caught.value) in said[0]
    return str(caught.value)


# ---------------------------------------------------------------- modes


def test_everything_is_private(umask: int, outer: Path) -> None:
    store = DiskStore(outer / "deep" / "down")
    store.set("a", b"x" * 100_000)
    made = [outer, outer / "deep", outer / "deep" / "down", outer / "deep" / "down" / DIRECTORY]
    assert [mode(path) for path in made] == [0o700] * 4
    files = {path.name: mode(path) for path in made[-1].iterdir()}
    assert files == dict.fromkeys(FILES, 0o600)
    store.close()


def test_too_open_is_mended(inner: Path) -> None:
    for name in FILES:
        (inner / name).write_text("")
        (inner / name).chmod(0o666)
    inner.chmod(0o755)
    prepare(inner, FILES)
    assert mode(inner) == 0o700
    assert [mode(inner / name) for name in FILES] == [0o600] * len(FILES)


def test_what_is_closed_further_stays_so(inner: Path) -> None:
    (inner / DATABASE).write_text("")
    (inner / DATABASE).chmod(0o400)
    prepare(inner, FILES)
    assert mode(inner / DATABASE) == 0o400


def test_other_files_are_left_alone(inner: Path) -> None:
    (inner / "notes").write_text("")
    (inner / "notes").chmod(0o644)
    prepare(inner, FILES)
    assert mode(inner / "notes") == 0o644


def test_the_users_own_outer_directory_keeps_its_mode(outer: Path) -> None:
    outer.mkdir(mode=0o755)
    outer.chmod(0o755)
    prepare(outer / DIRECTORY, FILES)
    assert (mode(outer), mode(outer / DIRECTORY)) == (0o755, 0o700)


def test_make_makes_what_is_missing(umask: int, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o750)
    (tmp_path / "there").chmod(0o750)
    make(tmp_path / "there" / "a" / "b")
    assert [mode(tmp_path / "there" / name) for name in ("a", "a/b")] == [0o700] * 2
    assert mode(tmp_path / "there") == 0o750
    make(tmp_path / "there" / "a" / "b")


def test_another_process_makes_it_at_the_same_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the making."""
    real = Path.mkdir

    def mkdir(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        os.mkdir(self, 0o700)
        real(self, mode, parents, exist_ok)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    make(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


# ---------------------------------------------------------------- links and other things


def test_a_symbolic_link_in_its_place(outer: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    outer.mkdir()
    (outer / DIRECTORY).symlink_to(tmp_path / "elsewhere")
    assert refused(outer / DIRECTORY) == "it is a symbolic link"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_link_to_nowhere(outer: Path) -> None:
    outer.mkdir()
    (outer / DIRECTORY).symlink_to(outer / "nowhere")
    with pytest.raises(OSError, match="exists"):
        prepare(outer / DIRECTORY, FILES)
    assert not (outer / "nowhere").exists()


def test_the_users_own_link_to_the_outer_directory(outer: Path, tmp_path: Path) -> None:
    """~/.cache on another disk is nobody's attack."""
    (tmp_path / "large-disk").mkdir(mode=0o700)
    outer.symlink_to(tmp_path / "large-disk")
    prepare(outer / DIRECTORY, FILES)
    assert mode(tmp_path / "large-disk" / DIRECTORY) == 0o700


def test_a_file_in_its_place(outer: Path) -> None:
    outer.mkdir()
    (outer / DIRECTORY).write_text("mine")
    assert refused(outer / DIRECTORY) == "it is not a directory"
    assert (outer / DIRECTORY).read_text() == "mine"


@pytest.mark.parametrize("name", FILES)
def test_a_symbolic_link_to_another_file(inner: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("canary")
    (tmp_path / "secret").chmod(0o644)
    (inner / name).symlink_to(tmp_path / "secret")
    assert refused(inner) == f"{name} in it is not a plain file"
    assert (tmp_path / "secret").read_text() == "canary"
    assert mode(tmp_path / "secret") == 0o644


@pytest.mark.parametrize("name", FILES)
def test_a_hard_link_to_another_file(inner: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("canary")
    (tmp_path / "secret").chmod(0o644)
    os.link(tmp_path / "secret", inner / name)
    assert refused(inner) == f"{name} in it has another name elsewhere"
    assert (tmp_path / "secret").read_text() == "canary"
    assert mode(tmp_path / "secret") == 0o644


@pytest.mark.parametrize("name", FILES)
def test_a_directory_in_place_of_a_file(inner: Path, name: str) -> None:
    (inner / name).mkdir()
    assert refused(inner) == f"{name} in it is not a plain file"


def test_a_pipe_in_place_of_the_database(inner: Path) -> None:
    """Whoever opened it would wait for ever."""
    os.mkfifo(inner / DATABASE)
    assert refused(inner) == f"{DATABASE} in it is not a plain file"


# ---------------------------------------------------------------- owners


def test_somebody_else_is_this_user(inner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    assert f"belongs to user {other - 1}" in refused(inner)


@root_only
def test_an_inner_directory_of_somebody_else(inner: Path) -> None:
    os.chown(inner, NOBODY, NOBODY)
    assert refused(inner) == f"it belongs to user {NOBODY}"


@root_only
def test_a_file_of_somebody_else(inner: Path) -> None:
    (inner / DATABASE).write_text("")
    os.chown(inner / DATABASE, NOBODY, NOBODY)
    assert refused(inner) == f"{DATABASE} in it belongs to user {NOBODY}"


@root_only
def test_an_outer_directory_of_somebody_else(inner: Path, outer: Path) -> None:
    os.chown(outer, NOBODY, NOBODY)
    assert refused(inner) == f"{outer} belongs to user {NOBODY}"


@root_only
def test_a_link_of_somebody_else_to_the_outer_directory(outer: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o700)
    outer.symlink_to(tmp_path / "mine")
    os.chown(outer, NOBODY, NOBODY, follow_symlinks=False)
    assert refused(outer / DIRECTORY) == f"{outer} is a symbolic link of user {NOBODY}"


@root_only
def test_an_outer_directory_of_root(inner: Path, outer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/tmp belongs to root: whoever can do what root can needs no such way."""
    os.chown(inner, NOBODY, NOBODY)
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    prepare(inner, FILES)


@pytest.mark.parametrize(("given", "fit"), [(0o777, False), (0o1777, True), (0o775, True), (0o702, False), (0o1702, True)])
def test_an_outer_directory_for_everybody(inner: Path, outer: Path, given: int, fit: bool) -> None:
    """In a sticky one, like /tmp, nobody can rename what is another's."""
    outer.chmod(given)
    if fit:
        prepare(inner, FILES)
    else:
        assert refused(inner) == f"{outer} can be written to by everybody"


def test_a_system_without_owners(inner: Path, outer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inner / DATABASE).write_text("")
    outer.chmod(0o777)
    monkeypatch.delattr(os, "geteuid")
    prepare(inner, FILES)


# ---------------------------------------------------------------- filesystems

MOUNTS = """\
22 28 0:20 / /sys rw,nosuid - sysfs sysfs rw
28 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 28 0:35 / /home rw,relatime shared:20 master:3 - nfs4 server:/export/home rw,vers=4.2
41 40 0:36 / /home/ann/local rw,relatime - xfs /dev/sdb1 rw
42 28 0:37 / /mnt/a\\040b rw - cifs //server/share rw
43 28 0:38 / /mnt/t\\011b rw - nfs server:/t rw
44 28 0:39 / /mnt/b\\134040s rw - fuse.sshfs me@host: rw
45 28 0:40 / /twice rw - nfs server:/twice rw
46 28 0:41 / /twice rw - tmpfs tmpfs rw
47 28 0:42 / /thrice rw - tmpfs tmpfs rw
48 28 0:43 / /thrice rw - nfs server:/thrice rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTS)
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/cache", "ext4"),
        ("/home", "nfs4"),
        ("/home/ann/.cache", "nfs4"),
        ("/home/ann/local", "xfs"),
        ("/home/ann/local/.cache/deep", "xfs"),
        ("/home/ann/localhost", "nfs4"),
        ("/homeless", "ext4"),
        ("/mnt/a b/c", "cifs"),
        ("/mnt/a", "ext4"),
        ("/mnt/t\tb", "nfs"),
        ("/mnt/b\\040s/c", "fuse.sshfs"),
        ("/twice/x", "tmpfs"),
        ("/thrice/x", "nfs"),
        ("/home/../var", "ext4"),
    ],
)
def test_the_filesystem_of_a_path(mounts: Path, path: str, kind: str) -> None:
    assert filesystem(Path(path), mounts) == kind


def test_the_order_of_the_lines_is_not_that_of_the_paths(tmp_path: Path) -> None:
    path = tmp_path / "mountinfo"
    path.write_text("".join(reversed(MOUNTS.splitlines(keepends=True)[:4])))
    assert filesystem(Path("/home/ann/local/x"), path) == "xfs"
    assert filesystem(Path("/home/x"), path) == "nfs4"


def test_a_link_is_followed_to_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "remote").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "remote")
    path = tmp_path / "mountinfo"
    path.write_text(f"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / {os.path.realpath(tmp_path)}/remote rw - nfs4 x rw\n")
    assert filesystem(tmp_path / "link" / "not" / "there" / "yet", path) == "nfs4"
    assert filesystem(tmp_path / "there", path) == "ext4"


@pytest.mark.parametrize("text", ["", "\n\n", "1 2 3 - nfs4\n", "28 1 254:0 / / rw ext4 /dev/vda rw\n", "\xff\xfe\n"])
def test_lines_that_say_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mountinfo"
    path.write_bytes(text.encode("latin-1"))
    assert filesystem(Path("/"), path) is None


def test_names_in_no_encoding(tmp_path: Path) -> None:
    path = tmp_path / "mountinfo"
    path.write_bytes(b"1 0 0:1 / / rw - ext4 x rw\n2 1 0:2 / /m\xff rw - nfs4 x rw\n")
    assert filesystem(Path(os.fsdecode(b"/m\xff/x")), path) == "nfs4"


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert filesystem(Path("/"), tmp_path / "nothing") is None
    assert filesystem(Path("/"), tmp_path) is None


@pytest.mark.parametrize("kind", sorted(NETWORK))
def test_a_network_filesystem_is_unfit(outer: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(folder, "filesystem", lambda path: kind)
    assert refused(outer / DIRECTORY) == f"it is on a network filesystem ({kind}), where SQLite's locks don't hold"
    assert not outer.exists()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "apfs", None])
def test_a_local_one_is_fit(outer: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None) -> None:
    monkeypatch.setattr(folder, "filesystem", lambda path: kind)
    prepare(outer / DIRECTORY, FILES)
