"""Settings of the documentation site, read by `sphinx-build -W -c docs . build/site`.

The root of the repository is the source, so that links between documents are the same
here and where the repository is browsed.
"""

import re

from prohmr_jax import __version__

# Captions of the navigation, and the pages below each of them.
NAVIGATION = {
    "Use it": ["start", "video", "multiview", "fit", "export", "result_files"],
    "See how": ["notebooks/*"],
    "Your own models": ["checkpoints", "training", "lifting", "datasets"],
    "What to believe": [
        "results",
        "plausibility",
        "model_cards",
        "evaluation",
        "open_benchmark",
        "paper_tables",
        "real_footage",
        "fitting",
        "detector_errors",
        "joints",
        "parity",
        "performance",
    ],
    "Python": ["api/prohmr_jax"],
    "The project": ["../ARCHITECTURE", "../CONTRIBUTING", "../CHANGELOG"],
}

# Folders of the package that programs call and users do not, or that hold data.
NOT_IN_API = "assets benchmarks configs modes open_body parity viewer data/datasets"

project = "prohmr_jax"
author = copyright = "the authors of prohmr_jax"
release = __version__
extensions = [
    "myst_nb",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]

# Pages.
root_doc = "README"
include_patterns = ["*.md", "docs/**"]
exclude_patterns = [".*", "build", "data", "outputs", "runs", "tests"]
exclude_patterns += ["docs/conf.py", "docs/api/modules.rst"]
myst_heading_anchors = 4

# Notebooks are Python files in jupytext's percent format. Every build runs them.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 1200
# Only a kernel names the language of the cells, so a build that runs none cannot.
suppress_warnings = ["myst-nb.lexer"]

# The pages of the API are written from the docstrings, one for each folder.
apidoc_modules = [
    {
        "path": "../prohmr_jax",
        "destination": "docs/api",
        "exclude_patterns": [f"../prohmr_jax/{name}" for name in NOT_IN_API.split()],
        "max_depth": 1,
        "module_first": True,
    }
]
autodoc_member_order = "bysource"
napoleon_use_ivar = True
toc_object_entries = False
default_role = "code"

# Appearance: system fonts and no scripts of others, so that pages open offline.
html_theme = "furo"
html_title = "prohmr_jax"
html_extra_path = ["index.html"]
html_copy_source = False


def add_navigation(app, page: str, source: list[str]) -> None:
    """Appends the navigation to the first page; a forge would show it as code."""
    if page != root_doc:
        return
    for caption, pages in NAVIGATION.items():
        paths = "\n".join(f"docs/{name}".replace("docs/../", "") for name in pages)
        source[0] += (
            f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n:glob:\n{paths}\n```\n"
        )


def escape_marks(app, what, name, obj, options, lines: list[str]) -> None:
    """Escapes what reStructuredText reads as markup, but docstrings do not mean so."""
    parts = re.split(r"(`[^`]*`)", "\n".join(lines))
    marks = r"(?m)^( *\* )|([*|]|_\b)"
    parts[::2] = [
        re.sub(marks, lambda m: m[1] or rf"\{m[2]}", part) for part in parts[::2]
    ]
    # Code ends before a letter only if a space that is not shown is between them.
    parts[2::2] = [re.sub(r"^(?=\w)", r"\\ ", part) for part in parts[2::2]]
    lines[:] = "".join(parts).split("\n")


def setup(app) -> None:
    """Connects the hooks; docstrings are escaped before napoleon reads them."""
    app.connect("source-read", add_navigation)
    app.connect("autodoc-process-docstring", escape_marks, priority=400)
