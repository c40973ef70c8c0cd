"""image-create's questions, on a terminal."""

from __future__ import annotations

import pexpect
import pytest
from support.base_images import BASE
from support.image_commands import ImageUser, labels_of

pytestmark = [pytest.mark.real_engine, pytest.mark.any_engine]


def ask(it: ImageUser, *arguments: str) -> pexpect.spawn:
    child = it.user.spawn(it.command("image-create"), *arguments, timeout=60, **it.environ)
    child.setwinsize(60, 200)
    return child


def ended(child: pexpect.spawn) -> tuple[str, int]:
    said = child.read()
    child.wait()
    return said, child.exitstatus


def test_all_questions_of_image_create(commands: ImageUser) -> None:
    child = ask(commands)
    child.expect_exact("Name of the project: ")
    child.sendline("My Project")
    child.expect_exact("How about 'my-project'?")
    child.expect_exact("Name of the project: ")
    child.sendline("my-project")
    child.expect(r"1\) PyTorch\s+2\) TensorFlow\s+3\) JAX")
    child.expect_exact("Which one? (1-")
    child.sendline("1")
    child.expect(r"1\) 2\.8\.0 \(newest\)\s+2\) 2\.7\.1")
    child.sendline("2")
    child.expect(r"1\) jupyter")
    child.expect_exact("Which of them?")
    child.sendline("99")
    child.expect_exact("no number 99")
    child.expect_exact("Which of them?")
    child.sendline("none")
    child.expect_exact("More Python packages")
    child.sendline("git+http://example.org")
    child.expect_exact("is not a URL of a package")
    child.expect_exact("More Python packages")
    child.sendline("six;colorama")
    child.expect_exact("is not the name of")
    child.sendline("'six', \"colorama\",")
    child.expect(r"Project +my-project")
    child.expect(r"Framework +Pytorch-2\.7\.1")
    child.expect(r"Python packages +colorama six")
    child.expect_exact("Build it now? (Y/n)")
    child.sendline("")
    child.expect(r"is ready: \d+")
    assert ended(child)[1] == 0
    assert labels_of(commands.image("my-project"))["aime.mlc.DS01_FRAMEWORK"] == "Pytorch-2.7.1"
    commands.run_in(commands.image("my-project"), "python3 -c 'import six, colorama'")


def test_no_question_about_what_the_flags_say(commands: ImageUser) -> None:
    child = ask(commands, "demo", "--base", BASE, "-p", "six", "--no-build")
    child.expect_exact("Which of them?")
    child.sendline("jupyter 3")
    child.expect_exact("ipykernel")
    child.expect_exact("Write the Dockerfile? (Y/n)")
    child.sendline("y")
    said, status = ended(child)
    assert status == 0, said
    text = commands.dockerfile("demo").read_text()
    for package in ("six", "jupyterlab", "timm"):
        assert f"        {package}" in text


def test_jax_is_installed_on_the_newest_cuda_base(commands: ImageUser) -> None:
    child = ask(commands, "demo", "-p", "six", "--preset", "jupyter", "--no-build")
    child.expect_exact("Which one? (1-")
    child.sendline("JAX")
    child.expect_exact("its newest version")
    child.expect_exact("Write the Dockerfile? (Y/n)")
    child.sendline("y")
    assert ended(child)[1] == 0
    assert '"jax[cuda12]"' in commands.dockerfile("demo").read_text()


def test_with_yes_nothing_is_asked_even_on_a_terminal(commands: ImageUser) -> None:
    child = ask(commands, "demo", "--base", BASE, "--no-build", "-y")
    said, status = ended(child)
    assert (status, "?" in said) == (0, False)


def test_answering_no_end_of_input_and_ctrl_c(commands: ImageUser) -> None:
    flags = ("demo", "--base", BASE, "--preset", "jupyter", "-p", "six")
    for answer, code in (("n", None), (None, 1), ("\x03", 130)):
        child = ask(commands, *flags)
        child.expect_exact("Build it now? (Y/n)")
        if answer is None:
            child.sendeof()
        elif answer == "\x03":
            child.sendintr()
            # Python's readline takes no notice of one between its prompt and its wait for keys.
            while child.expect([pexpect.TIMEOUT, pexpect.EOF], timeout=2) == 0:
                child.sendintr()
        else:
            child.sendline(answer)
        said, status = ended(child)
        assert status != 0, said
        assert code is None or status == code, said
        assert not commands.dockerfile("demo").exists()
    assert commands.names() == set()


def test_an_existing_project_is_refused_before_any_question(commands: ImageUser) -> None:
    commands.run("image-create", "demo", "--base", BASE, "--no-build", "-y")
    said, status = ended(ask(commands, "demo"))
    assert status == 1
    assert "image-update demo" in said


def test_help_has_examples(commands: ImageUser) -> None:
    for name in ("create", "update", "list", "retire"):
        said = commands.run(f"image-{name}", "-h").stdout
        assert "examples:" in said
