"""Read Word documents."""

import re
from pathlib import Path

import mammoth

from kb.indexing.document import Extract, Section
from kb.indexing.layout.archive import check_office_file, read_office_properties
from kb.indexing.layout.charts import read_charts
from kb.indexing.readers.html import parse_page

NO_IMAGES = mammoth.images.img_element(lambda _: {"src": ""})
BACK_FROM_NOTE = re.compile(r"\s*<a href=\"#[^\"]{0,200}note-ref-[^\"]{0,200}\">↑</a>")
STYLES = "p[style-name='Title'] => h1:fresh\np.Title => h1:fresh"


def read(path: Path) -> Extract:
    check_office_file(path)
    with path.open("rb") as file:
        html = mammoth.convert_to_html(file, convert_image=NO_IMAGES, style_map=STYLES).value
    html = BACK_FROM_NOTE.sub("", html)
    properties = read_office_properties(path)
    return Extract(
        kind="markdown",
        sections=(Section("\n\n".join([parse_page(html).markdown, *read_charts(path)])),),
        property_title=properties.get("title", ""),
        metadata=properties,
    )
