"""The choice of the flow, by the labels of an image and its /etc/passwd."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlc_patched.errors import UsageError
from mlc_patched.host.account import Account
from mlc_patched.names import labels
from mlc_patched.names.images import parse_reference
from mlc_patched.names.labels import Claim, MalformedLabelsError, claim_labels, read_claim
from mlc_patched.names.projects import Project, project_of_repository
from mlc_patched.plan.flow import Flow, account_in_passwd, decide

ALICE = Account("alice", 1001, 2001, "/home/alice")
ROOT = Account("root", 0, 0, "/root")
CLAIM = Claim(1001, 2001, "alice")
TRUE = claim_labels(CLAIM)
LATER = {
    "ds01.has_user_setup": "true",
    "ds01.user_id": "1001",
    "ds01.group_id": "2001",
    "ds01.username": "alice",
}


def rebuild(project: Project, account: Account) -> str:
    return f"image-create {project.name} --force"


def test_the_labels_are_those_of_the_design_document() -> None:
    assert claim_labels(Claim(1722830498, 1722830498, "h-baker-at-hertie-school-lan")) == {
        "aime.mlc.DS01_HAS_USER_SETUP": "true",
        "aime.mlc.DS01_USER_ID": "1722830498",
        "aime.mlc.DS01_GROUP_ID": "1722830498",
        "aime.mlc.DS01_USERNAME": "h-baker-at-hertie-school-lan",
    }


@pytest.mark.parametrize("image_labels", [TRUE, LATER, {**TRUE, **LATER}])
def test_the_user_s_own_image_needs_no_set_up(image_labels: dict[str, str]) -> None:
    decision = decide(parse_reference("ds01-1001/p:latest"), image_labels, ALICE, rebuild)
    assert (decision.flow, decision.claim, decision.warning) == (Flow.IMAGE, CLAIM, None)


@pytest.mark.parametrize("image_labels", [{}, {labels.USER_ID: "1001"}, {"other": "x"}])
def test_without_labels_the_legacy_flow_needs_no_warning(
    image_labels: dict[str, str],
) -> None:
    decision = decide(parse_reference("aimehub/x"), image_labels, ALICE, rebuild)
    assert (decision.flow, decision.warning) == (Flow.COMMIT, None)


@pytest.mark.parametrize("value", ["false", ""])
def test_labels_that_deny_a_set_up_claim_nothing(value: str) -> None:
    assert read_claim({**TRUE, labels.HAS_USER_SETUP: value}) is None


@pytest.mark.parametrize(("uid", "gid"), [(1002, 2001), (1001, 2002), (1002, 2002)])
def test_another_account_is_reported_with_the_fix(uid: int, gid: int) -> None:
    image_labels = claim_labels(Claim(uid, gid, "bob"))
    decision = decide(parse_reference("ds01-1002/my-project:latest"), image_labels, ALICE, rebuild)
    assert decision.flow is Flow.COMMIT
    assert f"{uid}:{gid}" in decision.warning
    assert "1001:2001" in decision.warning
    assert "image-create my-project --from ds01-1002/my-project:latest" in decision.warning


def test_the_fix_for_an_own_image_is_to_rebuild_it() -> None:
    image_labels = claim_labels(Claim(1001, 100, "alice"))
    warning = decide(
        parse_reference("ds01-1001/my-project:latest"), image_labels, ALICE, rebuild
    ).warning
    assert warning.endswith("rebuild the image: image-create my-project --force")
    warning = decide(parse_reference("hub/any"), image_labels, ALICE, rebuild).warning
    assert "image-create PROJECT --force" in warning
    assert "image-create PROJECT --from hub/any" in warning


@pytest.mark.parametrize(
    "change",
    [
        {labels.HAS_USER_SETUP: "True"},
        {labels.HAS_USER_SETUP: "yes"},
        {labels.USER_ID: ""},
        {labels.USER_ID: "1001 "},
        {labels.USER_ID: "01001"},
        {labels.USER_ID: "-1"},
        {labels.USER_ID: "١٠٠١"},
        {labels.USER_ID: "4294967295"},
        {labels.USER_ID: "9" * 5000},
        {labels.GROUP_ID: "x"},
        {labels.USERNAME: ""},
        {labels.USERNAME: "a" * 33},
        {labels.USERNAME: "a\nb"},
        {"ds01.user_id": "1002"},
    ],
)
def test_malformed_labels_are_ignored_with_a_warning(change: dict[str, str]) -> None:
    decision = decide(parse_reference("image"), {**TRUE, **change}, ALICE, rebuild)
    assert decision.flow is Flow.COMMIT
    assert "cannot be trusted" in decision.warning
    assert len(decision.warning) < 300


@pytest.mark.parametrize("missing", [labels.USER_ID, labels.GROUP_ID, labels.USERNAME])
def test_an_incomplete_claim_is_malformed(missing: str) -> None:
    with pytest.raises(MalformedLabelsError, match=missing):
        read_claim({name: value for name, value in TRUE.items() if name != missing})


def test_with_as_the_image_must_have_that_account() -> None:
    elsewhere = replace(ALICE, uid=ALICE.uid + 1, ids_here=(ALICE.uid, ALICE.gid))
    with pytest.raises(UsageError, match=f"built for {ALICE.uid}:{ALICE.gid}"):
        decide(parse_reference("ds01-1001/p:latest"), TRUE, elsewhere, rebuild)
    assert decide(parse_reference("aimehub/x"), {}, elsewhere, rebuild).flow is Flow.COMMIT


def test_labels_are_ignored_for_root() -> None:
    decision = decide(parse_reference("image"), claim_labels(Claim(0, 0, "root")), ROOT, rebuild)
    assert (decision.flow, decision.claim) == (Flow.IMAGE, None)


VALUES = st.sampled_from([*TRUE.values(), "bob"]) | st.text()


@given(
    st.sampled_from([{}, TRUE, LATER]),
    st.dictionaries(st.sampled_from([*TRUE, *LATER, "x"]), VALUES, max_size=2),
)
def test_any_labels_lead_to_a_decision(begun: dict[str, str], changed: dict[str, str]) -> None:
    image_labels = {**begun, **changed}
    decision = decide(parse_reference("image"), image_labels, ALICE, rebuild)
    *ids, names = (
        {image_labels[each] for each in spellings if each in image_labels}
        for spellings in zip(TRUE, LATER, strict=True)
    )
    if decision.flow is Flow.IMAGE:
        assert ids == [{"true"}, {"1001"}, {"2001"}]
        assert (decision.claim.uid, decision.claim.gid) == (1001, 2001)
        assert names == {decision.claim.username}
    else:
        assert decision.claim is None
        assert ids != [{"true"}, {"1001"}, {"2001"}] or names not in ({"alice"}, {"bob"})


ROW = "alice:x:1001:2001::/home/alice:/bin/bash"


@pytest.mark.parametrize(
    ("passwd", "wrong"),
    [
        ("", "no account alice"),
        ("root:x:0:0::/root:/bin/sh", "no account"),
        ("alice:x:1002:2001::/home/alice:/bin/bash", "disagree"),
        ("bob:x:1001:2001::/home/bob:/bin/bash", "disagree"),
        ("alice:x:0:0::/root:/bin/bash", "disagree"),
        (f"{ROW}\nalice:x:0:0::/root:/bin/bash", "disagree"),
        (f"{ROW}\nbob:x:1001:0::/root:/bin/bash", "disagree"),
        ("alice:x:1001:0::/home/alice:/bin/bash", "GID 0"),
        ("alice:x:1001:2001", "no account"),
        # Rows that the C library also reads as UID 1001: one more field, other spellings.
        (f"bob:x:1001:0::/root:/bin/sh:x\n{ROW}", "line 1 of its /etc/passwd is not a valid"),
        (f"bob:x:01001:0::/root:/bin/sh\n{ROW}", "line 1 of its /etc/passwd is not a valid"),
        (f"bob:x:+1001:0::/root:/bin/sh\n{ROW}", "line 1 of its /etc/passwd is not a valid"),
        (f"{ROW}\nbob:x: 1001:0::/root:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        (f"{ROW}\n alice:x:0:0::/root:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        (f"{ROW}\nbob:x:\u0661:0::/root:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        # IDs that become another in 32 bits.
        (f"{ROW}\nbob:x:{2**32}:0::/root:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        (f"{ROW}\nbob:x:{2**32 + 1001}:0::/:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        (f"{ROW}\nbob:x:1002:{2**32 + 5}::/:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
        # Characters at which programs end a line, or stop to read it.
        (f"{ROW}\nbob:x:5:5::/:/bin/sh\0", "line 2 of its /etc/passwd is not a valid"),
        (f"{ROW}\r", "line 1 of its /etc/passwd is not a valid"),
        (f"# ours\0\n{ROW}", "line 1 of its /etc/passwd is not a valid"),
        (f"#\rroot2:x:0:0::/:/bin/sh\n{ROW}", "line 1 of its /etc/passwd is not a valid"),
        (f"{ROW}\nbob:x:5:5:\x1b[2J:/:/bin/sh", "line 2 of its /etc/passwd is not a valid"),
    ],
)
def test_a_claim_that_passwd_contradicts(passwd: str, wrong: str) -> None:
    assert wrong in account_in_passwd(passwd.encode(), CLAIM)


def test_a_name_in_another_encoding_is_no_matter() -> None:
    row = b"alice:x:1001:2001:J\xf6rg:/home/alice:/bin/bash\n"
    assert account_in_passwd(row, CLAIM) is None


def test_a_claim_that_passwd_confirms() -> None:
    passwd = f"root:x:0:0::/root:/bin/sh\n# ours\n\n{ROW}\n"
    assert account_in_passwd(passwd.encode(), CLAIM) is None


@pytest.mark.parametrize(
    ("image", "project"),
    [
        ("ds01-1001/my-project:latest", "my-project"),
        ("ds01-1001/p", "p"),
        ("ds01-x/p", None),
        ("aimehub/pytorch", None),
        ("sha256:0123", None),
    ],
)
def test_the_project_of_an_image(image: str, project: str | None) -> None:
    found = project_of_repository(parse_reference(image).repository)
    assert (found and found.name) == project


def test_an_image_without_passwd_does_not_confirm_a_claim() -> None:
    assert account_in_passwd(None, CLAIM) == "it has no readable /etc/passwd"
