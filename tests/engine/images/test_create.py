"""image-create on the real engine: what it builds, and what it refuses."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest
from support.base_images import BARE, BASE
from support.engine_proxy import Recording
from support.engine_state import docker, inspect
from support.image_commands import BUILDERS, HOST_CERTIFICATES, ImageUser, labels_of, nameless
from support.users import AS_ON_NFS

from mlc_patched.images.build.environment import Builder

pytestmark = pytest.mark.real_engine

FOUR = ("HAS_USER_SETUP", "USER_ID", "GROUP_ID", "USERNAME")


def tree_of(home: Path) -> set[str]:
    return {str(path) for path in home.rglob("*")}


def test_an_image_from_flags_and_a_container_directly_from_it(
    each_builder: ImageUser, sparse: str
) -> None:
    it = each_builder
    uid, name = it.user.uid, it.user.login.replace("@", "-at-").replace(".", "-")
    done = it.run("image-create", "demo", "--base", sparse, "-p", "six", "-y")
    assert "step" in done.stderr.lower() or "#1 " in done.stderr
    assert "\033" not in done.stderr
    image = it.image("demo")
    assert image in done.stdout
    labels = labels_of(image)
    assert {name: labels[f"aime.mlc.DS01_{name}"] for name in FOUR} == {
        "HAS_USER_SETUP": "true",
        "USER_ID": str(uid),
        "GROUP_ID": str(it.user.gid),
        "USERNAME": name,
    }
    assert labels["aime.mlc.DS01_PROJECT"] == "demo"
    assert labels["aime.mlc.DS01_FRAMEWORK"] == "custom"
    assert labels["aime.mlc.DS01_CREATED"].endswith("Z")
    assert json.loads(labels["devcontainer.metadata"]) == [{"remoteUser": name}]
    # The account step, on a base whose useradd writes lastlog at the UID's offset.
    history = docker(
        *("history", "--no-trunc", "--human=false", "--format", "{{.Size}}\t{{.CreatedBy}}", image)
    )
    size = next(int(line.split("\t")[0]) for line in history.splitlines() if "useradd" in line)
    assert 0 < size < 1_000_000
    # Built with a site certificate: trusted in the build, but not in the image.
    assert not any("CERT" in name for name in inspect(image)["Config"]["Env"])
    assert it.run_in(image, "ls /etc/ssl/certs/ds01* /run/secrets/* 2>/dev/null || true") == ""
    assert it.names() == {image}
    metadata = it.user.home / ".ds01-config/images/demo.json"
    assert stat.S_IMODE(metadata.stat().st_mode) == 0o600
    assert json.loads(metadata.read_text())["image_id"] == inspect(image)["Id"]

    assert it.user.mlc("create", "c", "--image", image, "-s").returncode == 0
    container = inspect(it.user.tag("c"))
    assert container["Config"]["Labels"]["aime.mlc.DS01_USER_SETUP"] == "image"
    assert container["Image"] == inspect(image)["Id"]
    docker("start", it.user.tag("c"))
    said = docker(
        "exec", it.user.tag("c"), "bash", "-ic", "id; sudo -n id -u; echo $HOME; echo ${PS1@P}"
    )
    identity, sudo, home, prompt = said.splitlines()[-4:]
    assert f"uid={uid}({name})" in identity
    assert f"gid={it.user.gid}({name})" in identity
    assert (sudo, home) == ("0", f"/home/{name}")
    assert prompt.startswith(f"[c] {name}@")
    docker("exec", it.user.tag("c"), "python3", "-c", "import six")


def test_a_dry_run_of_image_create_changes_nothing(commands: ImageUser) -> None:
    before, images = tree_of(commands.user.home), commands.names()
    done = commands.run("image-create", "demo", "-f", "PyTorch", "--preset", "jupyter", "--dry-run")
    assert done.stdout.startswith("# The image of the project demo")
    assert f"FROM {BASE}" in done.stdout
    assert "jupyterlab" in done.stdout
    said = done.stdout.replace("/bin/docker", "docker").replace("buildx ", "")
    assert "docker build" in said or "podman --url" in said
    assert (tree_of(commands.user.home), commands.names()) == (before, images)


def test_no_build_writes_the_dockerfile_and_a_project_is_not_replaced(
    commands: ImageUser,
) -> None:
    commands.run("image-create", "demo", "--base", BASE, "--no-build", "-y")
    assert commands.names() == set()
    first = commands.dockerfile("demo").read_text()
    assert stat.S_IMODE(commands.dockerfile("demo").stat().st_mode) == 0o644
    assert commands.dockerfile("demo").stat().st_uid == commands.user.uid
    refused = commands.run("image-create", "demo", "--base", BASE, "--no-build", "-y", ok=False)
    assert "image-update demo" in refused.stderr
    assert "--force" in refused.stderr
    for number in (1, 2):
        commands.run(
            *("image-create", "demo", "--base", BASE, "--no-build", "-y", "--force"),
            *("-p", f"six=={number}"),
        )
    backups = sorted(commands.dockerfile("demo").parent.glob("demo.Dockerfile.*"))
    assert [path.name for path in backups] == ["demo.Dockerfile.1", "demo.Dockerfile.2"]
    assert backups[0].read_text() == first
    listed = commands.run("image-list").stdout
    assert "not built" in listed
    assert "image-update demo" in listed


def test_a_users_dockerfile_gets_the_account_block(
    commands: ImageUser,
) -> None:
    source = commands.user.file("source/Dockerfile", f"FROM {BASE}\nCOPY note /note\nUSER nobody\n")
    commands.user.file("source/note", "hello\n")
    done = commands.run("image-create", "own", "--dockerfile", source, "-y")
    assert "account block" in done.stdout
    assert "ARG DS01_USER_ID" in done.stdout
    text = commands.dockerfile("own").read_text()
    assert text.startswith(f"# Build context: {source.parent}\nFROM {BASE}\nCOPY note /note\n")
    assert commands.run_in(commands.image("own"), "cat /note; id -un; id -u").splitlines() == [
        "hello",
        commands.user.login,
        str(commands.user.uid),
    ]
    assert source.read_text() == f"FROM {BASE}\nCOPY note /note\nUSER nobody\n"
    # An update finds the same files.
    commands.user.file("source/note", "changed\n")
    commands.run("image-update", "own", "-y")
    assert commands.run_in(commands.image("own"), "cat /note") == "changed"


@pytest.mark.any_engine
def test_requirements_and_debian_packages_are_listed(commands: ImageUser) -> None:
    file = commands.user.file("source/r.txt", "# mine\nsix >= 1.16\ncolorama\n")
    commands.run("image-create", "demo", "--base", BASE, "-r", file, "--apt", "tree", "-y")
    text = commands.dockerfile("demo").read_text()
    assert "        colorama \\\n" in text
    assert '        "six>=1.16"\n' in text
    said = commands.run_in(
        commands.image("demo"), "tree --version; python3 -c 'import six, colorama'"
    )
    assert said.startswith("tree")
    assert commands.run_in(commands.image("demo"), "ls -A /var/lib/apt/lists; pip cache dir") != ""
    assert commands.run_in(commands.image("demo"), "ls -A /var/lib/apt/lists") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("demo",), "-f PyTorch"),
        (("Demo Project", "--base", BASE), "demo-project"),
        (("demo", "--base", BASE, "-p", "git+https://me:pw@example.org/x"), "a password"),
        (("demo", "--base", BASE, "-p", "a\nRUN id"), "not the name of"),
        (("demo", "--base", BASE, "--apt", "a;id"), "Debian package"),
        (("demo", "--base", "mlc-test/there-is-no-such-image:1"), "could not be pulled"),
        (("demo", "--base", "a b"), "not a valid image name"),
        (("demo", "-f", "Nope"), "On offer: PyTorch, TensorFlow, JAX"),
        (("demo", "-f", "PyTorch", "-v", "0"), "newest first: 2.8.0, 2.7.1"),
        (("demo", "--base", BASE, "--preset", "nope"), "Presets:"),
        (("demo", "--dockerfile", "/nope"), "no Dockerfile /nope"),
        ((), "Which project"),
    ],
)
def test_an_invalid_image_create_is_refused_and_leaves_nothing(
    commands: ImageUser, arguments: tuple[str, ...], words: str
) -> None:
    done = commands.run("image-create", *arguments, "-y", ok=False)
    assert words in done.stderr
    assert commands.names() == set()
    assert not commands.dockerfile("demo").exists()


@pytest.mark.not_by_ssh
def test_root_has_no_images_but_sudo_creates_the_users(commands: ImageUser) -> None:
    user = commands.user
    argv = (commands.command("image-create"), "demo", "--base", BASE, "-y")
    before = set(user.home.rglob("*"))
    refused = user.sudo(*argv, PATH=commands.path, SUDO_UID="", SUDO_GID="", SUDO_USER="")
    assert refused.returncode == 1
    assert "root" in refused.stderr
    done = user.sudo(*argv, PATH=commands.path)
    assert done.returncode == 0, done.stderr
    assert commands.names() == {commands.image("demo")}
    assert labels_of(commands.image("demo"))["aime.mlc.DS01_USER_ID"] == str(user.uid)
    made = set(user.home.rglob("*")) - before
    assert commands.dockerfile("demo") in made
    for path in made:
        assert path.lstat().st_uid == user.uid, path
    # Also where root has no rights to the user's files.
    for name, *options in (
        ("image-create", "--base", BASE, "--force"),
        ("image-update",),
        ("image-update", "--rollback"),
    ):
        program = (*AS_ON_NFS, commands.command(name))
        done = user.sudo(*program, "demo", *options, "-y", PATH=commands.path)
        assert done.returncode == 0, done.stderr


def test_metadata_never_breaks_a_command(commands: ImageUser) -> None:
    in_the_way = commands.user.file(".ds01-config/images")
    done = commands.run("image-create", "demo", "--base", BASE, "-y")
    assert "metadata" in done.stderr
    assert commands.names() == {commands.image("demo")}
    assert commands.json("image-list")[0]["project"] == "demo"
    assert commands.json("image-retire", "demo", "-y")[0]["images"] == [commands.image("demo")]
    in_the_way.unlink()


@pytest.mark.any_engine
def test_a_base_without_python_or_sudo_gets_them(ldap_commands: ImageUser) -> None:
    it = ldap_commands
    it.run("image-create", "demo", "--base", BARE, "-p", "six", "-y")
    assert "python3-pip" in it.dockerfile("demo").read_text()
    said = it.run_in(it.image("demo"), "sudo -n id -u; git --version; python3 -c 'import six'")
    assert said.startswith("0\ngit version")
    assert nameless() >= set()


def test_no_step_of_the_classic_builder_follows_a_build_by_buildkit(
    commands: ImageUser, engine_calls: Recording
) -> None:
    """With containerd's image store such a step, also for a label, reads the whole image."""
    address = engine_calls.address
    commands.run("image-create", "demo", "--base", BARE, "-p", "six", "-y", DOCKER_HOST=address)
    builds = ("POST /build?", "POST /grpc", "POST /session")  # the program's own, and the client's
    calls = [each for each in engine_calls.calls if each.startswith(builds)]
    assert calls
    assert [each for each in calls if each.startswith(builds[0]) and "version=2" not in each] == []
    assert labels_of(commands.image("demo"))["aime.mlc.DS01_LOCK"].startswith("sha256:")


