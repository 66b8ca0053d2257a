"""A chart is a text that anybody can read, on any page, and the same one for the same figures."""

from pathlib import Path
from xml.etree import ElementTree

from benchmarks import charts

SERIES = {"voicebus": (0.5, 1.25), "somebody": (1.5, None)}


def test_bars_name_every_group_series_and_value(tmp_path: Path) -> None:
    charts.bars(tmp_path / "bars.svg", "How fast", "seconds", ("one", "eight"), SERIES)
    texts = {text.strip() for text in ElementTree.parse(tmp_path / "bars.svg").getroot().itertext()}
    assert {"How fast", "seconds", "one", "eight", "voicebus", "somebody", "0.5", "1.25", "1.5", "–"} <= texts


def test_lines_name_their_axes_and_series(tmp_path: Path) -> None:
    charts.lines(tmp_path / "lines.svg", "How it grows", "workers", "turns a second", (1, 2), SERIES)
    texts = {text.strip() for text in ElementTree.parse(tmp_path / "lines.svg").getroot().itertext()}
    assert {"How it grows", "workers", "turns a second", "voicebus", "somebody"} <= texts


def test_the_same_figures_draw_the_same_file(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        charts.bars(tmp_path / name, "How fast", "seconds", ("one", "eight"), SERIES)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_a_dark_page_gets_every_light_colour_exchanged(tmp_path: Path) -> None:
    charts.bars(tmp_path / "bars.svg", "How fast", "seconds", ("one", "eight"), SERIES)
    svg = (tmp_path / "bars.svg").read_text()
    for light, dark in charts.DARK.items():
        assert f"{light}" in svg.partition("</style>")[2]
        assert f"{{fill:{dark} !important}}" in svg


def test_ours_always_has_our_colour() -> None:
    assert charts.colours({"a": (), "voicebus": (), "b": ()})[1] == charts.OURS
