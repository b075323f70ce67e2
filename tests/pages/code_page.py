"""docs/codes.md, from the table of codes and their examples."""

from __future__ import annotations

from collections.abc import Iterator

from meshproxy.config.codes import CODES, Code

from .code_example import SHOP, CodeExample, examples

_HEAD = """\
# What the codes mean

<!-- written by `make docs` from meshproxy/config/codes.py and tests/pages/codes.yaml -->

`meshproxy check` gives each problem as

    file:line:column: severity CODE object field.path: expected ..., found ...

An `error` is in the way: the object is refused, or requests that it speaks of fail. A `warning` is
in force but probably not what is meant; `--strict` refuses it. An `info` is worth knowing. Codes
are stable: a number is never given a new meaning. `check -o sarif` carries this page's text to
code review.

Every example is a file of its own, checked together with these manifests. [MP316](#mp316), which
nearly every VirtualService has, is shown once and left out elsewhere.

```yaml
"""

_GROUPS = {
    "MP0": "Files and YAML",
    "MP1": "The shape of one object",
    "MP2": "References between objects",
    "MP3": "What the rules mean",
    "MP4": "What the proxy did about it",
}


def page() -> str:
    """Give the whole page."""
    return _HEAD + SHOP.read_text(encoding="utf-8") + "```\n" + "".join(_sections())


def _sections() -> Iterator[str]:
    shown = examples()
    for prefix, title in _GROUPS.items():
        codes = [code for code in CODES.values() if code.id.startswith(prefix)]
        yield f"\n## {title}\n\n| code | severity | |\n|---|---|---|\n"
        for code in codes:
            yield f"| [{code.id}](#{code.id.lower()}) | {code.severity} | {code.title} |\n"
        for code in codes:
            yield from _section(code, shown[code.id])


def _section(code: Code, example: CodeExample) -> Iterator[str]:
    yield f"\n### {code.id}\n\n**{code.title}** ({code.severity}). {code.meaning}\n"
    if example.how:
        yield f"\nExample: {example.how}\n"
    else:
        yield f"\n```yaml\n{example.text}```\n\n"
        found = example.problems()
        yield "".join(f"    {problem}\n" for problem in found if problem.code == code.id)
    yield f"\nWhat to do: {code.remedy}\n"
