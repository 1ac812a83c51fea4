"""Whatever a stranger writes into a result, the page holds the same elements and attributes."""

import csv
import io
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stormbench.benchmarks.leaderboard import build_boards, read_entries
from stormbench.benchmarks.leaderboard.site import render
from stormbench.benchmarks.leaderboard.texts import as_csv, as_latex, as_markdown
from stormbench.benchmarks.results.plain_text import shown

WriteRun = Callable[..., Path]
SIGNS = st.characters(exclude_categories=["Cs"]) | st.sampled_from("<>&\"'`={}[]()%$\\|*_#~^-\u202e\u2066\x00\x1b\n")
TEXT = st.text(SIGNS, min_size=1, max_size=40) | st.sampled_from(
    [
        "</script><script>",
        "]]>",
        "<!--",
        "--></style>",
        "{{7*7}}",
        "{% raw %}",
        "javascript:alert(1)",
        "&lt;",
        "__proto__",
    ]
)


class Skeleton(HTMLParser):
    """Counts elements and the names of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag, tuple(sorted(name for name, _ in attrs))] += 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(TEXT, min_size=6, max_size=6))
@example(texts=["</script><script>alert(1)</script>"] * 6)
@example(texts=['" onmouseover="alert(1)'] * 6)
def test_strangers_cannot_add_an_element(write_run: WriteRun, texts: list[str]) -> None:
    pages = []
    for source, defense, data, skipped, library, version in (["plain"] * 6, texts):
        path = write_run(
            source=source,
            defense=defense,
            data=data,
            skipped=[skipped],
            versions={"stormbench": "0.1.0", library: version},
            images=10,
        )
        boards = build_boards(read_entries(path.parent), published=False)
        pages.append(Skeleton(render(boards)).found)
    assert pages[0] == pages[1]
    (row,) = csv.DictReader(io.StringIO(as_csv(boards)))
    assert row["model"].removeprefix("'") == shown(texts[0]).removeprefix("'")
    assert len(as_markdown(boards).splitlines()) == len(as_markdown(boards).split("\n")) - 1
    assert as_latex(boards).count("\\begin{") == 2
