"""The ``s1-tts`` command."""

import typer

from s1_client.commands import common
from s1_client.commands.batch import batch
from s1_client.commands.bench import bench
from s1_client.commands.doctor import doctor
from s1_client.commands.jobs import app as jobs
from s1_client.commands.say import say
from s1_client.commands.voices import app as voices

app = typer.Typer(
    help="Speak through an S1-mini server.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=common.markup_mode(),
)
app.command()(say)
app.command()(batch)
app.command()(bench)
app.command()(doctor)
app.add_typer(voices, name="voices")
app.add_typer(jobs, name="jobs")
