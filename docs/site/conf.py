"""How Sphinx makes a site of the pages in ``docs``: ``make docs``. They stay Markdown, to be read in place."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # the two extensions lie beside this file

project = "SFTP orchestrator"
html_title = project
copyright = "the authors of SFTP orchestrator"  # noqa: A001 - Sphinx reads this name
language = "en"

extensions = ["myst_parser", "sidebar", "diagrams"]
# README.md is what a repository shows for the folder; index.md, which a site begins with, is a link to it.
exclude_patterns = ["README.md", "site"]
nitpicky = True
smartquotes = False  # it would make one dash of the two before an option
# Anchors are GitHub's, so that a link works there and here: of all headings that a page links to.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
# A crontab has no colours; the word says what it is where the pages are read as they lie.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
# System fonts and no other: nothing is asked for beyond the site's own files, which a test holds.
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5cad", "color-brand-content": "#0b5cad"},
    "dark_css_variables": {"color-brand-primary": "#7ab8ff", "color-brand-content": "#7ab8ff"},
}
