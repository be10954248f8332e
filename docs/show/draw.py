# SPDX-License-Identifier: Apache-2.0
"""Renders comment.md to HTML, lets Chromium draw it, crops it, and writes comment.png; docs/show/comment calls this.

    draw.py CHROMIUM FOLDER

The picture carries the SHA-256 of the text that it shows, so that a test can tell when it is out of date.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

from markdown_it import MarkdownIt
from PIL import Image, ImageChops
from PIL.PngImagePlugin import PngInfo

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 900, 4000
# Drawn larger than it is shown, for screens with small pixels.
SCALE = 2
BACKGROUND = "#ffffff"

STYLE = f"""
html {{ background: {BACKGROUND} }}
body {{ margin: 0; padding: 16px; width: {WIDTH - 32}px; font: 14px/1.5 -apple-system, "Segoe UI", "Noto Sans", "Liberation Sans", Helvetica, Arial, sans-serif; color: #1f2328 }}
article {{ border: 1px solid #d0d7de; border-radius: 6px; overflow: hidden }}
header {{ background: #f6f8fa; border-bottom: 1px solid #d0d7de; padding: 8px 16px; color: #59636e }}
header b {{ color: #1f2328 }}
header span {{ border: 1px solid #d0d7de; border-radius: 2em; padding: 0 7px; font-size: 12px; margin-left: 4px }}
main {{ padding: 16px }}
main > :first-child {{ margin-top: 0 }}
main > :last-child {{ margin-bottom: 0 }}
h3 {{ font-size: 1.25em; margin: 24px 0 16px }}
h4 {{ font-size: 1em; margin: 24px 0 16px }}
p, ul, details, pre {{ margin: 0 0 16px }}
ul {{ padding-left: 2em }}
li > ul, li > p {{ margin-bottom: 8px }}
li + li {{ margin-top: 4px }}
code {{ font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; background: #eff1f3; border-radius: 6px; padding: 2.5px 5px; overflow-wrap: anywhere }}
pre {{ background: #f6f8fa; border-radius: 6px; padding: 16px }}
pre code {{ background: none; padding: 0; white-space: pre-wrap }}
"""


def main():
    chromium, folder = sys.argv[1], Path(sys.argv[2])
    source = (HERE / "comment.md").read_bytes()
    # GitHub's flavour as far as the comment uses it: CommonMark with its HTML, and tables.
    comment = MarkdownIt("commonmark", {"html": True}).enable("table").render(source.decode())
    page = folder / "comment.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>'
        f"<article><header><b>github-actions</b> <span>bot</span> commented</header><main>{comment}</main></article>"
    )
    drawn = folder / "drawn.png"
    subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder / 'profile'}",
            f"--force-device-scale-factor={SCALE}",
            f"--window-size={WIDTH},{HEIGHT}",
            f"--screenshot={drawn}",
            page.as_uri(),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with Image.open(drawn) as opened:
        image = opened.convert("RGB")
    left, top, right, bottom = ImageChops.difference(image, Image.new("RGB", image.size, BACKGROUND)).getbbox()
    if bottom >= image.height - SCALE * 100:
        sys.exit(f"docs/show/draw.py: the comment is higher than {HEIGHT} pixels: raise HEIGHT")
    image = image.crop((left, top, right, bottom)).quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    about = PngInfo()
    about.add_text("Source", "comment.md sha256:" + hashlib.sha256(source).hexdigest())
    image.save(HERE / "comment.png", optimize=True, pnginfo=about)


if __name__ == "__main__":
    main()
