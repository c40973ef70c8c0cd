"""Which engine is used, and by which address; see also tests/engine/test_docker_contexts.py."""

from __future__ import annotations

import builtins
import contextlib
import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest
from support.docker_contexts import CONTEXTS, digest_of, make_context, make_contexts, use
from support.engine_api import serving
from support.reliability import Counted

from mlc_patched.cli.main import run
from mlc_patched.context import Context
from mlc_patched.engine import socket as engine_socket
from mlc_patched.engine.address import SOCKET, EngineAddress, Tls, context_names, resolve
from mlc_patched.errors import EngineUnreachableError, MlcError, UsageError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with Docker contexts."""
    make_contexts(tmp_path)
    return tmp_path


HOST = {"DOCKER_HOST": "unix:///x/y"}


@pytest.mark.parametrize(
    ("variables", "chosen", "context"),
    [
        ({}, None, "tls"),
        ({"DOCKER_HOST": "", "DOCKER_CONTEXT": ""}, None, "tls"),
        ({"DOCKER_CONTEXT": "careless"}, None, "careless"),
        ({"DOCKER_CONTEXT": "careless", **HOST}, None, "default"),
        ({"DOCKER_CONTEXT": "careless", **HOST}, "far", "far"),
    ],
    ids=str,
)
def test_a_flag_comes_before_variables_and_those_before_the_current_context(
    home: Path, variables: dict[str, str], chosen: str | None, context: str
) -> None:
    use(home, "tls")
    assert resolve({"HOME": str(home), **variables}, chosen).context == context


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("unix:///run/x.sock", "unix:///run/x.sock"),
        ("unix://", f"unix://{SOCKET}"),
        ("tcp://", "tcp://localhost:2375"),
        ("tcp://host", "tcp://host:2375"),
        (":77", "tcp://localhost:77"),
        ("tcp://host:77/", "tcp://host:77"),
        ("1.2.3.4", "tcp://1.2.3.4:2375"),
        ("1.2.3.4:5", "tcp://1.2.3.4:5"),
        ("tcp://[::1]", "tcp://[::1]:2375"),
        ("tcp://[::1]:5", "tcp://[::1]:5"),
        ("ssh://me@host:22", "ssh://me@host:22"),
    ],
)
def test_addresses_are_completed(host: str, url: str) -> None:
    assert resolve({"HOME": "/none", "DOCKER_HOST": host}).url == url


INVALID_ADDRESSES = (
    *("unix://relative", "ftp://x", "npipe:////x", "ssh://", "a:b:c", "tcp://a:b", "tcp://a:70000"),
    f"tcp://a:{'1' * 5000}",
    "tcp://[::x]:5",
    "tcp://[::1]x:5",
)


@pytest.mark.parametrize("host", INVALID_ADDRESSES, ids=range(len(INVALID_ADDRESSES)))
def test_an_invalid_address_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="not a valid engine address"):
        resolve({"HOME": "/none", "DOCKER_HOST": host})


def test_the_error_for_an_unknown_context_lists_the_existing_ones(home: Path) -> None:
    with pytest.raises(UsageError, match="no Docker context 'nobody'") as raised:
        resolve({"HOME": str(home)}, "nobody")
    assert "Existing contexts: default, careless, far, here, tls." in str(raised.value)
    use(home, "gone")
    with pytest.raises(UsageError, match="no Docker context 'gone'"):
        resolve({"HOME": str(home)})


def test_an_invalid_client_configuration_is_ignored(home: Path) -> None:
    for content in ("", "{", "[]", '{"currentContext": 7}'):
        (home / ".docker/config.json").write_text(content)
        assert resolve({"HOME": str(home)}) == EngineAddress()


@pytest.mark.promise("input-works")
@pytest.mark.parametrize(
    "kind", ["a FIFO", "a device", "a directory", "a loop", "no UTF-8", "deep"]
)
def test_an_unreadable_client_configuration_is_ignored_at_once(
    tmp_path: Path, kind: str, counted: Counted
) -> None:
    file = tmp_path / "config.json"
    {
        "a FIFO": lambda: os.mkfifo(file),
        "a device": lambda: file.symlink_to("/dev/zero"),
        "a directory": file.mkdir,
        "a loop": lambda: file.symlink_to(file),
        "no UTF-8": lambda: file.write_bytes(b'{"currentContext": "\xff"}'),
        "deep": lambda: file.write_text("[" * 10**5),
    }[kind]()
    assert resolve({"DOCKER_CONFIG": str(tmp_path)}).context == "default"
    counted("inputs")


INVALID_CONTEXTS = (
    {"Endpoints": []},
    {"Endpoints": {"docker": "x"}},
    {"Endpoints": {"docker": {"Host": 1}}},
    {"Endpoints": {"docker": {"Host": ["unix:///x"]}}},
    {"Endpoints": None},
    {"Endpoints": {"docker": {"Host": "ssh://-oProxyCommand=id"}}},
)


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize("content", INVALID_CONTEXTS, ids=range(len(INVALID_CONTEXTS)))
def test_an_invalid_context_is_refused(
    tmp_path: Path, content: dict[str, object], counted: Counted
) -> None:
    file = tmp_path / "contexts/meta" / digest_of("odd") / "meta.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"Name": "odd", **content}))
    with pytest.raises(UsageError, match="Docker context 'odd'"):
        resolve({"DOCKER_CONFIG": str(tmp_path)}, "odd")
    counted("inputs")


def test_without_a_home_the_user_database_says_where_the_configuration_is(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(home, "far")
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(MlcError, match=r"no home directory\. Set it, as in: export HOME="):
        resolve({})
    entry = pwd.struct_passwd(("x", "x", 2**31 - 7, 1, "", str(home), ""))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: entry)
    assert resolve({}).context == "far"


def test_what_is_no_context_among_the_contexts_is_not_listed(home: Path) -> None:
    metadata = home / ".docker/contexts/meta"
    for name, content in (("a", "{}"), ("b", '{"Name": 5}'), ("c", "no JSON")):
        (metadata / name).mkdir()
        (metadata / name / "meta.json").write_text(content)
    assert context_names({"HOME": str(home)}) == ["default", "careless", "far", "here", "tls"]
    assert context_names({"HOME": "/none"}) == ["default"]


def test_root_s_client_gets_an_engine_of_root_s_own_as_it_is() -> None:
    assert EngineAddress("ssh://server").without_a_name() == {
        "DOCKER_HOST": "ssh://server",
        "DOCKER_CONTEXT": "default",
    }


def test_docker_config_names_another_directory(home: Path) -> None:
    use(home, "far")
    environ = {"HOME": "/none", "DOCKER_CONFIG": str(home / ".docker")}
    assert resolve(environ).context == "far"
    assert context_names(environ) == ["default", "careless", "far", "here", "tls"]


def test_tls_settings_are_the_client_s(home: Path) -> None:
    environ = {"HOME": str(home), "DOCKER_HOST": "tcp://h:1"}
    own = f"{home}/.docker"
    assert resolve(environ).tls is None
    assert resolve({**environ, "DOCKER_CERT_PATH": "/c"}).tls is None
    assert resolve({**environ, "DOCKER_TLS_VERIFY": "1"}).tls == Tls(own)
    assert resolve({**environ, "DOCKER_TLS": "1"}).tls == Tls(own, verify=False)
    of_variable = {**environ, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}
    assert resolve(of_variable).tls == Tls("/c")
    assert resolve({"HOME": "/h", "DOCKER_TLS_VERIFY": "1"}).url == "tcp://localhost:2376"
    of_context = resolve({"HOME": str(home)}, "tls").tls
    assert of_context == Tls(f"{own}/contexts/tls/{digest_of('tls')}/docker")
    assert of_context.file("ca.pem") == f"{of_context.directory}/ca.pem"
    assert of_context.file("key.pem") is None
    careless = resolve({"HOME": str(home)}, "careless").tls
    assert careless is not None
    assert not careless.verify
    assert resolve({"HOME": str(home)}, "far").tls is None


@pytest.mark.parametrize("name", [*CONTEXTS, "default"])
def test_the_client_s_environment_selects_the_same_engine(home: Path, name: str) -> None:
    use(home, "careless")
    environ = {"HOME": str(home)}
    for variables in ({}, {"DOCKER_HOST": "unix:///x"}, {"DOCKER_HOST": ""}):
        ours = resolve({**environ, **variables}, name)
        for_client = ours.client_environment({**environ, **variables})
        assert resolve(for_client) == ours


@pytest.mark.parametrize("variable", ["DOCKER_TLS", "DOCKER_TLS_VERIFY"])
def test_a_socket_has_no_tls_whatever_is_left_in_the_environment(home: Path, variable: str) -> None:
    environ = {"HOME": str(home), "DOCKER_HOST": "unix:///x", variable: "1"}
    address = resolve(environ)
    assert address == EngineAddress("unix:///x")
    assert variable not in address.client_environment(environ)
    far = {**environ, "DOCKER_HOST": "tcp://far:2376"}
    assert resolve(far).tls is not None
    assert resolve(far).client_environment(far)[variable] == "1"


def test_only_a_socket_is_local(home: Path) -> None:
    environ = {"HOME": str(home)}
    assert resolve(environ).is_local
    assert resolve(environ, "here").is_local
    assert not resolve(environ, "far").is_local
    assert not resolve(environ, "tls").is_local
    assert resolve(environ, "tls").socket_path is None


def test_without_a_context_at_most_one_file_is_opened(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Any] = []
    real = builtins.open

    def counting(path: Any, *arguments: Any, **named: Any) -> Any:
        opened.append(path)
        return real(path, *arguments, **named)

    monkeypatch.setattr(builtins, "open", counting)
    resolve({"HOME": str(home)})
    assert opened == [f"{home}/.docker/config.json"]
    resolve({"HOME": str(home), "DOCKER_HOST": "unix:///x"})
    assert len(opened) == 1


@pytest.mark.parametrize(
    "argv",
    [
        ["--context", "nobody", "list"],
        ["list", "--context=nobody"],
        ["--context=nobody", "image-list", "--all"],
        ["stats", "--json", "--context", "nobody"],
        ["--context", "nobody", "prune", "-y"],
        ["image-list", "--all", "--context", "nobody"],
        ["open", "it", "--context", "nobody", "-s"],
        ["--context", "far", "list", "--context", "nobody"],
    ],
    ids=" ".join,
)
def test_every_command_takes_the_flag_before_it_and_after_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argv: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("DOCKER_CONFIG", raising=False)
    assert run(argv, "mlc") == 2
    assert "There is no Docker context 'nobody'" in capsys.readouterr().err


def test_the_flag_without_a_name_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--context"], "mlc") == 2
    assert "expected one argument" in capsys.readouterr().err


def test_a_context_for_another_engine_keeps_the_account(home: Path) -> None:
    first = Context(environ={"HOME": str(home)})
    account = first.account
    other = first.at("far")
    assert (first.address.is_local, other.address.context) == (True, "far")
    assert other.account is account
    assert other.client_environ["DOCKER_CONTEXT"] == "far"


root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root can work for others")
SUDO = {"SUDO_UID": "65534", "SUDO_GID": "65534"}


@root_alone
def test_under_sudo_an_engine_of_the_user_s_choice_becomes_an_address_without_root_s_keys(
    open_place: Path,
) -> None:
    make_contexts(open_place)
    certificates = open_place / ".docker/contexts/tls" / digest_of("tls") / "docker"
    (certificates / "cert.pem").write_text("of the user")
    (open_place / "key").write_text("of root")
    (open_place / "key").chmod(0o600)
    environ = {"HOME": str(open_place), "PATH": "/usr/bin", **SUDO, "BUILDX_CONFIG": "/evil"}
    context = Context(environ=environ, docker_context="tls")
    found = context.client_environ
    assert (found["DOCKER_HOST"], found["DOCKER_CONTEXT"]) == ("tcp://10.0.0.7:2376", "default")
    assert found["DOCKER_TLS_VERIFY"] == "1"
    assert found["HOME"] == "/root"
    assert found["BUILDX_CONFIG"].startswith("/root/")
    assert not Path(found["DOCKER_CONFIG"]).exists()
    private = Path(found["DOCKER_CERT_PATH"])
    assert (private / "cert.pem").read_text() == "of the user"
    assert context.address.tls == Tls(str(private))
    context.close()
    assert not private.exists()
    (certificates / "key.pem").symlink_to(open_place / "key")
    with pytest.raises(MlcError, match=r"key\.pem cannot be read: Permission denied"):
        Context(environ=environ, docker_context="tls").address  # noqa: B018


@root_alone
def test_under_sudo_root_s_ssh_keys_are_not_used_for_the_user(open_place: Path) -> None:
    make_contexts(open_place)
    environ = {"HOME": str(open_place), **SUDO}
    for named, chosen in ((environ, "far"), ({**environ, "DOCKER_HOST": "ssh://root@far"}, None)):
        with pytest.raises(MlcError, match="without sudo"):
            Context(environ=named, docker_context=chosen).address  # noqa: B018
    own = {name: value for name, value in environ.items() if name not in SUDO}
    assert Context(environ=own, docker_context="far").address.is_ssh


@root_alone
def test_under_sudo_contexts_are_read_with_the_user_s_rights(open_place: Path) -> None:
    make_contexts(open_place)
    (open_place / ".docker").chmod(0o700)
    for environ in ({"HOME": str(open_place)}, {"DOCKER_CONFIG": f"{open_place}/.docker"}):
        assert context_names({**environ, **SUDO}) == ["default"]
        with pytest.raises(UsageError, match="no Docker context 'here'"):
            resolve({**environ, **SUDO}, "here")
        assert "here" in context_names(environ)


@root_alone
def test_under_sudo_root_connects_only_to_sockets_to_which_the_user_may(open_place: Path) -> None:
    """As to another user's rootless engine, whose socket is in a directory of theirs."""
    path, link = open_place / "private/engine.sock", open_place / "link"
    path.parent.mkdir()
    make_context(open_place, "linked", {"Host": f"unix://{link}"})
    use(open_place, "linked")
    named = {**SUDO, "DOCKER_HOST": f"unix://{path}"}
    by_context = {**SUDO, "HOME": str(open_place)}
    with serving(path):
        link.symlink_to(path)
        for place, mode in ((path, 0o600), (path.parent, 0o700)):
            place.chmod(mode)
            for environ in (named, by_context):
                with pytest.raises(EngineUnreachableError, match="yourself: Permission denied"):
                    Context(environ=environ).address  # noqa: B018
            place.chmod(0o777)
        for environ in (named, by_context):
            with contextlib.closing(Context(environ=environ)) as context:
                context.engine.ping()
    link.unlink()
    for reason in ("No such file", "not a socket"):
        with pytest.raises(EngineUnreachableError, match=reason):
            Context(environ=by_context).address  # noqa: B018
        link.touch()


