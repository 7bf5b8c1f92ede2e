"""What systems and tools leave beside people's files: it is nobody's data, and passed over by name.

This table is the only place that lists such names. They are compared without regard to case. A file that macOS made for
attributes (AppleDouble) has another name where it was copied; its content tells (`media/containers/sniff.py`).
"""

from __future__ import annotations

import re
from functools import lru_cache

APPLE_DOUBLE = "attributes that macOS keeps of the file beside it (AppleDouble)"

_Table = tuple[tuple[str, tuple[str, ...]], ...]

# What it is, and the names of such files, as regular expressions for the whole name in lower case.
_FILES: _Table = (
    (APPLE_DOUBLE, (r"\._.*",)),
    (
        "a file that macOS keeps about a folder or volume",
        (
            r"\.ds_store",
            r"icon\r",
            r"\.localized",
            r"\.apdisk",
            r"\.volumeicon\.icns",
            r"\.com\.apple\..*",
            r"\.metadata_never_index",
        ),
    ),
    (
        "a file that Windows keeps about a folder or file",
        (
            r"(?:eh)?thumbs(?:_vista)?\.db(?::encryptable)?",
            r"desktop\.ini",
            r"indexervolumeguid",
            r"wpsettings\.dat",
            r".+:zone\.identifier",
        ),
    ),
    ("a file that a desktop or phone keeps about a folder", (r"\.directory", r"\.hidden", r"\.nomedia")),
    ("what a Synology NAS keeps about the file beside it", (r".+@syno(?:eastream|resource)",)),
    ("a file in Android's trash, or one that is still being written", (r"\.(?:trashed|pending)-\d+-.+",)),
    (
        "a file that was deleted while somebody had it open",
        (r"\.nfs[0-9a-f]{8,}", r"\.fuse_hidden[0-9a-f]+", r"\.smbdelete[0-9a-z]+", r"\.afpdeleted.+"),
    ),
    (
        "an office program's mark that a file is open",
        (r"~\$.+", r"\.~lock\..+#", r"~wrl[0-9]+\.tmp"),
    ),
    (
        "an editor's backup, lock or unsaved text",
        (r".+~", r"#.+#", r"\.#.+", r"\..+\.sw[a-px]", r"\.goutputstream-[0-9a-z]+", r".+\.sb-[0-9a-f]{8}-[0-9a-z]{6}"),
    ),
    (
        "what a synchronizing program keeps for itself",
        (
            r"[.~]syncthing[.~].+\.tmp",
            r"\.stfolder",
            r"\.stignore",
            r"\.dropbox(?:\..+)?",
            r"\._?sync_[0-9a-f]+\.db(?:-wal|-shm)?",
            r"\.owncloudsync\.log(?:\..+)?",
            r"\..+\.~[0-9a-f]+",
            r".+\.(?:!sync|bts)",
        ),
    ),
    (
        "a file whose copy or download has not ended",
        (r".+\.(?:part|partial|filepart|crdownload|opdownload|aria2|!ut)",),
    ),
    ("a temporary file", (r".+\.(?:tmp|temp)",)),
)
# rsync's temporary files, such as `.front.mp4.Ab12Cd` (six letters and digits, by mkstemp), here with regard to case:
# `.x.csv.backup` is none.
_RSYNC = re.compile(r"\..+\..+\.(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{6}")

_FOLDERS: _Table = (
    (
        "a trash folder",
        (r"\.trash(?:es|-.+)?", r"\$recycle\.bin", r"[#@]recycle", r"network trash folder"),
    ),
    (
        "a folder that macOS keeps for itself",
        (
            r"\.spotlight-v100",
            r"\.fseventsd",
            r"\.temporaryitems",
            r"temporary items",
            r"\.documentrevisions-v100",
            r"\.appledouble",
            r"\.appledb",
            r"\.appledesktop",
            r"__macosx",
        ),
    ),
    ("a folder that Windows keeps for itself", (r"system volume information",)),
    ("a folder of pieces that a check of the disk found", (r"lost\+found", r"lost\.dir")),
    ("a folder that a NAS keeps for itself", (r"@eadir", r"@tmp", r"\.@__thumb", r"\.@__qini", r"@recently-snapshot")),
    ("a folder of earlier states of the files", (r"\.snapshots?", r"[#~]snapshot", r"\.zfs", r"\.stversions")),
    ("a folder of small pictures", (r"\.thumbnails", r"\.thumbs")),
    (
        "what a synchronizing program keeps for itself",
        (r"\.dropbox\.cache", r"\.tmp\.drive(?:up|down)load", r"\.sync", r"\.stfolder", r"\.rsync-partial", r"\.~tmp~"),
    ),
    ("what a version control system keeps for itself", (r"\.git", r"\.svn", r"\.hg", r"\.bzr", r"\.dvc")),
    ("a folder of copies that Jupyter makes", (r"\.ipynb_checkpoints",)),
)


def _compiled(table: _Table) -> re.Pattern[str]:
    """One expression for all names, with a group for each row of the table."""
    return re.compile("|".join(f"({'|'.join(names)})" for _, names in table), re.DOTALL)


_FILE_NAMES = _compiled(_FILES)
_FOLDER_NAMES = _compiled(_FOLDERS)


def system_file(name: str) -> str | None:
    """What a file of this name (without folders) is to a system or tool, in words; None for anybody's own file."""
    if _RSYNC.fullmatch(name):
        return "a file whose copy has not ended"
    found = _FILE_NAMES.fullmatch(name.lower())
    return _FILES[(found.lastindex or 1) - 1][0] if found else None


@lru_cache(1024)
def system_folder(name: str) -> str | None:
    """What a folder of this name is to a system or tool, in words; None for anybody's own folder."""
    found = _FOLDER_NAMES.fullmatch(name.lower())
    return _FOLDERS[(found.lastindex or 1) - 1][0] if found else None


def system_part(path: str) -> str | None:
    """What the first folder of a path that is a system's is to it, or else the file; None where all is somebody's."""
    *folders, name = path.strip("/").split("/")
    return next(filter(None, map(system_folder, folders)), None) or system_file(name)
