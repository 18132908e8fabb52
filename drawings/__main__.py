"""`python -m drawings`: both pictures anew, beside the texts, each stamped with the data it was drawn from."""

from pathlib import Path

from drawings import draw
from portal.library import loading, pages

if __name__ == "__main__":
    folder = Path(pages.__file__).with_name("pages")
    for name, picture in draw.all_of(loading.load(folder)).items():
        (folder / f"{name}.svg").write_text(picture, "utf-8")