@root_alone
def test_under_sudo_a_socket_that_the_user_exchanges_is_not_connected_to(open_place: Path) -> None:
    own, private = open_place / "own.sock", open_place / "private.sock"
    environ = {**SUDO, "DOCKER_HOST": f"unix://{own}"}
    with serving(own) as users, serving(private) as foreign:
        own.chmod(0o666)
        context = Context(environ=environ)
        assert context.address.url == environ["DOCKER_HOST"], "for messages"
        own.unlink()
        own.symlink_to(private)
        context.engine.ping()
        client = context.client_environ["DOCKER_HOST"].removeprefix("unix://")
        assert engine_socket.ask(client, "GET", "/_ping").status == 200
        assert users.connections > 1
        assert foreign.connections == 0
        context.close()
        assert not os.path.lexists(client)


@root_alone
def test_under_sudo_an_ssh_agent_that_the_user_exchanges_is_not_lent(open_place: Path) -> None:
    own, private = open_place / "own.sock", open_place / "private.sock"
    environ = {**SUDO, "SSH_AUTH_SOCK": str(own)}
    with serving(own) as users, serving(private) as foreign:
        own.chmod(0o666)
        context = Context(environ=environ)
        agent = context.client_environ["SSH_AUTH_SOCK"]
        own.unlink()
        own.symlink_to(private)
        assert engine_socket.ask(agent, "GET", "/_ping").status == 200
        assert (users.connections, foreign.connections) == (1, 0)
        context.close()
    for environ in ({**SUDO, "SSH_AUTH_SOCK": str(private)}, SUDO):
        assert "SSH_AUTH_SOCK" not in Context(environ=environ).client_environ


