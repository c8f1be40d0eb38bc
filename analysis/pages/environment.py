"""Renders the templates of the report. Jinja2 escapes every value, so no text from the database becomes HTML."""

import json
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from analysis.figures.cards import pieces
from analysis.figures.theme import FIT, SCROLL
from analysis.pages.policy import hash_of, policy
from sweeps.messages import visible

TEMPLATES = Path(__file__).with_name("templates")
"""Folder of the templates."""


def render(template: str, **values: object) -> str:
    """Returns the text of the file `template` in TEMPLATES, filled with `values`.

    Raises jinja2.UndefinedError if the template uses a value that is missing.
    """
    return _environment().get_template(template).render(**values)


@lru_cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"pieces": pieces, "script_json": script_json}
    made.globals["content_policy"] = content_policy
    # The dashboard uses both as well. They are parts of this program, so they need no escaping.
    made.globals |= {"fit": Markup(FIT.read_text(encoding="utf-8")), "scroll": Markup(SCROLL)}
    return made


def content_policy(*scripts: str) -> str:
    """Returns the Content-Security-Policy of a page that is opened from a file and runs only the inline `scripts`."""
    return policy(map(hash_of, scripts), served=False)


def _visible(value: object) -> object:
    """Returns a value as a template prints it. Control characters in text from data become escapes."""
    if isinstance(value, Undefined | Markup) or not isinstance(value, str):
        return value
    return visible(value)


def script_json(value: object) -> Markup:
    """Returns `value` as JSON for a script element. No text in `value` can end the element.

    Jinja2's filter `tojson` would escape every <. The hover texts of points have many <br>, so a page with many points
    would be a fifth larger.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\u0021--"))
