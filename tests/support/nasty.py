"""Text from outside at its worst, and what no outlet may let through."""

import unicodedata

NASTY = {
    "rich markup": "[red]x[/] [/nothing] [link=http://evil.example]y[/link]",
    "textual action": "[@click=app.quit]free money[/]",
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" x=\'y\' </title></style></svg>',
    "comment": "--> <!-- ]]> <![CDATA[",
    "template": "{{ 7 * 7 }} {% raw %} ${{ steps.x }} %s %(x)s {0}",
    "markdown": "| a | b |\n# head\n```\n[z](javascript:0) ![i](http://evil.example/i) **x** ~~y~~",
    "auto link": "<http://evil.example> <a@evil.example>",
    "backticks": "`` ` `touch /tmp/never` $(touch /tmp/never)",
    "formula": "=cmd|'/c calc'!A0",
    "formula plus": "+1+cmd|'/c calc'!A0",
    "formula minus": "-1+cmd|'/c calc'!A0",
    "formula at": "@SUM(1+1)*cmd|'/c calc'!A0",
    "formula tab": "\t=1+1",
    "formula wide": "\uff1d1+1",
    "formula behind a break": "x\r\n=1+1",
    "colours": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
    "title": "\x1b]0;owned\x07 \x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07 \x1bP$q\x1b\\",
    "c1": "\x9b31m \x9d0;owned\x9c \x90q\x9c \x85",
    "overwriting": "well\rEVIL\x08\x08\x7f",
    "bidi": "\u202egnp.exe \u2066x\u2069 \u200f\u061c",
    "lines": "one\u2028two\u2029three\x0bfour\x0cfive\nsix",
    "zero width": "a" + "\u200b\u200d\ufeff" * 2000 + "b",
    "marks": "z" + "\u0301\u0489" * 2000,
    "tags": "x\U000e0041\U000e007f \ufff9y\ufffb",
    "surrogate": "\ud800 \udcff \udfff",
    "nul": "a\0b\0",
    "path": "../../../etc/passwd /etc/passwd ~root CON NUL",
    "endless": "x" * 1_000_000,
    "endless wide": "\u5927" * 200_000,
}
"""What an object key, a table, a server's message, a note or a shell's output may say."""


def unsafe(text: str, allowed: str = "\n") -> list[str]:
    """Characters that would do something instead of being shown, and floods of marks."""
    found = [
        f"U+{ord(each):04X}"
        for each in set(text) - set(allowed)
        if unicodedata.category(each)[0] == "C" or unicodedata.category(each) in ("Zl", "Zp")
    ]
    run = 0
    for each in text:
        run = run + 1 if unicodedata.category(each)[0] == "M" else 0
        if run > 8:
            return [*found, "a flood of combining marks"]
    return found
