"""Looks for known vulnerabilities of the packages that this one requires.

`.ci/run` starts it in the environment of the tests. The versions that are installed are
compared with the advisories of PyPI by pip-audit, which gets an environment of its own.
Without these advisories, as on a machine with a mirror of PyPI, it says "not audited"
and does not fail. Nothing that the network does lets it fail or wait for long.
"""

import importlib.metadata
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

from packaging.requirements import Requirement

_TIME_LIMIT_S = 18
# A package whose advisories show whether there are any.
_EXAMPLE = "https://pypi.org/pypi/pip/24.0/json"
# Advisories that do not concern this project: identifier -> reason.
ACCEPTED: dict[str, str] = {}


def required(name: str, versions: dict[str, str]) -> None:
    """Adds a package and all that it requires, with the installed versions.

    Args:
      name: name of the package.
      versions: name -> version of the packages that are known already.
    """
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return  # needed on other systems alone
    if name in versions:
        return
    versions[name] = found.version
    for line in found.requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            required(requirement.name.lower().replace("_", "-"), versions)


def advisories(versions: dict[str, str]) -> dict[str, list[str]]:
    """Returns the advisories of each package for which PyPI says whether it has any.

    Args:
      versions: name -> version of the packages.
    """
    end = time.monotonic() + _TIME_LIMIT_S
    with urllib.request.urlopen(_EXAMPLE, timeout=5) as answer:
        json.load(answer)["vulnerabilities"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        venv.create(folder, with_pip=False)
        python = Path(folder, "bin", "python")
        pip = [sys.executable, "-m", "pip", "--python", python, "install"]
        subprocess.run(
            [*pip, "pip-audit"],
            check=True, capture_output=True, timeout=end - time.monotonic(),
        )  # fmt: skip
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("".join(f"{n}=={v}\n" for n, v in versions.items()))
        done = subprocess.run(
            [python, "-m", "pip_audit", "--format", "json", "--no-deps",
             "--disable-pip", "--progress-spinner", "off", "--requirement", wanted],
            capture_output=True, text=True, timeout=end - time.monotonic(),
        )  # fmt: skip
    return {
        package["name"]: [fault["id"] for fault in package["vulns"]]
        for package in json.loads(done.stdout)["dependencies"]
        if "vulns" in package
    }


def _end(signum: int, frame: object) -> None:
    raise TimeoutError


def main() -> None:
    """Prints what is known, and ends with code 1 if something has to be done."""
    versions: dict[str, str] = {}
    required("prohmr-jax", versions)
    del versions["prohmr-jax"]
    # Each step has a limit of its own; this one ends a server that sends byte by byte.
    signal.signal(signal.SIGALRM, _end)
    signal.alarm(_TIME_LIMIT_S + 2)
    try:
        known = advisories(versions)
    except Exception as error:  # answers of servers can be damaged in any way
        fault = type(error).__name__
        print(f"not audited: the advisories of PyPI cannot be reached ({fault})")
        return
    finally:
        signal.alarm(0)
    if not known:
        print("not audited: the registry has no advisories")
        return
    faults = [
        f"{name} {versions.get(name, '')}: {fault}"
        for name, ids in known.items()
        for fault in ids
        if fault not in ACCEPTED
    ]
    print(f"audited: {len(known)} of {len(versions)} packages, {len(faults)} faults")
    print("".join(f"  {fault}\n" for fault in faults), end="")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
