"""Fuzz one harness, or all, with atheris: `make fuzz`, or `fuzz.py [NAME] [--seconds N]`.

Failing inputs are stored in tests/fuzz/corpus/NAME, and are tests from then on.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
_RUNS = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_PATHS = [str(each) for each in (HERE, HERE.parent, HERE.parents[1], HERE.parents[1] / "lib")]


def one(name: str, seconds: int, keep: Path = CORPUS) -> tuple[int, str]:
    """Fuzz a harness in a new process.

    Args:
        name: the harness.
        seconds: how long.
        keep: the corpus: a failing input is stored in its directory of the harness's name.

    Returns:
        The number of inputs, and the output of a failure, or an empty text.
    """
    place = keep / name
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as new:
        argv = [sys.executable, __file__, "--inside", name, "--seconds", str(seconds)]
        argv += ["--keep", str(keep), "--new", new]
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)
    runs = _RUNS.search(done.stderr)
    said = f"{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return int(runs[1]) if runs else 0, "" if done.returncode == 0 and runs else said


def inside(name: str, seconds: int, keep: Path, new: Path) -> None:
    """Fuzz in this process; `new` is the directory for inputs that reach new code."""
    import atheris

    sys.path[:0] = _PATHS
    with atheris.instrument_imports(include=["mlc_patched", "username_utils"]):
        from harnesses import HARNESSES
    from words import WORDS

    dictionary = new / "dictionary"
    lines = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in WORDS)
    dictionary.write_text("\n".join(lines))
    options = [f"-max_total_time={seconds}", "-print_final_stats=1", f"-dict={dictionary}"]
    options += [f"-artifact_prefix={keep / name}/", "-timeout=20", "-rss_limit_mb=2000"]
    seeds = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    inputs = new / "inputs"  # not in the corpus, which holds only failing inputs
    inputs.mkdir()
    atheris.Setup([__file__, *options, str(inputs), *seeds], HARNESSES[name])
    atheris.Fuzz()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fuzz the parsers with atheris.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a harness (default: all)")
    parser.add_argument("--seconds", type=int, default=10, help="for each (default: 10)")
    parser.add_argument("--inside", metavar="NAME", help=argparse.SUPPRESS)
    parser.add_argument("--keep", type=Path, default=CORPUS, help=argparse.SUPPRESS)
    parser.add_argument("--new", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.inside, arguments.seconds, arguments.keep, arguments.new)
        return 0
    sys.path[:0] = _PATHS
    from harnesses import HARNESSES

    failed = 0
    for name in arguments.names or HARNESSES:
        runs, fault = one(name, arguments.seconds, arguments.keep)
        print(f"{name:20} {runs:>9,} inputs  {'FAILED' if fault else 'ok'}", flush=True)
        if fault:
            failed += 1
            print(fault)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
