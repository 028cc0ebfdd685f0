"""HTML pages by jinja2 templates, *.j2 beside the modules that use them; page.html.j2 is their frame."""

import base64
from pathlib import Path

import jinja2

_ROOT = Path(__file__).parent


def render(template: str, **values: object) -> str:
    """Render a template, named by its path in the package; values are escaped, unknown names are errors."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_ROOT),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return environment.get_template(template).render(**values)
