"""Say in plain words that a build could not use a server: a registry, a package index or git. Pure.

Each function gets the output, and returns '' if it finds nothing.
"""

from __future__ import annotations

import re

from .environment import CA_VARIABLE

_REGISTRY = "docker login REGISTRY, if it is a private one"
_NETWORK = "check the address; behind a proxy, set http_proxy and https_proxy"  # see docs/images.md
_HOST = re.compile(
    r"host='([\w.-]+)'|https?://(?:[^/\s@]*@)?([\w.-]+)|[Rr]esolve(?: host:?)? '?([\w.-]+\w)"
    r"|resolving '([\w.-]+)|lookup ([\w.-]+) on"
)


def certificate(text: str) -> str:
    """Whether a certificate is not trusted."""
    line = last_line(
        r"certificate verif\w+ failed|CERTIFICATE_VERIFY_FAILED|invalid peer certificate"
        r"|certificate signed by unknown authority|SSL certificate problem"
        r"|certificate is NOT trusted",
        text,
    )
    if not line:
        return ""
    host = _host(line) or _host(text)
    if "x509" in line:
        return (
            f"The engine does not trust the certificate of {host or 'the registry'}: an "
            "administrator puts ca.crt in /etc/docker/certs.d/REGISTRY."
        )
    return (
        f"The certificate of {host or 'a server'} is not trusted in the build: set {CA_VARIABLE} "
        "to the file of your site's certificate authority."
    )


def login(text: str) -> str:
    """Whether a login is missing or refused."""
    if match := re.search(
        r"Permission denied \(publickey[^)\n]*\)?|Host key verification failed"
        r"|could not read Username for|cannot run ssh|Authentication failed for",
        text,
    ):
        return (
            f"git could not log in ({match[0]}). For a private repository start an agent "
            '(eval "$(ssh-agent)" && ssh-add) and give its URL as git+ssh://git@HOST/PATH.'
        )
    if (match := re.search(r"\bUser for ([^\s:]+)(?::\d+)?: ", text)) and "EOFError" in text:
        return (
            f"The package index at {match[1]} asks for a login: set PIP_INDEX_URL to its address "
            "with one (https://USER:TOKEN@HOST/…)."
        )
    match = re.search(r"\b(401|403)\b[^\n]{0,40}(?:Unauthorized|Forbidden|for url)", text)
    match = match or re.search(r"[Ss]tatus (?:code )?\(?(401|403)", text)
    if match and not re.search(r"pull access denied|insufficient_scope", text):
        where = _host(last_line(re.escape(match[0]), text)) or "the server"
        return f"Access to {where} was refused (HTTP {match[1]}): check the login in its URL."
    return ""


def image(text: str) -> str:
    """Whether there is no such image, or it may not be pulled."""
    match = (
        re.search(r"pull access denied for ([^\s,]+)", text)
        or re.search(r"manifest for (\S+) not found", text)
        or re.search(
            r"resolve source metadata for (\S+): .*(?:not found|unauthorized|denied)", text
        )
        or re.search(
            r"load metadata for ([^\s]+):?\n(?:.*\n)*.*(?:not found|denied|unauthorized)", text
        )
        or re.search(
            r"[Ii]nitializing source docker://(\S+): .*(?:denied|unknown|unauthorized)", text
        )
    )
    if match:
        return f"There is no image {match[1].rstrip(':')}, or you may not pull it: {_REGISTRY}."
    if re.search(r"toomanyrequests|pull rate limit", text):
        return "The registry allows no more pulls for now. Log in (docker login), or try later."
    if match := re.search(r"no matching manifest for (\S+)", text):
        return f"The base image is not there for this machine's architecture ({match[1]})."
    return ""


def network(text: str) -> str:
    """Whether a server could not be found or reached."""
    tail = "\n".join(text.splitlines()[-40:])
    names = (
        r"Temporary failure|Name or service not known|Could not resolve|Failed to resolve"
        r"|no such host|failed to lookup address|nodename nor servname"
    )
    links = (
        r"Connection refused|Network is unreachable|No route to host|[Cc]onnection timed out"
        r"|Read timed out|ConnectTimeout|[Cc]onnection reset by peer|CONNECTION FAILED"
        r"|operation timed out|i/o timeout|Cannot initiate the connection|Could not connect to"
    )
    for pattern, what in ((names, "could not be found by name"), (links, "could not be reached")):
        line = last_line(pattern, tail)
        # pip tries again, and may fail at another package in the end.
        missing = re.search(r"No matching distribution found for ([\w.-]+)", tail)
        is_retry = "Retrying (" in line and missing is not None
        if line and not (is_retry and missing and f"/{missing[1].lower()}/" not in line.lower()):
            where = _host(line) or _host(tail)
            return f"{where or 'A server'} {what} from the build: {_NETWORK}."
    return ""


def server(text: str) -> str:
    """Whether a server failed."""
    match = re.search(
        r"(5\d\d) Server Error: .* for url|too many (5\d\d) error responses"
        r"|HTTP status server error \((5\d\d)",
        text,
    )
    if not match:
        return ""
    status = next(filter(None, match.groups()))
    where = _host(last_line(re.escape(match[0]), text)) or "A server"
    return f"{where} does not work at the moment (HTTP {status}): try again later."


def last_line(pattern: str, text: str) -> str:
    """Return the last line that contains a pattern, or ''."""
    return next((line for line in reversed(text.splitlines()) if re.search(pattern, line)), "")


def _host(text: str) -> str:
    match = _HOST.search(text)
    return next(filter(None, match.groups())) if match else ""
