"""Whether the installed files are as installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.aime_checkout import git, place

from mlc_patched.maintenance import install_tree
from mlc_patched.version import __version__


def test_an_installed_tree_is_compared_with_its_manifest(tmp_path: Path) -> None:
    for name in ("same", "changed", "missing"):
        (tmp_path / name).write_text(name)
    listed = subprocess.run(
        ["sha256sum", "same", "changed", "missing"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    (tmp_path / install_tree.MANIFEST).write_text(listed.stdout)
    assert not install_tree.look(tmp_path).missing
    (tmp_path / "changed").write_text("otherwise")
    (tmp_path / "missing").unlink()
    found = install_tree.look(tmp_path)
    assert (found.missing, found.changed) == (("missing",), ("changed",))


def test_what_a_package_installed_is_installed_by_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / install_tree.MANIFEST).write_text("0  bin/mlc\n")
    files = tmp_path / "mlc-patched.list"
    monkeypatch.setattr(install_tree, "PACKAGE_FILES", files)
    assert install_tree.look(tmp_path).remedy == "make install"
    files.write_text(f"/.\n{tmp_path}2/bin/mlc\n")
    assert install_tree.look(tmp_path).remedy == "make install"
    files.write_text(f"/.\n{tmp_path}\n{tmp_path}/bin/mlc\n")
    package = f"./mlc-patched_{__version__}_all.deb"
    assert install_tree.look(tmp_path).remedy == f"sudo apt install --reinstall {package}"


def test_a_tree_without_a_manifest_is_compared_with_git_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    assert "bin/mlc" in install_tree.look(tmp_path).missing
    place(tmp_path, {"bin/mlc": "#!/bin/sh\n", "lib/a": "", "docs/b": ""})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    assert install_tree.look(tmp_path).missing == ()
    for name in ("bin/mlc", "docs/b"):
        (tmp_path / name).unlink()
    (tmp_path / "lib/a").write_text("changed")
    found = install_tree.look(tmp_path)
    assert (found.missing, found.changed) == (("bin/mlc",), ("lib/a",))


def test_no_remedy_overwrites_what_was_changed_in_a_git_tree(tmp_path: Path) -> None:
    root = tmp_path / "my tree"
    place(root, {"bin/mlc": "", "bin/b c": "", "lib/a": "before"})
    git(root, "init", "--quiet")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "all")
    (root / "lib/a").write_text("my work")
    assert install_tree.look(root).remedy == f"git -C '{root}' status"
    (root / "bin/mlc").unlink()
    (root / "bin/b c").unlink()
    found = install_tree.look(root)
    assert found.remedy == f"git -C '{root}' checkout -- 'bin/b c' bin/mlc"
    subprocess.run(["sh", "-c", found.remedy], check=True, capture_output=True)
    again = install_tree.look(root)
    assert (again.missing, again.changed) == ((), ("lib/a",))
    assert (root / "lib/a").read_text() == "my work"
    git(root, "rm", "--quiet", "bin/mlc")  # checkout would not restore it
    assert install_tree.look(root).remedy == f"git -C '{root}' status"


def test_what_pip_installed_is_not_a_tree(tmp_path: Path) -> None:
    """Not even where its virtual environment is in somebody's own checkout."""
    place(tmp_path, {"bin/own": "", ".gitignore": ".venv\n"})
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "--quiet", "-m", "all")
    (tmp_path / "bin/own").unlink()
    packages = tmp_path / ".venv/lib/python3.12/site-packages"
    (packages / "mlc_patched-1.0.0.dist-info").mkdir(parents=True)
    found = install_tree.look(packages)
    assert (found.place, found.missing, found.changed) == (str(packages), (), ())
    assert "pip" in found.measure
