"""Two hosts of a cluster with a user, for the tests of Docker Swarm and of Slurm."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from mlc_patched.host.account import Account
from support.cluster_hosts import Host
from support.documented_steps import Step
from support.tiny_image import build
from support.users import User

REGISTRY = "server-1:5000"
PASSWORD = "correct horse"


class Cluster:
    """Two hosts, and the commands of a user on them."""

    def __init__(self, made: list[Host], user: User) -> None:
        self.one, self.two = made
        self.hosts = {host.name: host for host in made}
        self.user = user
        self.account = Account(user.login, user.uid, user.gid, str(user.home)).container_name

    def argv(self, host: Host, *command: str | Path, **environ: str) -> list[str]:
        path = f"{self.user.tree}/bin/user:{self.user.tree}/bin:{host.path}"
        return host.argv(self.user.argv(command, **{"PATH": path, **environ}))

    def run(
        self, *command: str | Path, host: Host | None = None, stdin: str = "", **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the user on a host, the manager unless another is said."""
        return subprocess.run(
            self.argv(host or self.one, *command, **environ),
            input=stdin,
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            check=False,
        )

    def ok(self, *command: str | Path, **options: object) -> str:
        done = self.run(*command, **options)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def docker(self, host: Host, *arguments: str, check: bool = True) -> str:
        done = host.run("docker", *arguments)
        assert not check or done.returncode == 0, f"docker {arguments}: {done.stderr}"
        return done.stdout.strip()

    def listed(self) -> dict[str, dict[str, object]]:
        found = json.loads(self.ok("container-list", "--json"))["containers"]
        return {each["name"]: each for each in found}

    def until(self, what: Callable[[], object], seconds: float = 180) -> None:
        """Wait for something that comes about by itself."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, self.listed()
            time.sleep(0.2)

    def image(self, project: str) -> str:
        """Have an image of the user's on the first host, and only there."""
        return build(self.user, f"ds01-{self.user.uid}/{project}:latest", self.one.docker_host)

    def names(self, host: Host) -> set[str]:
        return set(self.docker(host, "images", "--format", "{{.Repository}}:{{.Tag}}").split())

    def tags(self, project: str) -> set[str]:
        """Return the tags of a project in the registry."""
        tags = f"**/ds01-{self.user.uid}/{project}/_manifests/tags/*"
        return {each.name for each in (self.one.place / "registry").glob(tags)}

    def log_in(self) -> None:
        """Log the user in to the registry."""
        login = ("docker", "login", "--username", "alice", "--password-stdin", REGISTRY)
        self.ok(*login, stdin=PASSWORD)

    def contract(self, project: str) -> str:
        """Check the contract of clusters with a pushed image; return what the cluster is called."""
        pushed = json.loads(self.ok("image-push", project, "--json"))["pushed"]["by_digest"]
        python = self.user.tree / ".venv" / "bin" / "python"
        path = f"{self.user.tree}:{self.user.tree}/lib:{self.user.tree}/tests"
        run = (python, "-m", "support.cluster_contract", pushed)
        return self.ok(*run, PYTHONPATH=path).strip()

    def step(self, step: Step, before: str) -> str:
        """Run a block of the page and return what it printed.

        Args:
            step: the block.
            before: what the block before printed, which is pasted where this one reads.
        """
        stdin = f"{PASSWORD}\n" if "password" in step.words else before
        shell = ("bash", "-euo", "pipefail", "-c", step.script)
        said = ""
        if step.words[0] == "user":
            return self.ok(*shell, host=self.hosts[step.words[1]], stdin=stdin)
        path = f"{self.user.tree}/bin:{self.one.path}"
        for name in self.hosts if step.words[0] == "both" else step.words[:1]:
            done = self.hosts[name].run(*shell, stdin=stdin, PATH=path)
            assert done.returncode == 0, f"{step.script}: {done.stdout}{done.stderr}"
            said += done.stdout
        return said