def test_buildx_builds_with_its_own_command(commands: ImageUser) -> None:
    """If the plugin is not installed, a shim passes its command to BuildKit."""
    path = BUILDERS.get(Builder.BUILDX) or path_with_buildx(commands)
    done = commands.run("image-create", "demo", "--base", BASE, "-p", "six", "-y", PATH=path)
    assert "with buildx" in done.stderr
    assert commands.names() == {commands.image("demo")}


def path_with_buildx(commands: ImageUser) -> str:
    """Make a client that reports buildx, and return a PATH with it first."""
    if Builder.BUILDKIT not in BUILDERS:
        pytest.skip("no client with BuildKit here")
    real = shutil.which("docker", path=BUILDERS[Builder.BUILDKIT])
    client = commands.user.file(
        "source/docker",
        f"""#!/bin/sh
        [ "$*" != "buildx version" ] || exec echo github.com/docker/buildx v0.12.1 30feaa1
        [ "$1 $2 $3 $4 $5" = "buildx build --load --builder default" ] || exit 64
        shift 5
        DOCKER_BUILDKIT=1 exec {real} build "$@"
        """,
    )
    client.chmod(0o755)
    return f"{client.parent}:{commands.path}"


@pytest.mark.parametrize(
    ("entrypoint", "ends"), [('["sh", "-c", "echo no data; exit 3"]', True), ('["env"]', False)]
)
def test_an_entrypoint_that_ends_is_reported_at_the_build_and_at_the_start(
    commands: ImageUser, entrypoint: str, ends: bool
) -> None:
    it = commands
    file = it.user.file("source/Dockerfile", f"FROM {BASE}\nENTRYPOINT {entrypoint}\n")
    built = it.run("image-create", "demo", "--dockerfile", str(file), "-y")
    assert ("Containers of this image will not stay running" in built.stderr) is ends
    done = it.run("container-deploy", "demo", "--background", ok=not ends)
    if ends:
        assert "ended with exit code 3 after printing:\nno data\nRemove" in done.stderr
        assert docker("ps", "-aq", "--filter", f"name={it.user.tag('demo')}") == ""


