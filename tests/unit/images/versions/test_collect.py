"""A lock is composed from what is in an image and what uv says."""

from __future__ import annotations

from mlc_patched.images.probe import ProbeResult
from mlc_patched.images.versions.collect import (
    compose,
    differences,
    direct_source,
    known_sources,
    sources_in,
)
from mlc_patched.images.versions.inventory import read_inventory
from mlc_patched.images.versions.lockfile import Lock, Locked, LockedBase, parse, render
from mlc_patched.images.versions.pins import Pins

URL = "https://files.example/{}"


def _wheel(tags: str) -> str:
    url = URL.format(f"numpy-2.1-{tags}.whl")
    return f'{{ url = "{url}", size = 5, hashes = {{ sha256 = "1" }} }}'


PYLOCK = f"""\
lock-version = "1.0"
created-by = "uv"

[[packages]]
name = "numpy"
version = "2.1"
index = "https://me:secret@index.example/simple"
sdist = {{ url = "{URL.format("numpy-2.1.tar.gz")}", size = 1, hashes = {{ sha256 = "s" }} }}
wheels = [
    {_wheel("cp310-cp310-manylinux_2_17_x86_64")},
    {_wheel("cp311-cp311-manylinux_2_17_x86_64")},
    {_wheel("cp311-cp311-manylinux_2_17_aarch64")},
    {_wheel("cp311-cp311-win_amd64")},
]

[[packages]]
name = "old"
version = "1"
sdist = {{ url = "{URL.format("old-1.tar.gz")}", hashes = {{ sha256 = "4" }} }}

[[packages]]
name = "pure"
version = "1"
wheels = [{{ url = "{URL.format("pure-1-py2.py3-none-any.whl")}", hashes = {{ sha256 = "5" }} }}]
"""
SAID = ProbeResult(
    0,
    (
        *("id 1:1 a", "python 3.11.2 x86_64", "py Num_Py 2", "py torch 2.8", "py mine 1.0"),
        'direct mine {"url": "https://me:pw@git.example/x", '
        '"vcs_info": {"vcs": "git", "commit_id": "abc"}}',
        *("direct torch nonsense", "deb git 1:2", "conda cuda 12", "py broken", "other Num_Py"),
    ),
)


def test_of_each_package_the_file_for_the_images_python_is_kept() -> None:
    found = sources_in(PYLOCK, "3.11.2", "x86_64")
    assert found["numpy", "2.1"] == (
        'index = "https://index.example/simple"',
        f'wheels = [{{ url = "{URL.format("numpy-2.1-cp311-cp311-manylinux_2_17_x86_64.whl")}", '
        'hashes = { sha256 = "1" } }]',
    )
    assert found["old", "1"][0].startswith("sdist = ")
    assert "pure-1-py2.py3-none-any.whl" in found["pure", "1"][0]
    assert sources_in(PYLOCK, "3.13.0", "riscv64")["numpy", "2.1"][1].startswith("sdist = ")


def test_an_inventory_is_read_from_the_output_of_its_scripts() -> None:
    found = read_inventory(SAID)
    assert (found.python, found.machine) == ("3.11.2", "x86_64")
    assert found.packages == {"num-py": "2", "torch": "2.8", "mine": "1.0"}
    assert set(found.direct) == {"mine", "torch"}
    assert (found.debian, found.conda) == ({"git": "1:2"}, {"cuda": "12"})
    assert found.others == {"num-py"}
    assert read_inventory(ProbeResult(0, ())).packages == {}


def test_a_lock_tells_the_bases_packages_from_those_of_steps() -> None:
    inventory = read_inventory(SAID)
    sources = {("num-py", "2"): ('wheels = [{ url = "u" }]',)}
    of_base = {"num-py": "1", "torch": "2.8", "gone": "1"}
    base = LockedBase("debian:12", "sha256:1")
    lock = compose("demo", "FROM x", inventory, base, of_base, Pins(), "BUILDX", sources)
    assert [(each.name, each.is_elsewhere) for each in lock.packages] == [
        *(("mine", True), ("num-py", False), ("torch", True)),
    ]
    assert lock.of_base == {}
    assert known_sources(lock)["num-py", "2"] == sources["num-py", "2"]
    assert parse(render(lock), "f") == lock


def test_a_package_from_a_url_has_its_source_without_a_login() -> None:
    assert direct_source(read_inventory(SAID).direct["mine"]) == (
        'vcs = { type = "git", url = "https://git.example/x", commit-id = "abc" }',
    )
    archive = {"url": "https://e/x.whl", "archive_info": {"hashes": {"sha256": "1"}}}
    assert direct_source(archive)[0].startswith('archive = { url = "https://e/x.whl"')
    assert direct_source({"url": "file:///x", "dir_info": {}}) == ()


def test_differences_name_what_moved() -> None:
    before = Lock("p", "", packages=(Locked("a", "1"), Locked("b", "1")), debian={"d": "1"})
    after = Lock("p", "", packages=(Locked("b", "2"), Locked("c", "1")), debian={"d": "1"})
    assert differences(before, after) == ["- a 1", "  b 1 -> 2", "+ c 1"]
    assert differences(None, after) == []
