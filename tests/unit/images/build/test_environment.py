"""Settings from the environment reach a build and stay out of the image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.reliability import Counted

from mlc_patched.errors import MlcError, UsageError
from mlc_patched.images.build import environment
from mlc_patched.images.build.client import build_network
from mlc_patched.images.build.derive import DerivedDockerfile, derive
from mlc_patched.images.build.environment import (
    Builder,
    BuildSettings,
    Certificates,
    pip_configuration,
    settings_from,
    uv_configuration,
)
from mlc_patched.images.build.failure import failing_line, last_words
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.dockerfile.syntax import instructions
from mlc_patched.images.versions.pins import Pins
from mlc_patched.names import labels

TEXT = render(ImageRecipe("demo", "debian:12", "custom", (), ("six",)))
INDEX = {"PIP_INDEX_URL": "https://me:secret@pypi.example/simple"}
CA = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
PINS = Pins(("six==1",))
MODERN = [Builder.BUILDX, Builder.BUILDKIT]


def derived(settings: BuildSettings, builder: Builder = Builder.BUILDKIT, text: str = TEXT):
    return derive(text, settings, builder, "ds01-1/x:build-0-ca")


def test_for_the_classic_builder_a_variable_of_the_base_is_set_and_reset() -> None:
    """There, ARG does not count if the base has an ENV of the name."""
    ours = ('PIP_CONSTRAINT=/a "$b\\', "SSL_CERT_FILE=")
    environ = (*ours, "PIP_CERT=a\nb", "X=y", "CURL_CA_BUNDLE=c")
    settings = BuildSettings(certificates=Certificates(CA, CA))
    text = TEXT.replace("USER root\n", "USER root\nENV A=1 \\\n CURL_CA_BUNDLE=d\n", 1)
    found = {
        builder: derive(
            f"FROM a AS b\n{text}", settings, builder, "x:ca", pins=PINS, environment=environ
        ).text
        for builder in Builder
    }
    classic = found.pop(Builder.CLASSIC)
    at = "/etc/ds01-build"
    step = f"ENV PIP_CONSTRAINT={at}/ds01-pip-lock SSL_CERT_FILE={at}/ds01-ca\n"
    assert classic.count(step) == 2
    assert f"PIP_CERT={at}/ds01-ca" in words_of("ARG", classic)
    assert f"CURL_CA_BUNDLE={at}/ds01-ca" in words_of("ARG", classic)
    assert not any(word.startswith("PIP_CONSTRAINT") for word in words_of("ARG", classic))
    last = r'ENV PIP_CONSTRAINT="/a \"\$b\\" SSL_CERT_FILE=""'
    assert classic.rstrip().endswith(last)
    assert not any("ENV PIP_CONSTRAINT" in each for each in found.values())


def test_uv_gets_the_index_that_the_base_names_to_pip() -> None:
    environ = ("PIP_EXTRA_INDEX_URL=https://x https://y", "PIP_FIND_LINKS=/wheels", "PIP_NO_DEPS=1")
    own = ('extra-index-url = ["https://x", "https://y"]', 'find-links = ["/wheels"]')
    for builder in Builder:
        result = derive(TEXT, BuildSettings(), builder, "x:ca", environment=environ)
        files = {**result.secrets, **result.files}
        name = "/etc/ds01-build/ds01-uv" if builder is Builder.CLASSIC else "ds01-uv"
        assert files[name].splitlines()[:-1] == list(own)
        assert not any(each.endswith("ds01-pip") for each in files)
    site = settings_from({"PIP_INDEX_URL": "https://site", "PIP_EXTRA_INDEX_URL": "https://z"})
    result = derive(TEXT, site, Builder.BUILDX, "x:ca", environment=environ)
    assert result.secrets["ds01-uv"].splitlines()[:-1] == ['index-url = "https://site"', *own]
    assert "https://x" not in result.secrets["ds01-pip"]
    named = (*environ, "UV_CONFIG_FILE=/etc/uv.toml")
    result = derive(TEXT, BuildSettings(), Builder.BUILDX, "x:ca", environment=named)
    assert "ds01-uv" not in result.secrets


def words_of(keyword: str, text: str) -> list[str]:
    found = [each.body(text).split() for each in instructions(text) if each.keyword == keyword]
    return [word for words in found for word in words]


def test_without_settings_nothing_is_changed() -> None:
    plain = derived(BuildSettings(), Builder.CLASSIC)
    assert plain.text.rstrip("\n") == TEXT.rstrip("\n")
    assert (plain.secrets, plain.arguments, plain.files) == ({}, (), {})


@pytest.mark.parametrize("builder", list(Builder))
def test_without_buildkit_every_step_of_every_stage_is_marked(builder: Builder) -> None:
    """By a mark that all users share, as they share the cached steps."""
    text = f"FROM a AS first\nRUN one\n{TEXT}"
    result = derive(text, SETTINGS, builder, "ds01-1/x:build-0-ca", mark="1-0123456789ab")
    lines = result.text.split("\n")
    after = [lines[n + 1] for n, line in enumerate(lines) if line.startswith("FROM ")]
    shared = f'LABEL {labels.TEMPORARY}="shared"'
    is_marked = builder in (Builder.CLASSIC, Builder.PODMAN)
    assert [line == shared for line in after] == [is_marked, is_marked]
    own = lines.index(f'LABEL {labels.TEMPORARY}="1-0123456789ab"')
    assert lines[own + 1].startswith("ARG DS01_USER_ID")
    assert lines[-2] == f'LABEL {labels.TEMPORARY}=""'


def test_proxies_are_passed_by_name_only() -> None:
    settings = settings_from({"http_proxy": "http://me:pw@proxy:1", "HTTPS_PROXY": "x", "A": "b"})
    for builder in Builder:
        assert derived(settings, builder).arguments == ("http_proxy", "HTTPS_PROXY")
        assert "proxy:1" not in derived(settings, builder).text


@pytest.mark.parametrize("builder", MODERN)
def test_an_index_is_a_secret_of_every_step(builder: Builder) -> None:
    result = derived(settings_from(INDEX), builder)
    assert "secret@" not in result.text
    assert "me:secret@pypi.example" in result.secrets["ds01-pip"]
    runs = [each for each in instructions(result.text) if each.keyword == "RUN"]
    assert runs
    for each in runs:
        assert "--mount=type=secret,id=ds01-pip" in each.body(result.text)


def test_the_classic_builder_gets_a_file_and_no_passwords() -> None:
    plain = settings_from({"PIP_INDEX_URL": "https://pypi.example/simple"})
    result = derived(plain, Builder.CLASSIC)
    assert result.arguments == ()
    assert "pypi.example" not in result.text
    assert result.files == {
        "/etc/ds01-build/ds01-pip": pip_configuration(plain.pip),
        "/etc/ds01-build/ds01-uv": uv_configuration(plain.pip),
    }
    assert result.text.rstrip().endswith("RUN rm -rf /etc/ds01-build\nUSER ${DS01_USER_ID}")
    with pytest.raises(MlcError, match="credentials"):
        derived(settings_from(INDEX), Builder.CLASSIC)
    two = {"PIP_EXTRA_INDEX_URL": "https://a.example https://tok@b.example"}
    with pytest.raises(MlcError, match="PIP_EXTRA_INDEX_URL"):
        derived(settings_from(two), Builder.CLASSIC)


def test_pips_configuration_has_several_values() -> None:
    text = pip_configuration({"PIP_INDEX_URL": "https://a", "PIP_EXTRA_INDEX_URL": "https://b c"})
    assert text == "[global]\nindex-url = https://a\nextra-index-url = https://b c\n"


def test_uv_takes_packages_from_the_same_indexes_as_pip() -> None:
    text = uv_configuration(
        {
            "PIP_INDEX_URL": "https://a/simple",
            "PIP_EXTRA_INDEX_URL": "https://b c",
            "PIP_TRUSTED_HOST": "d",
        }
    )
    assert text.splitlines() == [
        'index-url = "https://a/simple"',
        'extra-index-url = ["https://b", "c"]',
        'allow-insecure-host = ["d"]',
        'index-strategy = "unsafe-best-match"',
    ]
    result = derived(settings_from(INDEX))
    assert "UV_CONFIG_FILE=/run/secrets/ds01-uv" in words_of("ARG", result.text)
    assert "me:secret@pypi.example" in result.secrets["ds01-uv"]


def test_a_setting_with_control_characters_is_refused() -> None:
    with pytest.raises(UsageError, match="PIP_INDEX_URL"):
        settings_from({"PIP_INDEX_URL": "https://a\x1b"})


def test_a_certificate_is_read_and_appended_to_the_hosts(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text(CA)
    found = settings_from({"DS01_CA_CERTIFICATE": str(file)}).certificates
    assert found is not None
    assert found.own == CA
    assert found.bundle.endswith(CA)
    assert not found.in_image
    both = {"DS01_CA_CERTIFICATE": str(file), "DS01_CA_IN_IMAGE": "1"}
    assert settings_from(both).certificates.in_image


@pytest.mark.parametrize("content", [None, "no certificate", b"\xff\xfe"])
def test_an_invalid_certificate_is_refused(tmp_path: Path, content: str | bytes | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MlcError, match="DS01_CA_CERTIFICATE"):
        settings_from({"DS01_CA_CERTIFICATE": str(file)})


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("fifo", "is not a file, and reading it returned nothing"),
        ("/dev/zero", "is larger than 1 MiB, so it is not a valid"),
        (".", "cannot be read: Is a directory"),
        ("loop", "cannot be read: Too many levels of symbolic links"),
    ],
)
def test_a_certificate_that_is_not_a_file_is_refused(
    tmp_path: Path, name: str, says: str, counted: Counted
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MlcError, match="certificate of DS01_CA_CERTIFICATE") as refused:
        settings_from({"DS01_CA_CERTIFICATE": str(tmp_path / name)})
    assert says in str(refused.value)
    counted("inputs")


def test_all_variables_are_one_instruction() -> None:
    """The classic builder commits an image for each instruction."""
    settings = BuildSettings(
        pip={"PIP_INDEX_URL": "https://a.example"}, certificates=Certificates(CA, CA)
    )
    for builder in Builder:
        text = derived(settings, builder).text
        own = sum(each.keyword == "ARG" for each in instructions(TEXT))
        assert sum(each.keyword == "ARG" for each in instructions(text)) == own + 1


def test_an_invalid_index_url_cannot_hide_a_password() -> None:
    """urllib refuses some texts with another exception."""
    index = settings_from({"PIP_INDEX_URL": "http://[x"})
    assert derived(index, Builder.CLASSIC).files["/etc/ds01-build/ds01-pip"].endswith("http://[x\n")
    with pytest.raises(MlcError, match="PIP_INDEX_URL contains credentials"):
        derived(settings_from({"PIP_INDEX_URL": "http://me:secret@[x"}), Builder.CLASSIC)


@pytest.mark.promise("input-refused")
@pytest.mark.parametrize(
    "network", ["-x", "a b", "a\nb", "$(id)", "../x", " ", "\x1b[2J", "a" * 5000]
)
def test_an_invalid_build_network_is_refused(network: str, counted: Counted) -> None:
    with pytest.raises(UsageError, match="Use host, none, default, or the name") as refused:
        build_network({"DS01_BUILD_NETWORK": network})
    assert len(str(refused.value)) < 200
    counted("inputs")


def test_the_build_network() -> None:
    assert build_network({}) == build_network({"DS01_BUILD_NETWORK": ""}) == "host"
    assert build_network({"DS01_BUILD_NETWORK": "my_net-1.x"}) == "my_net-1.x"


@pytest.mark.parametrize("builder", MODERN)
def test_certificates_are_secrets_of_the_build(builder: Builder) -> None:
    result = derived(BuildSettings(certificates=Certificates(CA, CA)), builder)
    assert result.secrets["ds01-ca"] == CA
    assert "COPY" not in result.text
    assert "PIP_CERT=/run/secrets/ds01-ca" in words_of("ARG", result.text)
    assert not any("PIP_CERT" in word for word in words_of("ENV", result.text))


def test_the_classic_builder_copies_and_removes_certificates() -> None:
    result = derived(BuildSettings(certificates=Certificates(CA, CA)), Builder.CLASSIC)
    assert result.files["/etc/ds01-build/ds01-ca"] == CA
    assert words_of("COPY", result.text)[1:] == ["/etc/ds01-build", "/etc/ds01-build"]
    assert not any("PIP_CERT" in word for word in words_of("ENV", result.text))
    steps = [each.keyword for each in instructions(result.text)]
    assert steps[-3:] == ["USER", "RUN", "USER"]
    assert result.text.rstrip().endswith("USER ${DS01_USER_ID}")


@pytest.mark.parametrize("builder", list(Builder))
def test_certificates_stay_in_the_image_on_request(builder: Builder) -> None:
    result = derived(BuildSettings(certificates=Certificates(CA, CA, in_image=True)), builder)
    assert "SSL_CERT_FILE=/etc/ssl/certs/ds01-ca-bundle.crt" in words_of("ENV", result.text)
    assert "COPY --from=ds01-1/x:build-0-ca /etc/ssl/certs/ds01-ca-bundle.crt" in result.text
    assert "/etc/ds01-build" not in result.text


@pytest.mark.parametrize("builder", list(Builder))
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
def test_each_derived_line_has_the_number_of_its_original(builder: Builder, break_: str) -> None:
    settings = BuildSettings(
        pip={"PIP_INDEX_URL": "https://a.example"}, certificates=Certificates(CA, CA)
    )
    text = TEXT.replace("\n", break_)
    result = derived(settings, builder, text)
    original, lines = text.split("\n"), result.text.split("\n")
    assert len(result.lines) == len(lines) - 1
    for line, origin in zip(lines, result.lines, strict=False):
        if origin:
            want = original[origin - 1]
            assert line == want or (line.startswith("RUN --mount") and line.endswith(want[3:]))
    assert [each for each in result.lines if each] == list(range(1, len(original) + 1))


# Finding the failed line in a builder's output.


def line_of(text: str, beginning: str) -> int:
    return next(n for n, line in enumerate(text.split("\n"), 1) if line.startswith(beginning))


SETTINGS = BuildSettings(pip={"PIP_INDEX_URL": "https://a.example"})
PIP_LINE = line_of(TEXT, "RUN PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip")


def test_the_classic_builders_step_is_found() -> None:
    result = derived(SETTINGS, Builder.CLASSIC)
    found = instructions(result.text)
    number = next(n for n, each in enumerate(found, 1) if "pip install" in each.body(result.text))
    log = [f"Step {n}/{len(found)} : X" for n in range(1, number + 1)]
    assert failing_line([*log, "ERROR: no", "The command returned 1"], result) == PIP_LINE


def test_buildkits_step_is_found() -> None:
    result = derived(SETTINGS)
    log = ["#6 [3/5] RUN x", "------", " > [3/5] RUN python3 -m pip install:", "#6 0.1 ERROR"]
    assert failing_line(log, result) == PIP_LINE
    assert failing_line([" > [stage-0 3/5] RUN x:"], result) == PIP_LINE
    assert failing_line([" > [named 3/5] RUN x:"], result) is None


@pytest.mark.parametrize(
    ("step", "line"),
    [
        ("build 2/2", 2),
        ("stage-1 1/2", 4),
        ("stage-1 2/2", 5),
        ("third 1/1", 8),
        ("stage-3 1/1", 10),
        ("fourth 2/2", 12),
    ],
)
def test_buildkit_counts_a_from_only_if_it_names_an_image(step: str, line: int) -> None:
    text = (
        "FROM x AS Build\nRUN a\n"
        "FROM build\nRUN b\nRUN c\n"
        "FROM BUILD AS third\nENV D=1\nRUN d\n"
        "FROM scratch\nCOPY e /\n"
        "FROM x AS fourth\nRUN f\n"
    )
    result = DerivedDockerfile(text, tuple(range(1, 13)))
    assert failing_line([f" > [{step}] RUN x:"], result) == line


def test_podmans_step_is_found_by_its_stage() -> None:
    stages = f"FROM a AS first\nRUN one\n{TEXT}"
    result = derived(SETTINGS, Builder.PODMAN, stages)
    body = [each.keyword for each in instructions(result.text)]
    last = body[len(body) - body[::-1].index("FROM") - 1 :]
    number = last.index("RUN") + 1
    log = ["[1/2] STEP 2/3: ARG x", "--> 430c47d44bd", f"[2/2] STEP {number}/9: RUN x", "ERROR: no"]
    failed = failing_line(log, result)
    assert failed is not None
    assert stages.split("\n")[failed - 1].startswith("RUN")
    assert failed > 2
    assert failing_line(["[2/2] STEP 99/99: LABEL x"], result) is None, "added by Podman"
    assert failing_line(["[7/7] STEP 1/1: FROM x"], result) is None
    alone = derived(SETTINGS, Builder.PODMAN)
    assert failing_line(["STEP 1/9: FROM x"], alone) == line_of(TEXT, "FROM")


def test_later_builders_name_the_line() -> None:
    result = derived(SETTINGS)
    at = result.lines.index(PIP_LINE) + 1
    log = [" > [3/5] RUN python3:", f"Dockerfile:{at}", "----", f"  {at} | >>> RUN python3"]
    assert failing_line(log, result) == PIP_LINE


def test_an_inserted_line_is_not_the_users() -> None:
    result = derived(SETTINGS)
    at = result.lines.index(0) + 1
    assert failing_line([f"Dockerfile:{at}"], result) is None
    assert failing_line(["something else"], result) is None


@pytest.mark.parametrize(
    "log",
    [
        ["Step 3/9 : RUN x", "old", "Step 4/9 : RUN y", " ---> Running in 0", "ERROR: no", ""],
        ["#5 1.0 old", "#6 [3/5] RUN y", "ERROR: no", "#6 ERROR: executor failed running [y]"],
        [" => ERROR [3/5] RUN y  0.8s", "------", " > [3/5] RUN y:", "ERROR: no", "------"],
        ["STEP 3/9: RUN x", "old", "--> 430c47d44bd", "[2/2] STEP 4/9: RUN y", "ERROR: no"],
        ["STEP 4/9: RUN y", 'building at STEP "RUN --mount=type=secret y": ERROR: no'],
    ],
    ids=["classic", "plain", "terminal", "podman", "podman-summary"],
)
def test_the_output_shown_is_that_of_the_failed_step(log: list[str]) -> None:
    log = [
        line.replace("ERROR: no", "#6 0.1 no") if "#6 [" in "".join(log) else line for line in log
    ]
    assert [line.rpartition(" ")[2] for line in last_words(log)] == ["no"]


def test_the_output_shown_is_short_and_without_passwords() -> None:
    assert len(last_words([f"line {n}" for n in range(100)])) == 15
    assert last_words(["GET https://me:pw@host/x"]) == ["GET https://****@host/x"]


def test_a_bundle_of_the_host_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text(CA)
    (tmp_path / "host.pem").write_text("HOST\n")
    hidden = str(tmp_path / ("x" * 300))  # pathlib raises OSError, as where one may not look
    environ = {"DS01_CA_CERTIFICATE": str(tmp_path / "ca.pem")}
    for bundles, expected in (((hidden, str(tmp_path / "host.pem")), "HOST\n"), ((hidden,), "")):
        monkeypatch.setattr(environment, "HOST_BUNDLES", bundles)
        certificates = settings_from(environ, None).certificates
        assert certificates is not None
        assert certificates.bundle == f"{expected}{CA}"


@pytest.mark.parametrize(
    "message",
    [
        "failed to solve with frontend: dockerfile parse error line {}: unknown instruction: RUNN",
        "Error response from daemon: dockerfile parse error on line {}: unknown instruction: RUNN",
    ],
)
@pytest.mark.parametrize("builder", [Builder.BUILDKIT, Builder.CLASSIC])
def test_a_line_that_is_not_valid_is_that_of_the_users_dockerfile(
    message: str, builder: Builder
) -> None:
    text = TEXT.replace("USER root", "RUNN foo\nUSER root", 1)
    result = derive(text, SETTINGS, builder, "files")
    log = [message.format(line_of(result.text, "RUNN foo"))]
    assert failing_line(log, result) == line_of(text, "RUNN foo")