PROJECT = """\
[project]
name = "mine"
version = "1.0"
requires-python = ">=3.9"
dependencies = ["six==1.16.0"]
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
py-modules = ["mine"]
"""
REQUIREMENTS = """\
-e .
colorama; sys_platform == "linux"
idna; sys_platform == "win32"
"""


@pytest.mark.any_engine
def test_what_people_bring_is_installed(commands: ImageUser) -> None:
    """A requirements file that names its directory, its project's lock, and a wheel."""
    user = commands.user
    for name, text in {"pyproject.toml": PROJECT, "requirements.txt": REQUIREMENTS}.items():
        user.file(f"source/{name}", text)
    user.file("source/mine.py", "NAME = 'mine'\n")
    source = user.home / "source"
    commands.run(
        *("image-create", "demo", "--base", BASE, "-r", source / "requirements.txt", "-y"),
        *("--build-arg", "SAID=yes"),
    )
    image = commands.image("demo")
    said = commands.run_in(image, "cd /; python3 -c 'import mine, six, colorama; print(mine.NAME)'")
    assert said == "mine"
    assert commands.run_in(image, "python3 -c 'import idna' 2>/dev/null || echo no") == "no"

    mounts = ("-v", f"{source}:/workspace", "-v", f"{HOST_CERTIFICATES}:/ca.crt:ro")
    trusted = ("-e", "SSL_CERT_FILE=/ca.crt", "-e", "PIP_CERT=/ca.crt")
    commands.run_in(
        image,
        "python3 -m uv lock -q && python3 -m pip download -q --no-deps -d . sniffio==1.3.1",
        *(*mounts, *trusted),
    )
    commands.run(
        *("image-create", "locked", "--base", BASE, "-r", source / "uv.lock", "-y"),
        *("-p", source / "sniffio-1.3.1-py3-none-any.whl", "tqdm"),
    )
    listed = commands.run_in(commands.image("locked"), "python3 -m uv pip freeze --system")
    assert {"six==1.16.0"} < set(listed.splitlines())
    assert {"mine", "colorama"} & {each.partition("=")[0] for each in listed.splitlines()} == set()
    assert "sniffio @ file:" in listed
    assert "tqdm==" in listed
    files = user.home / "dockerfiles"
    assert (files / "locked.uv.lock").read_text() == (source / "uv.lock").read_text()
    # What the user changes in a copy is not held by the versions of the last build.
    user.file("source/more.txt", "six==1.16.0; python_version > '3'\n")
    commands.run("image-create", "held", "--base", BASE, "-r", source / "more.txt", "-y")
    copy = files / "held.requirements.txt"
    copy.write_text(copy.read_text().replace("1.16.0", "1.17.0"))
    commands.run("image-update", "held", "-y")
    image = commands.image("held")
    assert "six==1.17.0" in commands.run_in(image, "python3 -m uv pip freeze --system")


def test_private_git_uses_the_agent_of_the_caller(commands: ImageUser) -> None:
    user = commands.user
    step = "RUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo $SAID >/said"
    path = user.file("source/Dockerfile", f"FROM {BASE}\nARG SAID\n{step}\n")
    refused = commands.run("image-create", "demo", "--dockerfile", path, "-y", ok=False)
    assert "there is no ssh agent" in refused.stderr
    agent = user.home / "agent"
    process = user.start("ssh-agent", "-D", "-a", agent)
    try:
        while not agent.exists():
            assert process.poll() is None
        commands.run(
            *("image-create", "demo", "--dockerfile", path, "--build-arg", "SAID=it worked", "-y"),
            SSH_AUTH_SOCK=str(agent),
        )
    finally:
        process.terminate()
        process.communicate()
    assert commands.run_in(commands.image("demo"), "cat /said") == "it worked"
