"""Which packages a Dockerfile installs: commands as people write them."""

from __future__ import annotations

import pytest

from mlc_patched.images.dockerfile.installs import (
    APT,
    PIP,
    Kind,
    find_installs,
    packages_in,
    uses_uv,
    where_looked,
)


@pytest.mark.parametrize(
    ("step", "packages"),
    [
        ("pip install a b", ("a", "b")),
        ("sudo -H true; sudo pip install a", ("a",)),
        ("A=1 B='x y' pip install a", ("a",)),
        ("--mount=type=cache,target=/x --network=none pip install a", ("a",)),
        ("/opt/venv/bin/pip3.11 install a", ("a",)),
        ("python3 -I -m pip install a", ("a",)),
        ("/usr/bin/python3.11 -m uv pip install a", ("a",)),
        ("/usr/local/bin/uv pip install --system a", ("a",)),
        ("pip download a", ()),
        ("pip", ()),
        ("uv", ()),
        ("uv add a", ()),
        ("pipx install a", ()),
        ("echo pip install a", ()),
        ("python3 setup.py -m pip install a", ()),
        ("python3 pip install a", ()),
        ("python3", ()),
        ("pythonic -m pip install a", ()),
        ("pip install -r r.txt a", ("a",)),
        ("pip install -q -U --pre a", ("a",)),
        ("pip install -qr r.txt a", ("a",)),
        ("pip install -qUc limits.txt a -qic b", ("a", "b")),
        ("pip install --index-url=https://e.org a", ("a",)),
        ("pip install -i https://e.org a --find-links f b", ("a", "b")),
        ("pip install a > log b 2> err c", ("a", "b", "c")),
        ("pip install a >log b", ("a", "b")),
        ("pip install torch==${V} 'x[y]>=1' 'b @ https://e.org/b' $C ./d", (
            "torch==${V}", "x[y]>=1", "b @ https://e.org/b",
        )),
        ("pip install uv==0.9 a", ("a",)),
        ("pip install a && cd / && pip install b", ("a", "b")),
        ('pip install "a', ()),
    ],
)  # fmt: skip
def test_python_packages_are_found(step: str, packages: tuple[str, ...]) -> None:
    assert packages_in(f"FROM x\nRUN {step}\n", PIP) == packages


@pytest.mark.parametrize(
    ("step", "packages"),
    [
        ("apt-get install -y a1 b2", ("a1", "b2")),
        ("apt-get -y -o A::B=c install --no-install-recommends git", ("git",)),
        ("apt install -t bookworm-backports git", ("git",)),
        ("apt-get install --target-release sid -o A=b git", ("git",)),
        ("apt-get install -yt bookworm-backports git -yq vim", ("git", "vim")),
        ("apt-get update && DEBIAN_FRONTEND=x apt-get install git=1:2 vim:i386 g++", (
            "git=1:2", "vim:i386", "g++",
        )),
        ("apt-get update", ()),
        ("apt-mark install git", ()),
        ("apt-get install ./x.deb $A Git", ()),
        ("pip install git", ()),
    ],
)  # fmt: skip
def test_debian_packages_are_found(step: str, packages: tuple[str, ...]) -> None:
    assert packages_in(f"FROM x\nRUN {step}\n", APT) == packages


def test_a_debian_package_named_as_the_installer_counts() -> None:
    assert packages_in("FROM x\nRUN apt-get install uv\n", APT) == ("uv",)


def test_only_steps_of_the_last_stage_install() -> None:
    text = "FROM x\nRUN pip install a\nFROM y\nCMD pip install b\nRUN pip install c\n"
    assert [
        (each.instruction.line, each.packages[0].value) for each in find_installs(text, PIP)
    ] == [(5, "c")]


def test_a_step_that_runs_uv_needs_it() -> None:
    for step in ("uv sync", "cd /x && python3 -I -m uv sync", "/bin/uv pip install a", "A=1 uv x"):
        assert uses_uv(f"FROM x\nRUN {step}\n"), step
    for step in ("pip install uv", "echo uv", "python3 uv", "python3", "uvicorn x"):
        assert not uses_uv(f"FROM x\nRUN {step}\n"), step
    assert not uses_uv("FROM x\nRUN uv sync\nFROM y\nCMD uv run x\n")


@pytest.mark.parametrize(("kind", "title"), [(PIP, "Python"), (APT, "Debian")])
def test_the_steps_looked_at_are_named(kind: Kind, title: str) -> None:
    text = "FROM x\nRUN pip install a b && apt-get install c1 d1\nRUN pip install -r r\nRUN true\n"
    more = "RUN apt install e1; pip install e\n"
    assert where_looked(text + more, kind) == (
        f"looked at the steps that install {title} packages: "
        "line 2 (2 packages), line 5 (1 package)"
    )
    assert where_looked("FROM x\n", kind) == f"no step of its last stage installs {title} packages"
