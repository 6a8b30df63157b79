"""Tables of a server's benchmark."""

from collections.abc import Sequence
from statistics import median

from perf.load.measures import Percentiles
from perf.report.tables import Table, figure
from perf.server.results import BenchFigures, Loop, Run

HOW = """\
A stream's times run from the moment its request was due; an open loop is charged for sending late. First audio is the
first chunk with sound. A stream's real-time factor is the time from its request to its last sound over the length of
the sound, waiting included; that *in all* is wall time over the length of all sound. CPU s is processor time of all the
server's processes for a second of sound. An underrun is a moment at which a listener who plays at 1x from the first
chunk on has nothing to play. Percentiles of a few streams are interpolated: a p99 of fewer than a hundred streams is
little less than the worst one. Requests are bare `tritonclient` streams from one process on the same machine; no text
comes twice.

Development checkpoints do not end speech on their own reliably, so each request is bounded: 21.53 frames a second for
the time that a person would take to say the text (15 characters a second; Chinese 5, Japanese 7). They make noise.
Only those of full size have the published sizes, and so the speed of a real one."""


def bench_tables(size: BenchFigures) -> list[Table]:
    """All tables of a checkpoint that have something in them."""
    profiles = dict.fromkeys(run.profile for run in size.runs)
    by_profile = {profile: [run for run in size.runs if run.profile == profile] for profile in profiles}
    tables = [make(*each) for each in by_profile.items() for make in (_latency_table, _throughput_table)]
    tables += [
        _bare_table(size),
        _added_table(size),
        _reference_table(size),
        _memory_table(size),
    ]
    return [table for table in tables if table.rows]


def _latency_table(profile: str, runs: Sequence[Run]) -> Table:
    columns = ("load", "texts", "streams", "first audio", "second chunk", "between chunks")
    rows = [
        (
            _load(run),
            run.lengths,
            str(run.summary.ok),
            _percentiles(run.summary.first_audio_ms),
            _percentiles(run.summary.second_chunk_ms),
            _percentiles(run.summary.gap_ms),
        )
        for run in runs
    ]
    return Table(f"Waiting, profile {profile}", columns, rows, "Milliseconds, p50 / p90 / p95 / p99.")


def _throughput_table(profile: str, runs: Sequence[Run]) -> Table:
    columns = ("load", "texts", "audio s/s", "RTF p50 / p95", "RTF in all", "CPU s", "underruns", "streams with them")
    rows = [
        (
            _load(run),
            run.lengths,
            figure(run.summary.audio_s_per_s, 2),
            f"{figure(run.summary.rtf.p50, 2)} / {figure(run.summary.rtf.p95, 2)}",
            figure(run.summary.rtf_in_all, 2),
            figure(run.cpu_s_per_audio_s, 2),
            f"{run.summary.underruns}, {figure(run.summary.silence_s, 1)} s",
            f"{run.summary.streams_with_underruns} of {run.summary.ok}",
            str(run.summary.refused),
            str(run.summary.failed),
        )
        for run in runs
    ]
    return Table(f"Throughput and playing, profile {profile}", (*columns, "refused", "failed"), rows)


def _load(run: Run) -> str:
    if run.loop is Loop.OPEN:
        return f"Poisson, {run.arrivals_per_s:.2f}/s ({run.load_share:.0%})"
    return f"{run.concurrency} at a time"


def _percentiles(found: Percentiles) -> str:
    return " / ".join(figure(value) for value in (found.p50, found.p90, found.p95, found.p99))


def _bare_table(size: BenchFigures) -> Table:
    rows = [
        (
            f"{bare.concurrency} at a time, {bare.streams} streams",
            ", ".join(figure(rate, 2) for rate in bare.server),
            ", ".join(figure(rate, 2) for rate in bare.bare),
            f"{bare.share:.0%}",
        )
        for bare in size.bare
    ]
    note = (
        "Seconds of sound a second of each run, in turn, same streams. The bare engines are the server's two engines in"
        " two processes with the same settings and threads, without Triton, network and voice step."
    )
    return Table("The server beside the bare engines", ("load", "server", "bare engines", "share"), rows, note)


def _added_table(size: BenchFigures) -> Table:
    rows = [
        (
            f"profile {added.profile}, {len(added.bare_ms)} pairs",
            figure(median(added.server_ms), 1),
            figure(median(added.bare_ms), 1),
            f"{added.added_ms:+.1f}",
        )
        for added in size.added
    ]
    note = (
        "Lone requests of one chunk, through the server and through the bare engines in turn; the last column is the"
        " median of the differences. Profile notes gathers arrivals for up to 100 ms on purpose."
    )
    return Table("What the server adds to first audio", ("", "server ms", "bare engines ms", "added ms"), rows, note)


def _reference_table(size: BenchFigures) -> Table:
    compared = size.reference
    if compared is None:
        return Table("", (), [])
    reference, alone, together = compared.reference, compared.alone, compared.together
    theirs = reference.short_context
    rows = [
        (
            "audio s/s, 8 callers",
            figure(theirs.audio_s_per_s, 2),
            figure(together.audio_s_per_s, 2),
            f"{compared.throughput_ratio:.1f} times",
        ),
        (
            "first audio ms, 1 caller, p50",
            figure(median(theirs.first_audio_s(1)) * 1e3),
            figure(alone.first_audio_ms.p50),
            f"1/{compared.first_audio_ratio:.1f}",
        ),
        (
            "first audio ms, 8 callers, p50",
            figure(median(theirs.first_audio_s(8)) * 1e3),
            figure(together.first_audio_ms.p50),
            f"1/{compared.first_audio_ratio_together:.1f}",
        ),
    ]
    note = (
        f"fish-speech 0.1.0 as its own server calls it: {reference.dtype}, one request after the other, heard when all"
        f" of it is decoded, on all cores, with a context of {theirs.context} positions. {len(theirs.taken_s)} texts of"
        f" at most {reference.frames} frames, the same for both. Peak memory of its process:"
        f" {figure(reference.peak_mb)} MB."
    )
    return Table("Beside fish-speech", ("", "fish-speech", "this server", "ratio"), rows, note)


def _memory_table(size: BenchFigures) -> Table:
    groups = [(f"server, {profile}", memory) for profile, memory in size.memory.items()]
    groups.append(("bare engines", size.bare_memory))
    rows = [
        (name, each.name, str(each.processes), figure(each.peak_mb), figure(each.now_mb))
        for name, memory in groups
        for each in memory
    ]
    rows += [(f"server, {profile}", "CUDA device", "", "", figure(mb)) for profile, mb in size.device_memory_mb.items()]
    note = "Resident memory; the peak is the kernel's own, over the life of each process, and those of a name added up."
    return Table("Memory", ("", "process", "how many", "peak MB", "at the end MB"), rows, note)
