"""flower on the Celery of jobs: it shows workers and queues, and changes nothing."""

from pathlib import Path

from s1_gateway.jobs.queue import make_celery
from s1_gateway.settings import Settings, SettingsError

_FEWEST_CHARACTERS = 12


def run_flower(settings: Settings, address: str, port: int) -> None:
    """Run flower until SIGTERM.

    Args:
        settings: Tell where Redis is, and whom flower lets in.
        address: To listen on.
        port: Likewise.

    Raises:
        SettingsError: there is no Redis or no password.
    """
    if settings.redis_url is None:
        raise SettingsError("S1_GATEWAY_REDIS_URL: got none; allowed: redis://host:port/number, where jobs are kept")
    login = _read_login(settings.flower_password_file)

    def do_nothing(_job_id: str) -> None:
        """Flower hands out no work."""

    app = make_celery(settings.redis_url, do_nothing, do_nothing)
    # the list stays in this process: other programs do not see the password in it
    options = [f"--address={address}", f"--port={port}", f"--basic_auth={login}"]
    # a click there would revoke jobs or resize workers behind the records' back
    app.start(["--quiet", "flower", *options, "--read_only=true", "--inspect_timeout=5000"])


def _read_login(path: Path | None) -> str:
    name = "S1_GATEWAY_FLOWER_PASSWORD_FILE"
    if path is None:
        raise SettingsError(f"{name}: got none; allowed: a file with user:password")
    try:
        login = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {path} cannot be read: {error}") from None
    user, colon, password = login.partition(":")
    # flower takes several with commas between them
    if not user or not colon or len(password) < _FEWEST_CHARACTERS or "," in login or not login.isprintable():
        raise SettingsError(
            f"{name}: {path} holds no login; allowed: user:password, the password {_FEWEST_CHARACTERS} characters "
            "or more, no comma"
        )
    return login
