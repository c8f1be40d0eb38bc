"""Renders the report's templates. Jinja2 escapes every value, so text that people or programs wrote stays text."""

import json
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.figures.cards import pieces
from analysis.figures.theme import FIT, SCROLL

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """Returns the text of one of TEMPLATES, filled with `values`. A value that a template misses raises an error."""
    return _environment().get_template(template).render(**values)


@lru_cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"pieces": pieces, "script_json": script_json}
    # The dashboard uses both files as well. They are parts of this program and hold nothing that a person wrote.
    made.globals |= {"fit": Markup(FIT.read_text(encoding="utf-8")), "scroll": Markup(SCROLL)}
    return made


def script_json(value: object) -> Markup:
    """Returns `value` as JSON for a script element, which the JSON cannot end.

    Jinja2's own filter `tojson` escapes every <, and the texts of many points are full of <br>: those pages would
    be a fifth larger.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("</", "<\\/").replace("<!--", "<\\u0021--"))
