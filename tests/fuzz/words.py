"""Words that the parsers know: with them, a fuzzer reaches more code than with random bytes."""

from __future__ import annotations

_TEXTS = (
    *("\n", "\r\n", " ", "\t", "\0", "\\", "'", '"', "#", ":", ";", ",", "=", "/", "-", "&&"),
    *("FROM debian\n", "RUN ", "pip install ", "apt-get install -y ", "numpy", "ffmpeg", "<2"),
    *("COPY ", "ENV ", "<<EOF\n", "EOF\n", "# syntax=x\n", "# escape=`\n", "ONBUILD RUN id\n"),
    *("ARG DS01_USER_ID\n", "RUN useradd DS01_USER_ID\n", "LABEL aime.mlc.DS01_HAS_USER_SETUP"),
    *("[container]\n", "[limits]\n", "[labels]\n", "[gpus]\n", "cpus = ", "memory = ", "16g"),
    *("true", "1001", "2001", "alice", "alice:x:1001:2001::/h:/b\n", "root:x:0:0::/:/b\n"),
    *("Pytorch, 2.8.0, [CUDA_ADA], a/b\n", "device=", "all", "none", "..", "../", "@", "x"),
    *("sha256:", "a" * 64, "0" * 64, "ds01-1001/", "localhost:5000/", "[", "]", "{", "}", "é"),
    *("mlc-manifest.json", '"Id"', '"Labels"', '"Config"', "null", "9" * 30, "\u202e", "==1"),
    *('{"format":"mlc-container","version":1,"name":"n","account":"a",', '"labels":{},'),
    *('"environment":[],"command":[],"entrypoint":[],"working_directory":"/"}', "-rf", "$(id)"),
    *(
        "Step 2/3 : RUN x\n",
        " ---> ",
        " ---> Running in ",
        " ---> Using cache\n",
        "%LOST",
        "%NAMED",
    ),
    *("%BASE", "ssh://", "tcp://", "unix:///", "localhost", ":2375", "-oProxyCommand=x", "\x1b[2J"),
    *('"ID"', '"Spec"', '"Status"', '"GenericResources"', '"files"', '"mode"', "cuda-toolkit-12-8"),
    *("Package: numpy\nStatus: install ok installed\nVersion: 1\n", "/usr/lib/x", "[" * 200),
)
WORDS: tuple[bytes, ...] = (*(text.encode() for text in _TEXTS), b"\xff", b"\x80", b"\xc3")
