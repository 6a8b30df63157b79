"""Tables of a siege: what was tried, held and lost, and what was measured on the way."""

from perf.conditions import Conditions
from perf.report.tables import Table, figure
from perf.siege.figures import SiegeFigures


def siege_table(figures: SiegeFigures) -> Table:
    """Each attack, and all together."""
    rows: list[tuple[str, ...]] = [
        (name, str(tally.tried), str(tally.held), str(len(tally.lost)), figure(tally.seconds, 0, " s"))
        if tally.tried or not tally.not_tried
        else (name, "not tried", "-", "-", "-")
        for name, tally in figures.tallies.items()
    ]
    tallies = figures.tallies.values()
    sums = (sum(each.tried for each in tallies), sum(each.held for each in tallies), len(figures.lost))
    rows.append(("**all**", *map(str, sums), figure(60 * figures.minutes, 0, " s")))
    return Table("Attacks", ("attack", "tried", "held", "lost", "time"), rows)


def siege_figures_table(figures: SiegeFigures, conditions: Conditions) -> Table:
    """How large the siege was, where, and what was measured on the way."""
    size = "small: each attack once, with few tries" if figures.is_small else "full"
    ended = ", ".join(f"{name} {number}" for name, number in figures.started.items() if number) or "none"
    load = figure(conditions.load_average, 1)
    rows = [
        ("size", f"{size}; {figures.minutes:.1f} minutes, {figures.rounds} rounds of what ends nothing"),
        ("machine", f"{conditions.processor}, {conditions.cores} cores, load average before {load}"),
        ("made", f"{conditions.started}, commit {conditions.commit}"),
        ("times that `--restart` replaced the server", str(figures.replaced)),
        ("programs that had ended and the siege started again", ended),
    ]
    rows += [
        (f"{name}: {what}", f"{value:.3g}")
        for name, tally in figures.tallies.items()
        for what, value in tally.figures.items()
    ]
    rows += [
        (
            f"memory at rest of {each.name}",
            f"{each.slope_mb_per_min:+.2f} \u00b1 {each.error_mb_per_min:.2f} MB a minute, {each.end_mb:.0f} MB",
        )
        for each in figures.memory
    ]
    return Table("Figures", ("", "measured"), rows)
