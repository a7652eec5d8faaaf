"""Follows every link of the book under target/book, and says which lead nowhere."""

import html
import re
import sys
from pathlib import Path
from urllib.parse import unquote

BOOK = Path("target/book/docs")
# All pages in one, with links of all of them, and mdBook's own.
SKIPPED = {"print.html", "toc.html", "404.html"}


def main() -> None:
    pages = {path.resolve(): path.read_text() for path in BOOK.rglob("*.html") if path.name not in SKIPPED}
    places = {path: set(re.findall(r'\bid="([^"]*)"', text)) for path, text in pages.items()}
    count, dead = 0, []
    for path, text in pages.items():
        for found in re.findall(r'<a [^>]*href="([^"]*)"', text):
            link = html.unescape(found)
            if re.match(r"(https?|mailto):", link):
                continue
            count += 1
            address, _, place = link.partition("#")
            target = (path.parent / unquote(address)).resolve() if address else path
            if not target.exists() or (place and target in pages and unquote(place) not in places[target]):
                dead.append(f"{path.relative_to(BOOK.resolve())}: {link}")
    if dead or not count:
        sys.exit("links of the book that lead nowhere:\n" + "\n".join(dead))
    print(f"the book is {BOOK}/index.html: {len(pages)} pages, {count} links")


main()