@root_alone
def test_under_sudo_the_host_s_own_engine_may_be_named(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what the administrator's wrapper is for: the user may not connect to it."""
    own, link = open_place / "docker.sock", open_place / "link"
    monkeypatch.setattr("mlc_patched.engine.address.SOCKET", str(own))
    link.symlink_to(own)
    for host in ("", f"unix://{own}", f"unix://{link}"):
        found = resolve({**SUDO, "HOME": "/root", "DOCKER_HOST": host})
        assert (found.url, found.is_users) == (f"unix://{own}", False)


@root_alone
def test_under_sudo_nobody_is_somebody_else_by_root_s_own_contexts(
    open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote engine believes whom root's keys open it for."""
    make_contexts(open_place)
    monkeypatch.setattr("mlc_patched.engine.address.root_home", lambda: str(open_place))
    environ = {"HOME": str(open_place), **SUDO}
    context = Context(environ=environ, docker_context="far", as_ids="7001:7002")
    assert context.address.is_ssh, "root may use its keys for an engine that root named"
    with pytest.raises(MlcError, match="is another user"):
        context.account  # noqa: B018
    named = Context(environ={**environ, "DOCKER_HOST": "tcp://far:1"}, as_ids="7001:7002")
    assert named.account.uid == 7001, "an engine that the user reaches without root"


@pytest.mark.parametrize("proxy", ["http_proxy", "HTTPS_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    ("url", "given", "expected"),
    [
        ("tcp://10.20.0.12:2375", {}, {"NO_PROXY": "10.20.0.12"}),
        ("tcp://gpu2:2376", {"NO_PROXY": "a,b"}, {"NO_PROXY": "a,b,gpu2"}),
        ("tcp://gpu2:2376", {"no_proxy": "a"}, {"no_proxy": "a", "NO_PROXY": "a,gpu2"}),
        ("tcp://[fd00::2]:2376", {}, {"NO_PROXY": "fd00::2"}),
        ("ssh://gpu2", {}, {}),
        ("unix:///run/docker.sock", {"no_proxy": "a"}, {"no_proxy": "a"}),
    ],
)
def test_the_client_does_not_use_a_proxy_for_the_engine_either(
    proxy: str, url: str, given: dict[str, str], expected: dict[str, str]
) -> None:
    environ = {proxy: "http://proxy:3128", **given}
    found = EngineAddress(url).client_environment(environ)
    assert found == {proxy: "http://proxy:3128", **expected, "DOCKER_CONTEXT": "default"}
    assert "NO_PROXY" not in EngineAddress("tcp://gpu2:2376").client_environment({})
