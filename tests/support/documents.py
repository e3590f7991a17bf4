"""Lists the documents, and finds the commands that they show."""

import re
import shlex

from tests.support.paths import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "tests/**/*.md", "prohmr_jax/**/*.md")
    for path in ROOT.glob(pattern)
)


def commands(text: str) -> list[list[str]]:
    """Arguments of every command line of this package in a document."""
    text = text.replace("\\\n", " ")
    blocks = re.findall(r"```bash\n(.*?)```", text, re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    without_blocks = re.sub(r"```.*?```", "", text, flags=re.S)
    lines += [" ".join(c.split()) for c in re.findall(r"`([^`]+)`", without_blocks)]
    found_in = [
        re.search(
            r"(?:^|&& |\()(?:python -m prohmr_jax\.main|prohmr-jax)(?: (.*))?$", x
        )
        for x in lines
    ]
    split = [shlex.split(match[1] or "", comments=True) for match in found_in if match]
    return [arguments for arguments in split if not {"-h", "--help"} & set(arguments)]
