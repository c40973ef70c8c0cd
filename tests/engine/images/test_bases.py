"""The account step on bases of every kind."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support.base_images import BARE, BASE
from support.engine_state import docker
from support.image_commands import ImageFrom, ImageUser, labels_of, lock_of
from support.reliability import sized

pytestmark = pytest.mark.real_engine

UBUNTU = (
    "groupadd -g {gid} ubuntu && useradd -m -u {uid} -g {gid} -G sudo -s /bin/bash ubuntu"
    " && echo kept >/home/ubuntu/file && chown {uid}:{gid} /home/ubuntu/file"
    " && chmod 640 /home/ubuntu/file && chmod 750 /home/ubuntu"
)


@pytest.mark.parametrize(
    ("script", "change"),
    [
        pytest.param(UBUNTU, "", id="ubuntu-24.04"),
        pytest.param("groupadd -g 4242 {name}; useradd -u 4242 -g 4242 app", "USER app", id="user"),
        pytest.param(
            "rm -rf /etc/skel /etc/sudoers.d; cp /bin/false /bin/entrypoint",
            'USER 65534:65534\nENTRYPOINT ["/bin/entrypoint"]',
            id="number-and-entrypoint",
        ),
        pytest.param(
            "mkdir -p /opt && python3 -m venv --without-pip --system-site-packages /opt/conda",
            "ENV PATH=/opt/conda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            id="conda",
        ),
        pytest.param(
            "python3 -m venv --without-pip /opt/venv",
            "ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            id="no-pip",
        ),
        pytest.param(
            "groupadd -g {gid} users2; useradd -m -u 4242 {name}; useradd -u {uid} -g {gid} other",
            "",
            id="all-taken",
        ),
        pytest.param(
            "true",
            "LABEL ds01.has_user_setup=true ds01.user_id=7 ds01.group_id=7 ds01.username=x",
            id="another-users-image",
        ),
        pytest.param("true", "ENV PATH=/usr/local/bin:/usr/bin:/bin", id="path-without-sbin"),
    ][: sized(5, 8)],
)
@pytest.mark.any_engine
def test_the_account_is_set_up_on_every_base(
    commands: ImageUser,
    image_from: ImageFrom,
    script: str,
    change: str,
) -> None:
    user = commands.user
    values = {"uid": user.uid, "gid": user.gid, "name": user.login}
    base = image_from(script.format(**values), *change.splitlines())
    environment = re.search(r"/opt/\w+(?=/bin)", change)
    packages = ["-p", "six"] if environment else []
    commands.run("image-create", "demo", "--base", base, *packages, "-y")
    image = commands.image("demo")
    said = commands.run_in(
        image,
        'id -u; id -g; id -un; sudo -n id -u; echo "$HOME"; echo ${PATH%%:*};'
        " command -v python3; cat /home/ubuntu/file 2>/dev/null; true",
    ).splitlines()
    home = f"/home/{user.login}"
    assert said[:6] == [
        *(str(user.uid), str(user.gid), user.login, "0", home, f"{home}/.local/bin"),
    ]
    if environment:
        assert said[6] == f"{environment[0]}/bin/python3"
        assert lock_of(commands).versions["six"] == commands.run_in(
            image, "python3 -c 'import six; print(six.__version__)'"
        )
    if "ubuntu" in script:
        assert said[-1] == "kept"


def test_the_gid_of_a_group_that_every_base_has(commands: ImageUser) -> None:
    it = replace(commands, user=replace(commands.user, gid=100))
    it.run("image-create", "demo", "--base", BASE, "-y")
    assert labels_of(it.image("demo"))["aime.mlc.DS01_GROUP_ID"] == "100"
    said = it.run_in(
        it.image("demo"), "id -u; id -g; id -gn; sudo -n id -u; getent group users || true"
    )
    assert said.splitlines()[:4] == [str(it.user.uid), "100", it.user.login, "0"]


@pytest.mark.any_engine
def test_pip_installs_where_python_belongs_to_the_system(commands: ImageUser) -> None:
    marker = "test -e /usr/lib/python3*/EXTERNALLY-MANAGED"
    assert (
        docker("run", "--rm", "--network=host", BASE, "sh", "-c", f"{marker} && echo yes") == "yes"
    )
    commands.run("image-create", "demo", "--base", BASE, "-p", "six", "-y")
    said = commands.run_in(
        commands.image("demo"),
        "python3 -m pip install --user -q colorama && python3 -c 'import six, colorama'"
        " && ls ~/.local/lib",
        *("-v", "/etc/ssl/certs/ca-certificates.crt:/ca.crt:ro", "-e", "PIP_CERT=/ca.crt"),
    )
    assert said.startswith("python3")


# As uv makes it: the interpreter is in root's home, and there is no pip.
VENV = (
    "mkdir -p /root/python/bin /workspace/code && chmod 700 /root && touch /workspace/code/file"
    " && cp /usr/bin/python3 /root/python/bin && ln -s /usr/lib /root/python/lib"
    " && /root/python/bin/python3 -m venv /opt/venv && rm /opt/venv/bin/pip* && dpkg --remove less"
)


INSTALLING = """
export PIP_CERT=/workspace/ca.crt
export SSL_CERT_FILE=$PIP_CERT
pip install -q six && sudo pip install -q colorama
pip install -q uv && python3 -m uv pip install -q requests
python3 -c 'import six, colorama; print(six.__file__, colorama.__file__)'
sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends tree' >/dev/null
command -v tree
"""


@pytest.mark.any_engine
def test_python_in_a_virtual_environment_is_the_users_for_pip_sudo_and_login_shells(
    commands: ImageUser, image_from: ImageFrom
) -> None:
    user = commands.user
    base = image_from(VENV, "ENV PATH=/opt/venv/bin:/opt/x/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    # /etc/profile, which a login shell reads, has another PATH.
    login = f'FROM {base}\nSHELL ["/bin/bash", "--login", "-c"]\n'
    file = user.file("login/Dockerfile", login)
    done = commands.run("image-create", "demo", "--dockerfile", file, "-y")
    assert "The image has no" not in done.stderr
    said = commands.run_in(
        commands.image("demo"),
        "command -v python3; command -v pip; sudo sh -c 'command -v python3; command -v pip';"
        " bash -lc 'command -v python3; echo $PATH'; echo $PATH; command -v less ps;"
        " stat -c %U /workspace /workspace/code/file",
    ).splitlines()
    assert said[:2] == said[2:4] == ["/opt/venv/bin/python3", "/opt/venv/bin/pip"]
    assert said[4] == said[0]
    assert said[5].startswith(said[6])
    assert said[6].startswith(f"/home/{user.login}/.local/bin:/opt/venv/bin:/opt/x/bin:")
    assert said[7:] == ["/usr/bin/less", "/usr/bin/ps", user.login, user.login]

    bundle = Path("/etc/ssl/certs/ca-certificates.crt").read_text(encoding="utf-8")
    user.file("workspace/ca.crt", bundle)
    made = user.mlc("create", "demo", "--image", commands.image("demo"), "-s")
    assert made.returncode == 0, made.stderr
    opened = user.mlc("open", "demo", stdin=INSTALLING)
    *_, modules, tree, ended = opened.stdout.splitlines()
    assert all(path.startswith("/opt/venv/lib/") for path in modules.split()), opened.stderr
    assert (tree, ended) == ("/usr/bin/tree", "[demo] stopped.")
    names = re.sub(r" \d[\d.]*\d", "", opened.stderr.splitlines()[-1])
    assert names == (
        "Installed in the container, but not in its image: colorama, requests, six, uv, "
        "tree. Add to the image with: "
        "image-update demo --add colorama requests six uv --apt tree"
    )


@pytest.mark.parametrize(
    ("script", "lacking"),
    [
        ("rm /usr/sbin/useradd", "useradd"),
        ("rm /usr/bin/apt-get", "apt-get"),
        (
            "sed -i 's/^PRETTY_NAME=.*/PRETTY_NAME=\"Alpine Linux\"/' /usr/lib/os-release;"
            " rm /usr/sbin/useradd /usr/bin/apt-get",
            "Alpine Linux",
        ),
        ("rm /bin/sh", "no working shell"),
    ],
    ids=["no-useradd", "no-apt", "alpine-like", "no-shell"],
)
def test_an_unusable_base_is_refused_before_the_build(
    commands: ImageUser,
    image_from: ImageFrom,
    script: str,
    lacking: str,
) -> None:
    base = image_from(script, base=BARE)
    done = commands.run("image-create", "demo", "--base", base, "-y", ok=False)
    assert lacking in done.stderr
    assert "Debian or Ubuntu" in done.stderr
    assert "Building" not in done.stderr
    assert commands.names() == set()
    assert not commands.dockerfile("demo").exists()


# The logs that shadow's tools fill at a UID's offset.


def test_the_account_layer_is_small_on_a_base_that_fills_lastlog(
    ldap_commands: ImageUser,
    sparse: str,
) -> None:
    it = ldap_commands
    it.run("image-create", "demo", "--base", sparse, "-y")
    history = docker("history", "--human=false", "--no-trunc", it.image("demo")).splitlines()
    added = docker("history", "--human=false", "--format", "{{.Size}}", it.image("demo")).split()
    base = docker("history", "--human=false", "--format", "{{.Size}}", sparse).split()
    assert sum(map(int, added)) - sum(map(int, base)) < 1_000_000, history
    assert it.run_in(it.image("demo"), "stat -c %s /var/log/lastlog /var/log/faillog") == "0\n0"
