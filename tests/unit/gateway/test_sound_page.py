"""docs/sound.md lists the formats that there are."""

from s1_gateway.encoding import AudioFormat, SoundSpec
from s1_gateway.encoding.formats import TRAITS, bit_rates_bps
from tests.doc_pages import ROOT, tables_under

PAGE = ROOT / "docs" / "sound.md"


def test_every_format_is_listed_with_its_type_and_its_rates() -> None:
    (table,) = tables_under(PAGE, "Formats")
    expected = []
    for audio_format in AudioFormat:
        spec = SoundSpec(audio_format)
        rates = [spec.rate_hz, *(rate for rate in TRAITS[audio_format].rates_hz if rate != spec.rate_hz)]
        expected.append((f"`{audio_format}`", f"`{spec.media_type}`", ", ".join(map(str, rates))))
    assert [row[:3] for row in table] == expected


def test_bit_rates_are_the_codes() -> None:
    (table,) = tables_under(PAGE, "Formats")
    for row in table:
        spec = SoundSpec(AudioFormat(row[0].strip("`")))
        rates = bit_rates_bps(spec.format, spec.rate_hz)
        told = f"{spec.chosen_bit_rate_bps}, {rates[0]} to {rates[-1]}" if rates else ""
        assert row[3].startswith(told)
        assert bool(row[3]) == bool(rates)
