"""The username libraries for Python and bash: test vectors, and byte-for-byte agreement.

Source of the rules: docs/contracts.md, "Accounts". One bash process handles many names, because
starting one takes longer than everything else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

LIB = Path(__file__).resolve().parents[3] / "lib"
BASH_LIB = LIB / "username-utils.sh"

_spec = importlib.util.spec_from_file_location("username_utils", LIB / "username_utils.py")
usernames = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(usernames)

# Result for a refused name: nothing on stdout, and status 1.
REFUSAL = [b"", b"1"]

# For each pair of arguments, group and name: each function's stdout, NUL, its status, NUL. The
# functions run in a condition, so that a refused name does not end the batch. (Names are not read
# with `read -d ''`: in a UTF-8 locale it takes NUL for part of an unfinished character.)
ANSWER = r"""
answer() { if "$@" 2>"$errors"; then printf '\0000\0'; else printf '\000%s\0' "$?"; fi; }
while (($# > 1)); do
    errors=/dev/stderr
    answer sanitize_username_for_slice "$2"
    answer get_user_slice_name "$1" "$2"
    answer get_canonical_username "$2"
    errors=/dev/null
    answer sanitize_username_for_container "$2"
    shift 2
done
"""


def decode(name: bytes) -> str:
    """Decode like os.fsdecode in a UTF-8 locale, whatever the locale of the tests."""
    return name.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def bash(script, *args, before="", path="/nonexistent"):
    """Run the commands `before` in a new bash, source the library, and run a script."""
    return subprocess.run(
        ["/bin/bash", "-c", f'{before}\nsource "$0"\n{script}', BASH_LIB, *map(encode, args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}"},
    )


def bash_answers(pairs, **options):
    done = bash(ANSWER, *(text for pair in pairs for text in pair), **options)
    assert (done.returncode, done.stderr) == (0, b"")
    *parts, rest = done.stdout.split(b"\0")
    assert rest == b""
    assert len(parts) == 8 * len(pairs)
    return [parts[i : i + 8] for i in range(0, len(parts), 8)]


def good(result):
    return [encode(result) + b"\n", b"0"]


def canonical(name):
    try:
        return good(usernames.get_canonical_username(name))
    except KeyError:
        return REFUSAL


def python_answer(group, name):
    answer = good(usernames.sanitize_username_for_slice(name))
    answer += good(usernames.get_user_slice_name(group, name))
    answer += canonical(name)
    try:
        return answer + good(usernames.sanitize_username_for_container(name))
    except ValueError:
        return answer + REFUSAL


def python_answers(pairs):
    return [python_answer(group, name) for group, name in pairs]


# Name, slice part, account (None: refused). The digests come from md5sum.
VECTORS = [
    ("h.baker@hertie-school.lan", "h-baker-at-hertie-school-lan", "h-baker-at-hertie-school-lan"),
    ("H.Baker", "H-Baker", "h-baker"),
    ("_apt", "_apt", "_apt"),
    ("@", "at", "at"),
    ("a@b@c", "a-at-b-at-c", "a-at-b-at-c"),
    ("-n", "n", "n"),
    ("a.-. b", "a-b", "a-b"),
    ("a\nb\n", "a-b", "a-b"),
    ("$(id)`id`", "id-id", "id-id"),
    ("Iİi", "I-i", "i-i"),
    ("٣3", "3", "u-3"),  # Only ASCII digits count.
    ("9Lives", "9Lives", "u-9lives"),
    (decode(b"a\xffb\xc3"), "a-b", "a-b"),
    ("a\x01b\x7fc", "a-b-c", "a-b-c"),  # Bytes that bash uses internally.
    ("x" * 32, "x" * 32, "x" * 32),
    ("x" * 33, "x" * 33, "x" * 27 + "-b7b8"),
    ("1" * 30, "1" * 30, "u-" + "1" * 30),
    ("1234567890123456789012345678901",) * 2 + ("u-1234567890123456789012345-da12",),
    (
        "a" * 26 + ".bbbbbbbbbbbb",
        "a" * 26 + "-bbbbbbbbbbbb",
        "a" * 26 + "-b5b1",
    ),  # "-" is removed, too.
    (
        "Müller.Lüdenscheidt@students.hertie-school.org",
        "M-ller-L-denscheidt-at-students-hertie-school-org",
        "m-ller-l-denscheidt-at-stud-30d3",
    ),
    (decode(b"\xff\xfe" + b"a" * 36), "a" * 36, "a" * 27 + "-4be1"),
]
# The last one: letters that become or match ASCII in some locales.
REFUSED = ["", "-", "--", "...", "\n", " \t", "é", decode(b"\xff\xfe"), "\x01\x7f", "Àİıſ\u212a"]
VECTORS += [(name, "", None) for name in REFUSED]

# Settings that callers may have; no line may change a result. (A shell that starts with an unknown
# locale uses C; one that gets it later keeps the previous locale, so C is set first.)
CALLERS = [
    "",
    "set -euo pipefail",
    "set -f; set -o posix; set +o braceexpand; IFS=-a",
    "shopt -s nocasematch extglob nullglob failglob; shopt -u globasciiranges",
    "{ LC_ALL=C; LC_ALL=xx_XX.UTF-8; } 2>/dev/null; export LC_ALL",
    "{ unset LC_ALL; LANG=C LC_CTYPE=C; LANG=xx_XX.UTF-8 LC_CTYPE=xx_XX.UTF-8; } 2>/dev/null",
    "unset LC_ALL LC_CTYPE; LANG=C.UTF-8",
    "LC_ALL=C.UTF-8",
    "set -e; readonly LC_ALL=C name=1 text=1 digest=1",
    "set -eE; trap 'exit 99' ERR; LC_ALL=C",
]

# Special text, so that hypothesis need not find it.
PIECES = st.sampled_from(
    "@.-_aZ09+ \n\t\r\v\x01\x7f\\`'\"*?[&/~!éı\u212a\u200b\U0001f600\udcff\udcc3"
) | st.sampled_from(["--", "-n", "-e", "\\c", "%s", "$x", "root", "abcdefghijklmnopqrstuvwxyz"])
UNICODE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
BYTES = st.binary(max_size=60).map(lambda raw: decode(raw.replace(b"\0", b"\1")))
# Decoded again: adjacent surrogate escapes may form valid UTF-8.
PIECED = st.lists(PIECES, max_size=14).map(lambda pieces: decode(encode("".join(pieces))))
NAMES = PIECED | UNICODE | BYTES


@pytest.mark.parametrize("before", CALLERS)
def test_vectors_with_any_settings_of_the_caller(before):
    pairs = [("students", name) for name, _, _ in VECTORS]
    expected = []
    for name, part, account in VECTORS:
        answer = good(part) + good(f"ds01-students-{part}.slice") + canonical(name)
        expected.append(answer + (REFUSAL if account is None else good(account)))
    assert python_answers(pairs) == expected
    assert bash_answers(pairs, before=before) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=25))
def test_python_and_bash_agree(pairs):
    assert bash_answers(pairs, before="set -euo pipefail") == python_answers(pairs)


@given(st.text(max_size=60) | NAMES)
def test_results_contain_only_valid_characters(name):
    part = usernames.sanitize_username_for_slice(name)
    assert re.fullmatch(r"(?!-)(?!.*--)[A-Za-z0-9_-]*(?<!-)", part)
    assert usernames.sanitize_username_for_slice(part) == part
    if part:
        account = usernames.sanitize_username_for_container(name)
        assert re.fullmatch(r"[a-z_][a-z0-9_-]{0,31}", account)
        assert "--" not in account


def test_every_byte_and_long_names():
    names = [decode(b"a" + bytes([byte]) + b"B") for byte in range(1, 256)]
    names += [piece * 10_000 for piece in (*"a@- \né\udcff7\x01", "a.")]
    pairs = [("g", name) for name in names]
    assert bash_answers(pairs) == python_answers(pairs)


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\udcff\ud800"])
def test_python_accepts_names_that_bash_cannot_have(odd):
    long = "x" * 40 + odd
    assert usernames.sanitize_username_for_slice(f"a{odd}b") == "a-b"
    assert usernames.sanitize_username_for_container(f"a{odd}b") == "a-b"
    digest = hashlib.md5(long.encode("utf-8", "surrogatepass")).hexdigest()[:4]
    assert usernames.sanitize_username_for_container(long) == "x" * 27 + "-" + digest
    with pytest.raises(KeyError):
        usernames.get_canonical_username(odd)
    with pytest.raises(ValueError):
        usernames.sanitize_username_for_container(odd)


def test_refusals_are_short_and_printable():
    name = "\x1bé\n" + "." * 10_000
    with pytest.raises(ValueError) as caught:
        usernames.sanitize_username_for_container(name)
    done = bash('sanitize_username_for_container "$1"', name)
    assert (done.returncode, done.stdout) == (1, b"")
    for message in (str(caught.value) + "\n", done.stderr.decode()):
        assert re.fullmatch("cannot make an account name of the user name .{,200}\n", message)
        assert message[:-1].isprintable()


def test_missing_arguments_are_treated_as_empty():
    script = "sanitize_username_for_slice; get_user_slice_name; get_canonical_username || true\n"
    done = bash(script + "sanitize_username_for_container", before="set -euo pipefail")
    assert (done.returncode, done.stdout) == (1, b"\nds01--.slice\n")
    assert done.stderr.startswith(b"cannot make an account name of the user name ''")


# Empty and blank names, those that id treats as UID 0, never looks up or takes for options; and
# unknown ones.
NOBODY = [
    "",
    " ",
    "\t\n ",
    "#",
    "# x",
    "0",
    "00",
    "+0",
    " 0",
    "\n0",
    "\v\f\r\t +0",
    "+root",
    "+",
    "4294967295",
    "9" * 50,
]
NOBODY += ["-n", "-e", "--", "--help", "root\n", " root", "root:0", "ROOT", "no.such@user", "0 "]
NOBODY += ["-0", "0x0", "a\nroot", "٣", "\udcff", "x" * 10_000, "~root", "root:x:0:0", "(", "!"]
LOCAL = [
    line.split(":")[0]
    for line in Path("/etc/passwd").read_text().splitlines()
    if "mlc-test" not in line  # an account of another test may be gone at any time
]


@pytest.mark.parametrize("before", CALLERS)
def test_local_names_stay_unchanged(before):
    answers = bash_answers([("g", name) for name in LOCAL], before=before)
    assert [answer[4:6] for answer in answers] == [good(name) for name in LOCAL]
    assert [usernames.get_canonical_username(name) for name in LOCAL] == LOCAL


@pytest.mark.parametrize("before", CALLERS)
def test_who_does_not_exist_has_no_canonical_name(before):
    answers = bash_answers([("g", name) for name in NOBODY], before=before)
    assert [answer[4:6] for answer in answers] == [REFUSAL for _ in NOBODY]
    for name in NOBODY:
        with pytest.raises(KeyError):
            usernames.get_canonical_username(name)


def test_spelling_of_a_directory(tmp_path, monkeypatch):
    """With fakes for LDAP, which ignores case, and for id, which goes by UID."""
    spelled = "h.baker@hertie-school.lan"
    database = {spelled: spelled, "root": "root", "1001": "1001@lan", "": "nobody", "+x": "x"}
    fake = tmp_path / "id"
    fake.write_text(f"""#!/bin/bash
        [[ $# == 3 && $1 == -un && $2 == -- ]] || exit 2
        case ${{3,,}} in {spelled}) echo {spelled} ;; root) echo "${{3,,}}" ;; *) exit 1 ;; esac
        [[ $3 != root ]] || echo 'This is another account with the same UID.'
    """)
    fake.chmod(0o755)
    monkeypatch.setattr(pwd, "getpwnam", lambda n: SimpleNamespace(pw_name=database[n.lower()]))
    names = ["H.Baker@Hertie-School.LAN", "ROOT", "root", spelled, "h.baker", "+x", "1001", ""]
    expected = [good(name) for name in (spelled, "root", "root", spelled)] + [REFUSAL] * 4
    assert [canonical(name) for name in names] == expected
    for before in CALLERS:
        answers = bash_answers([("g", name) for name in names], before=before, path=tmp_path)
        assert [answer[4:6] for answer in answers] == expected


def test_plain_names_need_no_process():
    """Without PATH no process can be started; only the MD5 of a long name needs one."""
    script = """PATH=/nonexistent
        sanitize_username_for_slice h.baker@hertie-school.lan; get_user_slice_name g "$1"
        sanitize_username_for_container h.baker@hertie-school.lan; get_canonical_username root
        sanitize_username_for_container "$1" 2>/dev/null"""
    done = bash(script, "x" * 33)
    name = "h-baker-at-hertie-school-lan"
    assert done.stdout.decode().split() == [name, f"ds01-g-{'x' * 33}.slice", name, "root"]
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("before", CALLERS)
def test_options_variables_and_locale_of_the_caller_stay(before):
    script = r"""
        state() {
            set +o; shopt || true; trap; printf '%d\n' "${#accent}"
            compgen -v; declare -p LC_ALL LANG LC_CTYPE IFS PATH 2>&1 || true
        }
        arg='' accent=$'\303\251' PIPESTATUS=(0)
        state; printf '\0'
        source "$0"
        for arg in "$@"; do
            sanitize_username_for_slice "$arg"; get_user_slice_name g "$arg"
            sanitize_username_for_container "$arg"; get_canonical_username "$arg" || true
        done >/dev/null
        state
    """
    done = bash(script, "root", "é@x", "y" * 40, "12", "No.Such", before=before)
    assert (done.returncode, done.stderr) == (0, b"")
    first, second = done.stdout.split(b"\0")
    assert first == second


def test_it_can_be_sourced_twice_and_prints_nothing():
    done = bash('source "$0"; declare -F', before="set -euo pipefail; PATH=/nonexistent")
    assert (done.returncode, done.stderr) == (0, b"")
    names = set(re.findall(r"^declare -f (?!_username_)(.+)$", done.stdout.decode(), re.MULTILINE))
    assert names == set(usernames.__all__)
