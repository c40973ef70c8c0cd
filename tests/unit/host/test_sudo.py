"""What root takes of the environment while it works for another user."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from mlc_patched.containers.shell import FORWARDED
from mlc_patched.host.account import Account
from mlc_patched.host.sudo import for_programs, is_for_another, only_root_changes, take_environment
from mlc_patched.images.build.environment import PIP_VARIABLES, PROXY_VARIABLES

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
USER = Account("nobody", 65534, 65534, "/nonexistent")
SUDO = {"SUDO_UID": "65534", "SUDO_GID": "65534"}
FOREIGN = (
    *(
        "DOCKER_CONFIG",
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CERT_PATH",
        "DOCKER_CUSTOM_HEADERS",
    ),
    *("BUILDX_CONFIG", "BUILDX_BUILDER", "BUILDKIT_HOST", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"),
    *("GIT_SSH_COMMAND", "GIT_DIR", "LD_PRELOAD", "PYTHONPATH", "TMPDIR", "TMP", "NETRC"),
    *("OPENSSL_CONF", "OPENSSL_MODULES", "SSL_CERT_FILE", "SSLKEYLOGFILE", "REQUESTS_CA_BUNDLE"),
    *("GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "RES_OPTIONS", "GLIBC_TUNABLES"),
    *("BASH_ENV", "BASH_FUNC_ls%%", "ENV", "IFS", "SHELL", "EDITOR", "PWD", "NOT_YET_KNOWN"),
    *("GODEBUG", "SLURM_CONF", "KUBECONFIG", "TERMINFO", "XAUTHORITY"),
)
KEPT = {
    **{"LANG": "C", "LC_TIME": "C", "TERM": "xterm", "NO_COLOR": "1", "TZ": "UTC", "USER": "root"},
    **{"http_proxy": "http://p:1", "HTTPS_PROXY": "http://p:1", "NO_PROXY": "a"},
    **{"DOCKER_BUILDKIT": "0", "DISPLAY": ":0", "NCCL_P2P_LEVEL": "NVL"},
    **{"MLC_CATALOG": "/c", "MLC_ARCH": "CUDA", "DS01_REGISTRY": "r:1", "SUDO_USER": "nobody"},
}


def test_root_s_programs_get_no_variable_that_leads_to_the_user_s_files() -> None:
    given = {**dict.fromkeys(FOREIGN, "/home/evil"), **KEPT, **SUDO, "HOME": "/home/evil"}
    found = for_programs(given)
    assert {**found, "PATH": ""} == {**KEPT, **SUDO, "HOME": "/root", "PATH": ""}


def test_root_s_programs_get_what_containers_and_builds_are_given() -> None:
    names = {*FORWARDED, *PROXY_VARIABLES, *PIP_VARIABLES}
    assert names <= for_programs({**dict.fromkeys(names, "x"), **SUDO}).keys()


def test_root_s_programs_use_only_an_ssh_agent_that_the_user_may(open_place: Path) -> None:
    """Not another user's, nor root's own key: a client takes a file for one."""
    agent, key = open_place / "agent.sock", open_place / "key"
    key.touch()
    link = open_place / "link"
    link.symlink_to(agent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(agent))
        for named, mode, is_kept in (
            *((link, 0o600, False), (link, 0o666, True), (agent, 0o666, True)),
            *((key, 0o666, False), (open_place / "gone", 0o666, False)),
        ):
            agent.chmod(mode)
            found = for_programs({**SUDO, "SSH_AUTH_SOCK": str(named)}).get("SSH_AUTH_SOCK")
            assert found == (str(agent) if is_kept else None)
    invalid = {"SUDO_UID": "65534", "SUDO_GID": "x", "SSH_AUTH_SOCK": str(agent)}
    assert "SSH_AUTH_SOCK" not in for_programs(invalid)


def test_root_itself_keeps_its_environment() -> None:
    given = {**dict.fromkeys(FOREIGN, "/home/evil"), **KEPT, **SUDO, "HOME": "/home/evil"}
    for own in ({"SUDO_UID": "0", "SUDO_GID": "0"}, {"SUDO_UID": ""}, {}):
        without = {name: value for name, value in given.items() if name not in SUDO}
        assert for_programs({**without, **own}) == {**without, **own}, "root is there for itself"


def test_root_s_programs_are_found_only_where_the_user_cannot_put_any(open_place: Path) -> None:
    for name in ("roots", "users", "open", "users/below"):
        (open_place / name).mkdir()
    os.chown(open_place / "users", USER.uid, USER.gid)
    (open_place / "open").chmod(0o1777)
    (open_place / "link").symlink_to("roots")
    names = ("users", "link", "open", "users/below", "gone", "roots")
    path = ":".join(["", ".", "/tmp", *(f"{open_place}/{name}" for name in names), "/usr/bin"])
    assert for_programs({**SUDO, "PATH": path})["PATH"] == f"{open_place}/roots:/usr/bin"
    assert "/usr/bin" in for_programs({**SUDO, "PATH": f"{open_place}/users"})["PATH"]
    assert "/usr/bin" in for_programs({"SUDO_UID": "65534", "SUDO_GID": "x"})["PATH"]


def test_a_group_of_the_user_s_may_change_what_is_then_not_root_s_alone(open_place: Path) -> None:
    program = open_place / "program"
    program.touch()
    program.chmod(0o775)
    assert only_root_changes(str(program), USER)
    os.chown(program, 0, USER.gid)
    assert not only_root_changes(str(program), USER)


def test_the_process_itself_keeps_what_its_programs_may_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {**SUDO, "DOCKER_CONFIG": "/x", "TMPDIR": "/y", "HOME": "/z", "OPENSSL_CONF": "/o"}
    monkeypatch.setattr(os, "environ", {**os.environ, **own})
    given = take_environment()
    assert (given["DOCKER_CONFIG"], given["HOME"]) == ("/x", "/z")
    assert os.environ["HOME"] == "/root"
    assert not {"DOCKER_CONFIG", "TMPDIR", "OPENSSL_CONF"} & os.environ.keys()
    assert is_for_another(os.environ)
