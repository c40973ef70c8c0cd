"""What is shown of the classic builder's output, and of Podman's."""

from __future__ import annotations

from mlc_patched.images.build.derive import derive
from mlc_patched.images.build.environment import Builder, BuildSettings
from mlc_patched.images.build.shown import OwnSteps, without_long_headings
from mlc_patched.images.dockerfile.render import ImageRecipe, render
from mlc_patched.images.dockerfile.syntax import instructions

TEXT = render(ImageRecipe("demo", "debian:12", "custom", pip=("six",)))
DERIVED = derive(TEXT, BuildSettings(pip={"PIP_INDEX_URL": "x"}), Builder.CLASSIC, "files")


def output(said: dict[str, str]) -> list[str]:
    """Return the classic builder's output; `said` is what steps print, by a word of them."""
    steps = instructions(DERIVED.text)
    lines = ["DEPRECATED: The legacy builder is deprecated", "Sending build context to Docker"]
    for number, each in enumerate(steps, 1):
        step = " ".join(DERIVED.text[each.start : each.end].replace("\\\n", " ").split())
        lines += [f"Step {number}/{len(steps)} : {step}", f" ---> Running in {number:012x}"]
        lines += [text for word, text in said.items() if word in step]
        lines += [f"Removing intermediate container {number:012x}", f" ---> {number:012x}"]
    return [*lines, "Successfully built 0123456789ab", "Successfully tagged x:y"]


def shown(lines: list[str]) -> list[str]:
    """Return the lines that are shown."""
    found = map(OwnSteps(DERIVED).line, lines)
    return [line for line in found if line is not None]


def test_only_the_users_own_steps_are_shown_and_what_they_print() -> None:
    said = {"six": "Collecting six", "useradd": "account set-up: alice", "COPY": "copied"}
    found = shown(output(said))
    assert "Collecting six" in found
    words = [line.split(" : ")[1].split()[0] for line in found if line.startswith("Step")]
    assert words[0] == "FROM"
    assert not {"COPY", "ARG", "LABEL", "WORKDIR"} & set(words)
    assert set(found) & {"account set-up: alice", "copied"} == set()
    assert not [line for line in found if "useradd" in line or "--->" in line or "DEPREC" in line]
    assert not [line for line in found if line.startswith(("Removing", "Successfully", "Sending"))]


def test_the_heading_of_a_step_is_one_line_that_is_not_too_long() -> None:
    (line,) = shown([f"Step 1/20 : FROM debian:12  {'x' * 500}"])
    assert line.startswith("Step 1/20 : FROM debian:12 xxx")
    assert len(line) == 160


def test_buildkits_headings_are_cut_and_what_programs_print_is_not() -> None:
    long = "x" * 400
    for line in (f"#5 [2/2] RUN {long}", f" > [2/2] RUN {long}:", f"#5 ERROR: process {long}"):
        assert len(without_long_headings(line)) == 160
    for line in (f"#5 0.1 {long}", long, "#5 DONE 0.1s"):
        assert without_long_headings(line) == line


def test_podmans_steps_are_those_of_a_stage() -> None:
    found = shown(["STEP 1/20: FROM debian:12", "pulling", "STEP 99/99: LABEL x=y", "labelled"])
    assert found == ["STEP 1/20: FROM debian:12", "pulling"]


def test_lines_that_are_no_step_are_shown() -> None:
    odd = ["Step 1/2: made up by a program", "Step 1/2 : made up, too", "Step by step"]
    assert shown([*odd, ""]) == odd
