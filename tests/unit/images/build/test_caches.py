"""Caches of packages, in the derived Dockerfile of BuildKit alone."""

from __future__ import annotations

from dockerfile_parse import DockerfileParser
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.images.build.caches import secrets_for, with_caches
from mlc_patched.images.build.derive import derive
from mlc_patched.images.build.environment import Builder, BuildSettings, Certificates
from mlc_patched.images.dockerfile.installs import APT, PIP, packages_in
from mlc_patched.images.dockerfile.render import ImageRecipe, account_block, render
from mlc_patched.images.dockerfile.stages import Arguments
from mlc_patched.images.dockerfile.syntax import instructions
from mlc_patched.images.versions.pins import Pins

TEXT = render(ImageRecipe("demo", "debian:12", "custom", ("fd",), ("six",)))
BLOCK = account_block("demo", "custom", "debian:12")


def cached(text: str) -> tuple[str, dict[int, str]]:
    found = with_caches(text, instructions(text))
    return found.text, found.mounts


def derived(builder: Builder, user: str = "1001", text: str = TEXT) -> str:
    return derive(text, BuildSettings(), builder, "x:ca", user=user).text


def test_steps_with_packages_use_caches_with_buildkit_alone() -> None:
    for builder in (Builder.BUILDX, Builder.BUILDKIT):
        text = derived(builder)
        assert text.count("--mount=type=cache,id=mlc-python") == 2
        assert text.count("--mount=type=cache,id=mlc-apt,target=/run/mlc-apt-cache,sharing=locked")
        assert "--no-cache" not in text
        assert "apt-get clean" not in text.partition("# Your account")[0]
    for builder in (Builder.CLASSIC, Builder.PODMAN):
        assert "type=cache" not in derived(builder)
        assert "--no-cache" in derived(builder)


def test_the_steps_are_the_same_for_every_user_and_the_secrets_are_not() -> None:
    assert derived(Builder.BUILDKIT, "1") == derived(Builder.BUILDKIT, "2")
    assert secrets_for("1")["ds01-user"] == "1"
    assert secrets_for("1") != secrets_for("2")


def test_apts_settings_of_a_site_are_in_the_file_for_caches_too() -> None:
    settings = BuildSettings(certificates=Certificates("own", "bundle"))
    secrets = derive(TEXT, settings, Builder.BUILDKIT, "x:ca", user="7").secrets
    assert "CaInfo" in secrets["ds01-apt-cache"]
    assert 'Dir::Cache "/run/mlc-apt-cache/7";' in secrets["ds01-apt-cache"]


def test_a_step_that_needs_its_own_place_is_left_as_it_is() -> None:
    for step in (
        "RUN pip install a",  # the user is unknown
        "USER me\nRUN pip install --no-cache-dir a",
        'USER root\nSHELL ["bash", "-c"]\nRUN pip install a',
        'USER root\nRUN ["pip", "install", "a"]',
        "USER root\nRUN <<EOF\npip install a\nEOF",
        "USER root\nRUN apt-get update && apt-get install -y a",  # keeps apt's lists
        "USER root\nRUN make",
    ):
        text = f"FROM x\n{step}\n{BLOCK}"
        assert cached(text) == (text, {})


def test_flags_and_comments_of_a_step_stay_in_place() -> None:
    step = "RUN --mount=type=ssh \\\n  # why\n  pip install --no-cache-dir 'a<2' -r x\n"
    text, mounts = cached(f"FROM x\nUSER root\n{step}")
    assert list(mounts) == [3]
    assert "  # why\n  export UV_LINK_MODE=copy" in text
    assert text.rstrip().endswith("&& pip install  'a<2' -r x")
    assert text.count("\n") == 5


def test_constraints_are_secrets_on_which_no_step_depends() -> None:
    none, some = (
        derive(TEXT, BuildSettings(), Builder.BUILDKIT, "x:ca", pins=Pins(constraints), user="1")
        for constraints in ((), ("six==1.17.0",))
    )
    assert none.text == some.text
    assert "six==1.17.0" in some.secrets["ds01-lock"]


def test_the_classic_builder_copies_constraints_only_if_there_are_any() -> None:
    plain = derive(TEXT, BuildSettings(), Builder.CLASSIC, "x:ca")
    assert plain.files == {}
    pinned = derive(TEXT, BuildSettings(), Builder.CLASSIC, "x:ca", pins=Pins(("six==1",)))
    assert "six==1" in pinned.files["/etc/ds01-build/ds01-lock"]
    assert "ARG UV_CONSTRAINT=/etc/ds01-build/ds01-lock PIP_CONSTRAINT=" in pinned.text
    assert "RUN rm -rf /etc/ds01-build\n" in pinned.text


def test_an_upgrade_makes_its_kind_of_steps_run_again() -> None:
    for marks, before in (({"pip": "T"}, "RUN PIP_BREAK"), ({"apt": "T"}, "RUN apt-get update")):
        result = derive(TEXT, BuildSettings(), Builder.CLASSIC, "x:ca", pins=Pins((), marks))
        (kind,) = marks
        assert f"ARG DS01_UPGRADED_{kind}=T\n{before}" in result.text
        assert result.lines[result.text.split("\n").index(f"ARG DS01_UPGRADED_{kind}=T")] == 0


def test_the_base_of_the_last_build_takes_the_place_of_its_name() -> None:
    text = f"ARG V=1\nFROM debian:12 AS a\nFROM --platform=linux/amd64 debian:12\n{BLOCK}"
    result = derive(text, BuildSettings(), Builder.CLASSIC, "x:ca", bases={"debian:12": "mine:1"})
    assert "FROM mine:1 AS a\n" in result.text
    assert "FROM --platform=linux/amd64 mine:1\n" in result.text
    assert 'base.name="debian:12"' in result.text


def test_the_build_has_the_base_that_its_arguments_name() -> None:
    text = f"ARG V\nARG B=debian:$V\nFROM $B AS debian\nFROM debian\n{BLOCK}"
    result = derive(
        *(text, BuildSettings(), Builder.BUILDKIT, "x:ca"),
        mark="m",
        arguments=Arguments({"V": "13"}),
        base="debian:13",
    )
    assert "\nFROM debian:13 AS debian\nARG" in result.text
    assert "\nFROM debian\n" in result.text
    assert result.text.rstrip().endswith('org.opencontainers.image.base.name="debian:13"')
    last = result.text.rstrip().rsplit("\n", 1)[-1]
    assert last.startswith("LABEL ")
    assert result.lines[2] == 3


STEPS = st.lists(
    st.sampled_from(
        [
            "RUN pip install --no-cache-dir a \\\n  # c\n  b",
            "RUN apt-get update && apt-get install -y fd && apt-get clean "
            "&& rm -rf /var/lib/apt/lists/*",
            "RUN uv pip install --no-cache x; pip install y",
            "USER root",
            "USER me",
            "ENV A=1",
            "RUN make",
        ]
    ),
    max_size=6,
)


@given(STEPS)
def test_a_derived_dockerfile_installs_the_same(steps: list[str]) -> None:
    text = "\n".join(("FROM debian:12", *steps, "", BLOCK))
    found, _ = cached(text)
    assert found.count("\n") == text.count("\n")
    for kind in (PIP, APT):
        assert packages_in(found, kind) == packages_in(text, kind)
    assert DockerfileParser(fileobj=__import__("io").BytesIO(found.encode())).structure
