"""The commands that tests/unit/faults/test_faults.py runs with a fault at every call they make."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.names import labels
from support.accounts import OWN, PASSWD
from support.fakes.faults import Mode
from support.sandbox import BASE, CLAIM, NODE, REGISTRY, Sandbox


@dataclass(frozen=True)
class Command:
    """A command, what exists before it, and what may remain if it fails.

    Attributes:
        settings: lines of the section [images].
        pushed: OWN exists only in the registry.
        cluster: there is a Swarm.
        more: creates what no command creates.
        goes_on: some steps are not rolled back; the next run continues from them, as after a stop.
        tells: one of these texts is printed if such steps remain.
        keeps: names that may remain after the first run.
        stays: images that may remain on an engine that was gone during the rollback.
        never_late: not tested with an engine that acts after the command gave up: names that it
            exchanges then cannot be distinguished from the user's choice.
        rest: does what is left if the second run refuses because of what the first one did.
        fails: the command may end with exit code 1.
    """

    argv: str
    before: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    settings: str = ""
    registry: bool = False
    pushed: bool = False
    cluster: bool = False
    aime: bool = False
    more: Callable[[Sandbox], None] | None = None
    never_late: bool = False
    goes_on: bool = False
    tells: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    rest: str = ""
    fails: bool = False

    def prepare(self, sandbox: Sandbox) -> None:
        """Create what the command needs."""
        sandbox.set(f"[images]\n{self.settings}\n")
        if self.registry:
            sandbox.fake.remove_image(BASE)
            sandbox.fake.pullable[BASE] = "root:x:0:0::/root:/bin/sh\n"
        if self.aime:
            image = sandbox.fake.add_image("mlc-test/base:n._.1001", None, PASSWD)
            own = {"aime.mlc": "alice"}
            sandbox.fake.create_container(
                ContainerSpecification(name="n._.1001", image=image.id, labels=own)
            )
        if self.cluster:
            sandbox.have_cluster()
        for image in (*self.images, *((OWN,) if self.pushed else ())):
            sandbox.fake.add_image(image, CLAIM, PASSWD)
        if self.pushed:
            done = sandbox.run("image-push", "p")
            assert done.status == 0, done.output
            sandbox.fake.remove_image(OWN)
        for line in self.before:
            done = sandbox.run(*line.split())
            assert done.status == 0, f"{line}: {done.output}"
        if self.more is not None:
            self.more(sandbox)


def broken(sandbox: Sandbox) -> None:
    """Create what doctor repairs: an old set-up container, and a missing workspace."""
    specification = ContainerSpecification(
        name="mlc-setup-1001-0123456789ab", image=BASE, labels={labels.SETUP_FOR: "x._.1001"}
    )
    sandbox.fake.made[sandbox.fake.create_container(specification)].created = 0
    shutil.rmtree(sandbox.home / "workspace")


def with_dockerfile(sandbox: Sandbox) -> None:
    """Create a Dockerfile without the account block."""
    (sandbox.home / "Dockerfile").write_text(f"FROM {BASE}\nCOPY data /data\n")


def with_volume(sandbox: Sandbox) -> None:
    """Create a container with a file in a volume."""
    found = sandbox.fake._find_image(OWN)
    assert found is not None
    found.image = replace(found.image, volumes=("/srv",))
    found.directories["/srv"] = {"shipped": b"1"}
    assert sandbox.run(*FAST.split()).status == 0
    [files] = sandbox.fake.volumes.values()
    files["mine"] = b"2"


TIDY = "prune -y --older-than 0"
FAST = "create n --image ds01-1001/p:latest -s"
OTHER = "create m --image ds01-1001/p:latest -s"
SLOW = "create n Pytorch 2.8.0 -s"
REJECTED = ("home/dockerfiles/demo.Dockerfile.rejected",)
"""A Dockerfile whose build failed is kept."""
DEMO = f"image-create demo --base {BASE} -y"
UPDATE = "image-update demo --add six -y"
SITE = f"registry = {REGISTRY}"
BUILD = "legacy_flow = build"
QUEUED = "container-deploy n --project p --cluster --background -y"
HERE = f"{QUEUED} -g none"
"""On the manager's engine, which is the first node and has no GPU."""
GONE = "mlc-test/base:gone._.1001"
OWNED = {"images": (OWN,)}
PUSHED = {"pushed": True, "settings": SITE}
CLUSTER = {**PUSHED, "cluster": True}
WAITING = {**CLUSTER, "goes_on": True, "tells": ("stays in the queue", "running on")}
"""A service that its user no longer waits for stays in the queue (docs/cluster.md)."""
BOTH = {**OWNED, "goes_on": True, "rest": "container-retire m -y"}
"""If one of several containers does not exist, none is retired: all are looked up first."""
COMMANDS = [
    Command(FAST, **OWNED),
    Command(SLOW),
    Command(SLOW, images=("mlc-test/base:n._.1001",)),
    Command(SLOW, registry=True),
    Command(SLOW, settings=BUILD),
    Command(SLOW, settings=BUILD, before=("create m Pytorch 2.8.0 -s",)),
    Command("list -a", before=(FAST,), **OWNED),
    Command("stats", before=(FAST, "start n"), **OWNED),
    Command("open n", before=(FAST,), **OWNED, goes_on=True),
    Command("open n", before=(QUEUED,), **CLUSTER),
    Command("open n", before=(HERE,), **CLUSTER),
    Command("start n", before=(FAST,), **OWNED, goes_on=True),
    Command("start n true", before=(FAST,), **OWNED, goes_on=True),
    Command("stop n -f", before=(FAST, "start n"), **OWNED, goes_on=True),
    Command("remove n -f", before=(FAST,), **OWNED, goes_on=True),
    Command("remove n -f", before=(SLOW,), goes_on=True),
    Command("remove n -f", settings=BUILD, before=(SLOW,), goes_on=True),
    Command("export n", before=(FAST,), **OWNED),
    Command("export n -f", before=(FAST, "export n"), **OWNED),
    Command("import n.mlc.tar copy -s", before=(FAST, "export n"), **OWNED),
    Command("adopt n -s", aime=True),
    Command("adopt n --project own -s", aime=True),
    # It also reports the problems of this host.
    Command("doctor", before=(SLOW, DEMO), fails=True),
    Command("doctor --repair -y", more=broken, goes_on=True, fails=True),
    Command("prune -y", before=(SLOW,), images=(GONE,), goes_on=True),
    Command(
        "prune -y --previous --unused --aime --older-than 0",
        settings=BUILD,
        before=(SLOW, "remove n -f", DEMO, UPDATE),
        images=(GONE,),
        more=broken,
        goes_on=True,
    ),
    Command("container-deploy n --image ds01-1001/p:latest -y", **OWNED),
    Command(f"container-deploy n --image {BASE} -y"),
    # The container is complete and reported before its shell starts, and stays.
    Command("container-deploy n --project p --open -y", **OWNED, goes_on=True, rest="open n"),
    Command("container-deploy p --background -y", **PUSHED),
    Command("container-create n --image ds01-1001/p:latest -y", **OWNED),
    Command("container-create n --image ds01-1001/p:latest -y", **PUSHED),
    Command(QUEUED, **WAITING),
    Command(QUEUED, **{**WAITING, "settings": f"{SITE}\nbases = mlc-test/*"}),
    Command("container-deploy n --project p --cluster --open -y", **WAITING),
    # The node lacks the directory: the service fails, and is removed if the command still waits.
    Command(
        "container-deploy n --project p --cluster -w /nowhere -y",
        **WAITING,
        fails=True,
        keeps=("n-1001",),
        rest="container-retire n -y",
    ),
    Command("container-list", before=(FAST,), **OWNED),
    Command("container-list -a", before=(QUEUED, f"create m --image {BASE} -s"), **CLUSTER),
    Command("container-retire n -y", before=(FAST, "start n"), **OWNED, goes_on=True),
    Command("container-retire n -y", before=(SLOW,), goes_on=True),
    Command("container-retire n -y", settings=BUILD, before=(SLOW,), goes_on=True),
    Command("container-retire n m -y", before=(FAST, OTHER, "start n"), **BOTH),
    Command("container-retire n --save kept -y", before=(FAST,), **OWNED, goes_on=True),
    Command("container-retire n --save kept -y", before=(SLOW, "start n"), goes_on=True),
    Command("container-retire n --save kept -y", settings=BUILD, before=(SLOW,), goes_on=True),
    Command(
        "container-retire n m --save -y",
        before=(FAST, OTHER),
        **{**BOTH, "rest": "container-retire m --save -y"},
    ),
    Command("container-retire n --save latest -y -f", before=(FAST,), **OWNED, goes_on=True),
    Command("container-retire n --save kept -y", **OWNED, more=with_volume, goes_on=True),
    Command("remove n -f", **OWNED, more=with_volume, goes_on=True, rest=TIDY),
    Command("export n", **OWNED, more=with_volume),
    Command("container-retire n -y", before=(QUEUED,), **CLUSTER, goes_on=True),
    # The next run cannot know whether the image was on the node before: it replaces and keeps it.
    Command(
        "container-retire n --save kept -y",
        before=(QUEUED,),
        **CLUSTER,
        goes_on=True,
        stays=(f"{NODE}: ds01-1001/p:kept", f"{NODE}: {REGISTRY}/ds01-1001/p:kept"),
    ),
    Command(
        "container-retire n --save latest -y -f",
        before=(QUEUED,),
        **CLUSTER,
        goes_on=True,
        stays=(f"{NODE}: {OWN}", f"{NODE}: {REGISTRY}/{OWN}"),
    ),
    Command(
        "container-retire n --save kept -y",
        before=(HERE,),
        **CLUSTER,
        goes_on=True,
        stays=("ds01-1001/p:kept", f"{REGISTRY}/ds01-1001/p:kept"),
    ),
    Command(DEMO, keeps=REJECTED),
    Command(DEMO, registry=True, keeps=REJECTED),
    Command(f"{DEMO} --force -p six", before=(DEMO,), keeps=REJECTED),
    Command(f"{DEMO} --no-build"),
    Command(f"{DEMO} --no-build --force -p six", before=(DEMO,)),
    Command("image-create demo --dockerfile Dockerfile -y", more=with_dockerfile, keeps=REJECTED),
    Command(UPDATE, before=(DEMO,)),
    Command(UPDATE, before=(DEMO, "image-update demo --add colorama -y")),
    # An edit whose build fails is kept for the next run.
    Command(
        "image-update demo --edit -y",
        before=(DEMO,),
        goes_on=True,
        keeps=REJECTED,
    ),
    Command("image-update demo --rollback", before=(DEMO, UPDATE), never_late=True),
    Command("image-list", before=(DEMO,)),
    Command("image-list -d", before=(DEMO, UPDATE)),
    # What was pushed stays in the registry; the next push finds it.
    Command("image-push p", **OWNED, settings=SITE, goes_on=True),
    Command("image-push p", images=(OWN, f"{REGISTRY}/{OWN}"), settings=SITE, goes_on=True),
    Command("image-push p", **OWNED, settings=SITE, before=("image-push p",)),
    Command("image-export p", **OWNED),
    Command("image-export p --for enroot -f", **OWNED, before=("image-export p",)),
    Command("image-retire demo -y", before=(DEMO, UPDATE), goes_on=True),
    Command("image-retire demo --with-dockerfile -y", before=(DEMO,), goes_on=True),
    Command("image-retire --orphans -y", images=(GONE,), goes_on=True),
]
SMALL = (Mode.REFUSED, Mode.LOST, Mode.GONE, Mode.TERM_DURING)
