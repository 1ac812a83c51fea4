"""The scripts that the page carries: Vega-Embed for its charts, DataTables for its table, from installed packages."""

import re
from functools import cache
from importlib.resources import files

from stormbench.errors import MissingDependencyError

_INSTALL = "the page of the leaderboard needs {}: pip install 'stormbench[leaderboard]'"
_EXPORTS = re.compile(r"export\s*\{([^{}]*)\};?")


@cache
def vega_embed() -> str:
    """A script that defines ``vegaEmbed``.

    Raises:
        MissingDependencyError: vl-convert-python is not installed.
    """
    try:
        from vl_convert import javascript_bundle
    except ImportError:
        raise MissingDependencyError(_INSTALL.format("vl-convert-python")) from None
    return _enclosed(javascript_bundle(snippet="globalThis.vegaEmbed = vegaEmbed;"))


@cache
def datatables() -> str:
    """A script that defines ``DataTable``.

    Raises:
        MissingDependencyError: itables is not installed.
    """
    try:
        module = files("itables").joinpath("html/dt_bundle.js").read_text(encoding="utf-8")
    except ImportError:
        raise MissingDependencyError(_INSTALL.format("itables")) from None
    # A module inlined in a page cannot be imported from, so its default export becomes a global instead.
    return _enclosed(_EXPORTS.sub(_default_as_global, module))


def _default_as_global(exports: re.Match[str]) -> str:
    names = dict(part.split(" as ")[::-1] for part in exports[1].split(",") if " as " in part)
    return f"globalThis.DataTable = {names['default']};"


def _enclosed(script: str) -> str:
    """In a scope of its own, and without what would end the element that it stands in."""
    inert = script.replace("</script", r"<\/script").replace("<!--", r"<\!--").replace("\r\n", "\n").replace("\r", "\n")
    return f"(() => {{\n{inert}\n}})();"
