"""The documentation site: built whole, with notebooks that run, and open offline."""

import re
import subprocess
import sys

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, whose build fails at the first warning, as at a broken link."""
    pytest.importorskip("myst_nb")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-c", "docs", ".", folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-4000:]
    return folder


@pytest.mark.slow
def test_the_site_has_all_pages_and_loads_nothing_from_elsewhere(site):
    pages = {str(path.relative_to(site)) for path in site.rglob("*.html")}
    documents = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    documents += ROOT.glob("docs/notebooks/*.py")
    for document in documents:
        assert str(document.relative_to(ROOT).with_suffix(".html")) in pages
    for page in pages:
        text = (site / page).read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]* src=\"([^\"]*)", text)
        loaded += re.findall(
            r"<link[^>]* rel=\"stylesheet\"[^>]* href=\"([^\"]*)", text
        )
        assert [name for name in loaded if re.match(r"(\w+:)?//", name)] == [], page
    assert "README.html" in (site / "index.html").read_text(encoding="utf-8")
    api = (site / "docs/api/prohmr_jax.inference.html").read_text(encoding="utf-8")
    assert "Returns the mode and samples of the distribution" in api


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(ROOT.glob("docs/notebooks/*.py")), ids=str)
def test_notebooks_have_pictures(path, site):
    page = site / "docs/notebooks" / f"{path.stem}.html"
    pictures = re.findall(r"<img [^>]*_images/", page.read_text(encoding="utf-8"))
    assert pictures
