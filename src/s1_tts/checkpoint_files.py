"""Which files a checkpoint's folder holds."""

from pathlib import Path

from s1_protocol.errors import SettingsError

CHECKPOINT_FILES = ("config.json", "special_tokens.json", "tokenizer.tiktoken", "codec.pth", "model.pth")


def check_is_whole(folder: Path) -> None:
    """Refuse a folder that lacks files before a server starts, whose log would bury the reason.

    Raises:
        SettingsError: there is no folder, or files are missing.
    """
    if not folder.is_dir():
        raise SettingsError(f"checkpoint: no folder {folder}")
    if missing := [name for name in CHECKPOINT_FILES if not (folder / name).is_file()]:
        wanted = ", ".join(CHECKPOINT_FILES)
        raise SettingsError(f"checkpoint: {folder} lacks {', '.join(missing)}; a checkpoint's folder holds {wanted}")
