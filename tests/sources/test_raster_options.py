import pytest

from maskweave.errors import InvalidValue
from maskweave.sources.raster_options import RasterOptions


def test_words_of_the_command_line():
    assert RasterOptions.parse(bands="4, 3,2", stretch="0.5,99.5", window="-600,1500") == RasterOptions(
        bands=(4, 3, 2), stretch=(0.5, 99.5), window=(-600, 1500)
    )
    assert RasterOptions.parse(bands=None, stretch=None, window=None, tiles=True) == RasterOptions(tiles=True)


@pytest.mark.parametrize(
    ("option", "word"),
    [
        ("bands", "1,2"), ("bands", "0"), ("bands", "1.5"), ("bands", "red"), ("bands", ""),
        ("stretch", "98,2"), ("stretch", "2"), ("stretch", "-1,50"), ("stretch", "2,nan"),
        ("window", "40"), ("window", "40,0"), ("window", "a,b"), ("window", "inf,5"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(option, word):
    words = dict.fromkeys(("bands", "stretch", "window")) | {option: word}
    with pytest.raises(InvalidValue, match=f"{option}: need"):
        RasterOptions.parse(**words)
