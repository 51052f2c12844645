"""Words that a page must show and never obey."""

TEXT = (
    "<script>window.hacked=1</script> <img src=x onerror='window.hacked=1'>\n\n"
    "![a](http://evil.example/a.png) ![b][c] [click](javascript:window.hacked=1)\n\n"
    "[c]: http://evil.example/c.png\n\n<http://evil.example/> <iframe src=//evil.example></iframe>"
)
FILE_NAME = "<img src=x onerror=window.hacked=1>.md"
DOCUMENT = f"# <b onclick=window.hacked=1>Lamps</b>\n\nLamps are warm. {TEXT}\n"
# A row each.
NOTES = (
    "INSERT INTO notes VALUES (1, '<img src=x onerror=\"window.hacked=1\">')",
    "INSERT INTO notes VALUES (2, '![x](http://evil.example/x.png) [y](javascript:hacked=1)')",
    "INSERT INTO notes VALUES (3, REPEAT('<b>long</b> ', 80000))",
    "INSERT INTO notes VALUES (4, REPEAT('<b>long</b> ', 830000))",
)
