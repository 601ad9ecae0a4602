"""Text that tries to act as markup in Slack."""

HOSTILE = [
    *("<!channel>", "<!here>", "<!everyone>", "<@U012AB3CD>", "<#C012AB3CD|general>", "<!subteam^S012|ops>"),
    *("<https://evil.example|Removal form>", "<mailto:a@example.com|you>", "<tel:1|call>", "<!date^1|{date}|now>"),
    *("&lt;!channel&gt;", "&amp;lt;!here&amp;gt;", "&#60;!channel&#62;", "<<!channel>>", "< !channel>", "<!channel"),
    *("*bold*", "_italic_", "~struck~", "`code`", "```block```", "> quoted", ">>> all quoted", "&gt; quoted"),
    *("*_~`all`~_*", "• item", "1. item", "- item", "a*b*c", "snake_case_name", "__init__", "`*_", "*", "_", "~", "`"),
    *(
        "http://evil.example",
        "https://evil.example/?a=b&c=d",
        "javascript:alert(1)",
        "evil.example",
        "[x](http://e.example)",
    ),
    *(":boom:", ":skin-tone-6:", "@channel", "@here", "#general", "line\nbreak", "line\r\nbreak", "tab\there"),
    *("\u2028separator", "\u202eright to left", "\u2066isolate\u2069", "zero\u200bwidth", "\ufeffmark", "joi\u200dner"),
    *("\x00nul", "\x1b[31mred", "bell\x07", "\x9bcsi", "\ud800lone", "\U000e0041tag", "a\u0301" * 200, "x" * 40_000),
    *("\n" * 500, " ", "", '}{"type":"header"}', "'; DROP TABLE", "{{7*7}}", "%s%n", "\\", '"', "🜏🜍", "<script>"),
]
