"""What was verified once is not read again, and nobody but the user can say so."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.accounts import AccountOfThisProcess
from support.fakes.engine import FakeEngine

from mlc_patched.context import Context
from mlc_patched.engine.specification import ContainerSpecification
from mlc_patched.host.account import Account
from mlc_patched.images.verified import VERIFIED, wrong_account
from mlc_patched.names.labels import Claim

CLAIM = Claim(1001, 1001, "alice")
GOOD = "root:x:0:0::/root:/bin/sh\nalice:x:1001:1001::/home/alice:/bin/bash\n"


class Case:
    """An image with this /etc/passwd, a container of it, and its account."""

    def __init__(self, fake: FakeEngine, account: Account, passwd: str = GOOD) -> None:
        self.fake, self.account = fake, account
        self.image = fake.add_image("ds01-1001/thesis:latest", passwd=passwd)
        self.list = Path(account.home, ".ds01-config", VERIFIED.file)

    def reads(self, claim: Claim = CLAIM) -> int:
        """Compare, and return how often a file of the container was read."""
        name = f"c{len(self.fake.made)}"
        container = self.fake.create_container(ContainerSpecification(name, self.image.id))
        before = self.fake.calls.count("read_file")
        self.wrong = wrong_account(self.image, claim, container, self.account, self.fake)
        return self.fake.calls.count("read_file") - before


@pytest.fixture
def case(context: Context, fake: FakeEngine) -> Case:
    return Case(fake, context.account)


def test_an_image_is_read_once(case: Case) -> None:
    assert [case.reads(), case.reads(), case.reads()] == [1, 0, 0]
    assert case.wrong is None
    assert case.list.stat().st_mode & 0o777 == 0o600


def test_another_claim_or_image_is_read(case: Case, fake: FakeEngine) -> None:
    assert case.reads() == 1
    assert case.reads(replace(CLAIM, gid=5)) == 1
    assert "GID" in str(case.wrong)
    case.image = fake.add_image("ds01-1001/other:latest", passwd=GOOD)
    assert case.reads() == 1


def test_an_image_that_lies_is_never_listed(context: Context, fake: FakeEngine) -> None:
    case = Case(fake, context.account, "root:x:0:0::/root:/bin/sh\n")
    assert [case.reads(), case.reads()] == [1, 1]
    assert case.wrong == "it has no account alice with UID 1001"
    assert not case.list.exists() or case.list.read_bytes() == b""


def test_a_list_that_others_could_write_does_not_count(case: Case, tmp_path: Path) -> None:
    assert case.reads() == 1
    case.list.chmod(0o660)
    assert case.reads() == 1
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(case.list.read_bytes())
    elsewhere.chmod(0o600)
    case.list.unlink()
    case.list.symlink_to(elsewhere)
    assert case.reads() == 1
    case.list.unlink()
    os.link(elsewhere, case.list)
    assert case.reads() == 1
    case.list.unlink()
    os.mkfifo(case.list)
    assert case.reads() == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can work for others")
def test_under_sudo_no_list_counts(case: Case) -> None:
    assert case.reads() == 1
    case.account = Account("alice", 1001, 1001, case.account.home)
    assert case.reads() == 1


def test_with_ids_of_another_host_no_list_counts(case: Case) -> None:
    assert case.reads() == 1
    case.account = replace(case.account, ids_here=(os.geteuid(), os.getegid()))
    assert case.reads() == 1


def test_root_has_no_list(fake: FakeEngine, tmp_path: Path) -> None:
    case = Case(fake, AccountOfThisProcess("root", 0, 0, str(tmp_path)))
    assert [case.reads(), case.reads()] == [1, 1]
    assert not case.list.exists()


def test_a_list_that_is_too_long_begins_anew(case: Case) -> None:
    case.reads()
    case.list.write_bytes(b"x" * VERIFIED.largest)
    assert case.reads() == 1
    assert case.list.stat().st_size < 200
    assert case.reads() == 0


def test_a_home_that_cannot_be_written_is_no_error(case: Case) -> None:
    case.account = replace(case.account, home="/proc/nowhere")
    assert [case.reads(), case.reads()] == [1, 1]
    assert case.wrong is None
