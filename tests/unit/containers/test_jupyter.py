"""JupyterLab as a job; tests/products/test_jupyter.py has a real one and a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.accounts import OWN, own_image
from support.fakes.engine import FakeContainer, FakeEngine
from support.fakes.jobs import RECORDS
from support.run_command import call

import mlc_patched
from mlc_patched.containers import jupyter as module
from mlc_patched.containers.jupyter import jupyter
from mlc_patched.context import Context
from mlc_patched.engine.address import EngineAddress
from mlc_patched.engine.interface import Container
from mlc_patched.errors import MlcError
from mlc_patched.names import labels

LOG = f"{RECORDS.removesuffix('/records')}/{{}}.log"
SAID = b"""\
[I ServerApp] Serving notebooks from local directory: /workspace
    http://localhost:8890/lab?token=abc
    http://127.0.0.1:8890/lab?token=abc
"""
BOARD = b"TensorBoard 2.15.1 at http://127.0.0.1:6007/ (Press CTRL+C to quit)\n"
Then = Callable[[Callable[[], object]], None]


@pytest.fixture
def it(fake: FakeEngine, context: Context) -> FakeContainer:
    """The container `it`."""
    own_image(fake)
    return fake.made[mlc_patched.create("it", image=OWN, context=context).id]


@pytest.fixture
def while_waiting(monkeypatch: pytest.MonkeyPatch) -> Then:
    """Does something instead of the pause while a server starts."""

    def set_up(action: Callable[[], object]) -> None:
        monkeypatch.setattr(module.time, "sleep", lambda seconds: action())

    return set_up


def commands(it: FakeContainer, verb: str) -> list[tuple[str, ...]]:
    return [words[5:] for words, _ in it.commands if words[3:5] == ("mlc-job", verb)]


def test_the_url_is_what_the_server_says(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    while_waiting(lambda: it.files.update({LOG.format(1): SAID, LOG.format(2): BOARD}))
    context.environ = {**context.environ, "SSH_CONNECTION": "10.1.1.1 5 192.0.2.7 22"}
    outcome = call(["mlc", "jupyter", "it", "--tensorboard", "runs"], context)
    assert outcome.code == 0
    assert "http://127.0.0.1:8890/lab?token=abc" in outcome.out
    assert "http://127.0.0.1:6007/\n" in outcome.out
    assert "ssh -L 8890:127.0.0.1:8890 -L 6007:127.0.0.1:6007 alice@" in outcome.out
    assert "everybody on this server can read it" in outcome.err
    lab, board = commands(it, "run")
    assert lab[5:] == (
        *("jupyter-lab", "--no-browser", "--ip=127.0.0.1", "--port=8888"),
        "--ServerApp.port_retries=100",
    )
    assert board[5:] == ("tensorboard", "--logdir=runs", "--host=127.0.0.1")
    again = call(["mlc", "jupyter", "it", "--port", "9999"], context)
    assert "runs already, as job 1" in again.out
    assert "It has port 8890 until you end it" in again.err
    assert len(commands(it, "run")) == 2
    assert call(["mlc", "jupyter", "it", "--stop"], context).out == "[it] JupyterLab has ended.\n"
    assert commands(it, "end") == [("/home/alice/.mlc/jobs", "1", "2")]


def test_a_server_that_ends_is_a_failure_with_its_last_lines(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    def end() -> None:
        it.files[LOG.format(1)] = b"The port 8888 is already in use.\n"
        it.files[f"{RECORDS}/1/status"] = b"1 1\n"

    while_waiting(end)
    outcome = call(["mlc", "jupyter", "it", "--port", "8888"], context)
    assert outcome.code == 1
    assert "The port 8888 is already in use." in outcome.err
    assert "jupyter-lab ended: exit 1." in outcome.last
    assert commands(it, "run")[0][-1] == "--ServerApp.port_retries=0"


def test_a_server_that_was_interrupted_at_its_start_is_ended(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    while_waiting(interrupt)
    assert call(["mlc", "jupyter", "it"], context).code == 130
    assert commands(it, "end") == [("/home/alice/.mlc/jobs", "1")]


def test_a_server_that_never_says_where_it_is_is_ended(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", -1)
    with pytest.raises(MlcError, match="does not say where it listens"):
        jupyter("it", context=context)
    assert commands(it, "end") == [("/home/alice/.mlc/jobs", "1")]


def test_with_a_network_of_its_own_the_address_is_the_containers(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    while_waiting: Then,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = fake.exec_run

    def exec_run(container: str, command: tuple[str, ...], user: str) -> tuple[int, str]:
        if command == ("hostname", "-i"):
            return 0, "172.17.0.2 \n"
        return run(container, command, user)

    monkeypatch.setattr(fake, "exec_run", exec_run)
    it.specification = replace(it.specification, network="bridge")
    said = SAID.replace(b"127.0.0.1", b"172.17.0.2")
    while_waiting(lambda: it.files.update({LOG.format(1): said}))
    found = jupyter("it", context=context)
    assert found.lab.url == "http://172.17.0.2:8890/lab?token=abc"
    assert "-L 8890:172.17.0.2:8890" in found.ssh
    assert "--ip=172.17.0.2" in commands(it, "run")[0]


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("127.0.0.1;touch${IFS}pwned;echo", None),
        ("$(touch x)", None),
        ("fe80::1%eth0", None),
        ("1.2.3.4444 10.0.0.7\n", "10.0.0.7"),
        ("fd00::1 10.0.0.7", "10.0.0.7"),
        ("", "127.0.0.1"),
    ],
)
def test_only_an_address_of_the_containers_gets_into_a_command(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    address: str | None,
) -> None:
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (0, said))
    it.specification = replace(it.specification, network="bridge")
    if address is None:
        with pytest.raises(MlcError, match="has no IPv4 address: hostname -i printed"):
            module._address(it_in(fake, it), context)
    else:
        assert module._address(it_in(fake, it), context) == address


def it_in(fake: FakeEngine, it: FakeContainer) -> Container:
    """Return the container as the engine lists it."""
    return next(each for each in fake.containers() if each.id == it.id)


@pytest.mark.parametrize("port", ["99999", "123456", "\u0661"])
def test_what_is_no_port_is_no_url(
    it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch, port: str
) -> None:
    monkeypatch.setattr(module, "_START_SECONDS", -1)
    said = f"http://127.0.0.1:{port}/lab\n"
    run = module.start_job

    def start(*arguments: object, **named: object) -> object:
        it.files[LOG.format(1)] = said.encode()
        return run(*arguments, **named)

    monkeypatch.setattr(module, "start_job", start)
    with pytest.raises(MlcError, match="does not say where it listens"):
        jupyter("it", context=context)


def test_a_container_with_the_hosts_network_listens_on_loopback_whatever_is_set_by_now(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    context.__dict__["settings"] = replace(context.settings, network="bridge")
    while_waiting(lambda: it.files.update({LOG.format(1): SAID}))
    jupyter("it", context=context)
    assert "--ip=127.0.0.1" in commands(it, "run")[0]


def test_an_address_that_the_container_does_not_say_is_a_failure(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = 127, 'OCI runtime exec failed: exec: "hostname": executable file not found in $PATH'
    monkeypatch.setattr(
        fake, "exec_run", lambda _, command, user: failed if "hostname" in command else (0, "")
    )
    it.specification = replace(it.specification, network="bridge")
    outcome = call(["mlc", "jupyter", "it"], context)
    assert outcome.code == 1
    assert "The address of it cannot be found" in outcome.err
    assert "mlc exec it -- hostname -i" in outcome.last
    assert commands(it, "run") == []


@pytest.mark.parametrize(
    ("url", "login"),
    [("ssh://bob@far.example", "bob@far.example"), ("tcp://far.example:2376", "alice@far.example")],
)
def test_of_a_remote_engine_the_line_for_ssh_has_its_host(
    it: FakeContainer, context: Context, while_waiting: Then, url: str, login: str
) -> None:
    while_waiting(lambda: it.files.update({LOG.format(1): SAID}))
    context.__dict__["address"] = EngineAddress(url)
    assert jupyter("it", context=context).ssh.endswith(f" {login}")


def test_a_container_without_jupyterlab_is_said_with_what_adds_it(
    fake: FakeEngine, it: FakeContainer, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "exec_run", lambda *arguments: (127, ""))
    outcome = call(["mlc", "jupyter", "it"], context)
    assert outcome.code == 1
    assert "There is no jupyter-lab in it." in outcome.last
    assert "mlc exec it -- pip install jupyterlab" in outcome.last


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_that_cannot_be_is_a_usage_error(context: Context, port: str) -> None:
    assert call(["mlc", "jupyter", "it", "--port", port], context).code == 2


def test_tensorboard_for_another_directory_is_refused(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    while_waiting(lambda: it.files.update({LOG.format(1): SAID, LOG.format(2): BOARD}))
    assert call(["mlc", "jupyter", "it", "--tensorboard", "runs"], context).code == 0
    for same in ("runs/", "/workspace/runs"):
        assert call(["mlc", "jupyter", "it", "--tensorboard", same], context).code == 0
    other = call(["mlc", "jupyter", "it", "--tensorboard", "others"], context)
    assert other.code == 1
    assert "TensorBoard in it shows runs. End it, and JupyterLab, first with: " in other.err
    assert other.last.endswith("mlc jupyter it --stop")
    assert len(commands(it, "run")) == 2


@pytest.mark.parametrize("flag", ["--port", "--tensorboard"])
def test_stop_goes_with_no_flag_of_a_start(it: FakeContainer, context: Context, flag: str) -> None:
    outcome = call(["mlc", "jupyter", "it", "--stop", flag, "9000"], context)
    assert outcome.code == 2
    assert f"--stop cannot be combined with {flag}." in outcome.last


def test_both_servers_are_objects_in_the_json(
    it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    while_waiting(lambda: it.files.update({LOG.format(1): SAID, LOG.format(2): BOARD}))
    found = jupyter("it", tensorboard="runs", context=context).as_json()
    assert (found["lab"]["port"], found["tensorboard"]["port"]) == (8890, 6007)
    assert jupyter("it", context=context).as_json()["was_running"]


def test_nothing_is_stopped_where_nothing_runs(it: FakeContainer, context: Context) -> None:
    assert module.stop_jupyter("it", context=context) == []
    assert commands(it, "end") == []


def test_a_package_is_added_to_the_image_of_its_project(
    it: FakeContainer, context: Context, fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**it.specification.labels, labels.PROJECT: "thesis"}
    it.specification = replace(it.specification, labels=own)
    error = module._missing(context.get("it"), "jupyter-lab", module.LAB)
    assert "image-update thesis --add jupyterlab" in (error.hint or "")


@pytest.mark.parametrize("was_running", [True, False])
def test_a_missing_tensorboard_leaves_no_server_and_no_container_running(
    fake: FakeEngine,
    it: FakeContainer,
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    was_running: bool,
) -> None:
    run = fake.exec_run

    def exec_run(container: str, command: tuple[str, ...], user: str) -> tuple[int, str]:
        return (127, "") if command[-1] == "tensorboard" else run(container, command, user)

    monkeypatch.setattr(fake, "exec_run", exec_run)
    if was_running:
        mlc_patched.start("it", context=context)
    outcome = call(["mlc", "jupyter", "it", "--tensorboard", "runs"], context)
    assert (outcome.code, "There is no tensorboard in it." in outcome.last) == (1, True)
    assert commands(it, "run") == []
    assert it.state == ("running" if was_running else "exited")


def test_a_tensorboard_that_fails_ends_the_jupyterlab_that_was_started_for_it(
    fake: FakeEngine, it: FakeContainer, context: Context, while_waiting: Then
) -> None:
    def fail() -> None:
        it.files[LOG.format(1)] = SAID
        if f"{RECORDS}/2/started" in it.files:
            it.files[f"{RECORDS}/2/status"] = b"1 1\n"

    while_waiting(fail)
    it.processes.append("bash")  # of a shell that another command opened
    assert call(["mlc", "jupyter", "it", "--tensorboard", "runs"], context).code == 1
    assert commands(it, "end") == [(RECORDS.removesuffix("/records"), each) for each in ("2", "1")]
    assert it.state == "running"


def test_a_jupyterlab_that_ran_before_survives_a_tensorboard_that_fails(
    it: FakeContainer, context: Context, while_waiting: Then, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_waiting(lambda: it.files.update({LOG.format(1): SAID}))
    jupyter("it", context=context)
    monkeypatch.setattr(module, "_START_SECONDS", -1)
    with pytest.raises(MlcError, match="tensorboard does not say"):
        jupyter("it", tensorboard="runs", context=context)
    assert commands(it, "end") == [(RECORDS.removesuffix("/records"), "2")]
