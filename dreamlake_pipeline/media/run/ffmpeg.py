"""The one place that runs ffmpeg.

A command is built with ffmpeg-python (an argument list, never a shell) and run in a private directory on a link of
a fixed name, so that no file name of a user reaches a command line. Input may be hostile: the demuxer is the one
that was sniffed, protocols, formats and codecs are whitelisted, stdin is closed, and wall-clock time, output bytes,
address space and log are bounded. ffmpeg's exit code is taken as bad news only: callers verify what came out.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg

from ...errors import Code, DreamlakeError
from ...forkserver import end_with_parent
from .bounds import MEMORY
from .build import build

SOURCE = "source"  # what an input is called inside the private directory
THREADS = 2  # fixed: x264's output depends on it

VIDEO_DECODERS = (
    "h264,hevc,vvc,apv,vp8,vp9,libdav1d,av1,mpeg1video,mpeg2video,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,h263,flv,"
    "mjpeg,png,prores,dnxhd,dvvideo,ffv1,ffvhuff,huffyuv,magicyuv,utvideo,rawvideo,v210,yuv4,qtrle,cinepak,"
    "svq1,svq3,theora,wmv1,wmv2,wmv3,vc1,jpeg2000,hap,cfhd,msvideo1"
)
AUDIO_DECODERS = (
    "aac,aac_latm,mp3float,mp3,mp2float,mp2,flac,alac,vorbis,opus,libopus,ac3,eac3,dca,truehd,mlp,wavpack,speex,"
    "adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,gsm,gsm_ms,amrnb,amrwb,pcm_s8,pcm_u8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,"
    "pcm_s32le,pcm_s32be,pcm_s64le,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw"
)

_LOG_LINES = 200
_SHOWN, _SHOWN_LINES = b"_showinfo_", 1000
_LOG_BYTES = 8 * 2**20
_EVIDENCE_LINES = 8
_TICK = 0.2
_LONGEST_SILENCE = 48 * 3600  # seconds: more than any input lasts
_COMPLAINT = re.compile(rb"\[(error|fatal|panic|warning)\]")
# Sound takes another form, and the filters for it are made anew; astats counts what went through the old ones.
_CHANGE = re.compile(rb"because audio parameters changed|\[Parsed_astats_\d+ @ .*Number of samples: ")
_MOST_CHANGES = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may take: wall-clock seconds and bytes written."""

    seconds: float
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A run that ended with exit code 0: its last log lines, what the filter `showinfo` said (its first thousand
    lines), the lines that tell of `changes` in its sound, and its wall-clock seconds."""

    log: tuple[str, ...]
    shown: tuple[str, ...]
    changes: tuple[str, ...]
    seconds: float


def input_options(demuxer: str) -> dict[str, str]:
    """What keeps a demuxer, PyAV's or ffmpeg's, to one local file and to known decoders."""
    return {
        "protocol_whitelist": "file",
        "format_whitelist": demuxer,
        "codec_whitelist": f"{VIDEO_DECODERS},{AUDIO_DECODERS}",
    }


def source_input(demuxer: str, *, url: str = f"file:{SOURCE}", **options: Any) -> Any:
    """The ffmpeg-python input node of the file that `run` links into its directory.

    `url` is another way to that file, of excerpt.py. Of more channels than two whose places are not known, none is
    made up: FFmpeg would take the third for the low-frequency effects, and leave it out.
    """
    return ffmpeg.input(url, **({"f": demuxer, "guess_layout_max": 2} | input_options(demuxer) | options))


def samples_input(sample_rate: int, layout: str) -> Any:
    """The input node of interleaved 32-bit float samples on stdin."""
    return ffmpeg.input(
        "pipe:0",
        f="f32le",
        sample_rate=sample_rate,
        ch_layout=layout,
        guess_layout_max=2,
        protocol_whitelist="pipe",
        codec_whitelist="pcm_f32le",
    )


def run(
    outputs: Sequence[Any],
    *,
    source: Path,
    cwd: Path,
    limits: Limits,
    subject: str,
    lenient: bool = False,
    stdin: int | None = None,
    on_stdout: Callable[[bytes], None] | None = None,
) -> Finished:
    """Run one command (ffmpeg-python output nodes) in `cwd`, with `source` linked there as SOURCE.

    `stdin` is the file descriptor that `samples_input` is read from.

    `subject` is the file's name for messages. The first packet that can't be decoded ends the run, unless it is
    `lenient`: then the caller judges by `packets`. `on_stdout` gets what is written to `pipe:1`, as it comes.
    Raises DreamlakeError with a media code; its details carry the exit code and the last log lines.
    """
    link = cwd / SOURCE
    link.unlink(missing_ok=True)
    link.symlink_to(source.resolve())
    try:
        return _run(
            [*([] if lenient else ["-xerror"]), *ffmpeg.get_args(ffmpeg.merge_outputs(*outputs))],
            cwd,
            limits,
            subject,
            stdin,
            on_stdout,
        )
    finally:
        link.unlink(missing_ok=True)


def _run(
    arguments: list[str],
    cwd: Path,
    limits: Limits,
    subject: str,
    stdin: int | None,
    on_stdout: Callable[[bytes], None] | None,
) -> Finished:
    # `verbose` prints the counts of packets and frames at the end.
    argv = [build().path, "-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+verbose", "-y"]
    # Where one stream of MPEG-TS is silent for more than 10 s, ffmpeg would take out as much time of all of them.
    argv += ["-dts_delta_threshold", str(_LONGEST_SILENCE)]
    started = time.monotonic()
    with _bounded_memory():
        process = subprocess.Popen(
            argv + arguments,
            cwd=cwd,
            env={"PATH": os.defpath, "HOME": str(cwd), "LC_ALL": "C"},
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_this_thread(),
        )
    log = _Log()
    try:
        _watch(process, log, cwd, started, limits, subject, on_stdout)
        code = process.wait()
    finally:
        # The whole group: an orphan would go on writing.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
    if code != 0 or log.input_damaged:
        raise _failure(code, log.lines, subject)
    return Finished(tuple(log.lines), tuple(log.shown), tuple(log.changes), time.monotonic() - started)


def _end_with_this_thread() -> Callable[[], None] | None:
    """What a new process does, so that it is killed when this one is: it would go on by itself. In a process namespace
    of its own, which ends as a whole, nothing is to be done, and starting it costs less so."""
    this = os.getpid()
    return None if this == 1 else lambda: end_with_parent(this)


_starting = threading.Lock()


@contextlib.contextmanager
def _bounded_memory() -> Iterator[None]:
    """What is started in this block may have MEMORY bytes of addresses, whatever this process may have: a process
    inherits limits, and a worker may set no other's (cage/seccomp.py)."""
    with _starting:
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
        try:
            with contextlib.suppress(ValueError, OSError):  # a system may not know the limit
                resource.setrlimit(resource.RLIMIT_AS, (most, hard))
            yield
        finally:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _watch(
    process: subprocess.Popen[bytes],
    log: _Log,
    cwd: Path,
    started: float,
    limits: Limits,
    subject: str,
    on_stdout: Callable[[bytes], None] | None,
) -> None:
    """Read both pipes until they close; raise when a limit is passed (the caller kills)."""
    assert process.stdout is not None and process.stderr is not None
    checked = started
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, on_stdout or (lambda data: None))
        selector.register(process.stderr, selectors.EVENT_READ, log.feed)
        while selector.get_map():
            for key, _ in selector.select(_TICK):
                data = os.read(key.fd, 1 << 18)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if now - started > limits.seconds:
                raise DreamlakeError(
                    Code.MEDIA_TIMEOUT,
                    f"{subject} took longer than {limits.seconds:.0f} seconds to process and was stopped.",
                    log=log.evidence(),
                )
            if log.complained > _LOG_BYTES:
                raise DreamlakeError(
                    Code.MEDIA_CORRUPT,
                    f"{subject} is so damaged that ffmpeg did nothing but complain; it was stopped.",
                    log=log.evidence(),
                )
            if now - checked > _TICK:
                checked = now
                _check_output(cwd, limits, subject)
    _check_output(cwd, limits, subject)


def _check_output(cwd: Path, limits: Limits, subject: str) -> None:
    if _bytes_below(cwd) > limits.output_bytes:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"{subject} became more than {limits.output_bytes // 2**20} MiB of output and was stopped.",
        )
    if shutil.disk_usage(cwd).free < 64 * 2**20:
        raise DreamlakeError(Code.STORAGE_FULL, f"The disk of temporary files filled up while {subject} was processed.")


def _bytes_below(folder: Path | str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _bytes_below(entry.path)
                continue
            with contextlib.suppress(FileNotFoundError):  # a playlist is renamed once it is whole
                total += entry.stat(follow_symlinks=False).st_size
    return total


class _Log:
    """The last lines of stderr, whatever its length; `complained` counts the bytes of warnings and errors."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=_LOG_LINES)
        self.shown: list[str] = []
        self.changes: list[str] = []
        self.complained = 0
        self.input_damaged = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        # The filter that drops priming writes a line for every packet: hours of sound would push all else out.
        lines = [line for line in lines if not line.startswith(b"[noise @ ")]
        self.complained += sum(len(line) for line in lines if _COMPLAINT.search(line))
        # A demuxer that skips damage says so, and ffmpeg ends with 0 all the same.
        self.input_damaged |= any(line.startswith(b"[in#") and b"[error]" in line for line in lines)
        if len(self.shown) < _SHOWN_LINES:
            self.shown += [line.decode("utf-8", "replace")[:500] for line in lines if _SHOWN in line]
        if len(self.changes) < _MOST_CHANGES:
            self.changes += [line.decode("utf-8", "replace") for line in lines if _CHANGE.search(line)]
        self.lines.extend(line.decode("utf-8", "replace")[:500] for line in lines if line)
        self._rest = self._rest[-4096:]

    def evidence(self) -> list[str]:
        return _evidence(self.lines)


def _evidence(lines: Sequence[str] | deque[str]) -> list[str]:
    """The last lines that complain; the last lines of all when none does."""
    complaints = [line for line in lines if re.search(r"\[(error|fatal|panic|warning)\]", line)]
    return (complaints or list(lines))[-_EVIDENCE_LINES:]


# What ffmpeg says, and what it means to the person whose file it is; the first that fits.
_MEANINGS: tuple[tuple[str, Code, str], ...] = (
    (r"No space left on device|Disk quota exceeded", Code.STORAGE_FULL,
     "The disk of temporary files filled up while {} was processed."),
    (r"Too many open files in system|Read-only file system", Code.MACHINE_FAILED,
     "The machine was not well while {} was processed: it had no open files left, or its disk could only be read."),
    (r"Cannot allocate memory", Code.MEDIA_TOO_LARGE, "{} needs more memory than one file may take."),
    (r"moov atom not found|partial file|[Tt]runcat", Code.MEDIA_TRUNCATED, "{} ends before its media does."),
    (r"not on whitelist|Decoder .* not found|no decoder|Unknown decoder|not (yet )?(implemented|supported)",
     Code.MEDIA_UNSUPPORTED, "{} uses a codec or feature that is not supported."),
)  # fmt: skip


# What an output says that does not take what was read, and what a decoder says that can't read it.
_UNWRITABLE = re.compile(r"\[error\].*(Error submitting a packet to the muxer|Error muxing a packet)")
_UNREADABLE = re.compile(r"Error processing packet in decoder|corrupt decoded frame")


# What a signal that ended ffmpeg means. Who sends the first ones is somebody else: a person, the system, short of
# memory, or whatever ends all processes of a job or of a machine.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGALRM,
                 signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)  # fmt: skip
_SIGNALS: dict[int, tuple[Code, str]] = {
    **dict.fromkeys(_FROM_OUTSIDE, (Code.CRASHES_WORKER, "ffmpeg was killed while it read {}.")),
    signal.SIGXCPU: (Code.MEDIA_TIMEOUT, "{} took more computing time than one file may, and was stopped."),
    signal.SIGXFSZ: (Code.MEDIA_TOO_LARGE, "{} became more output than one file may."),
}


_ENDED = re.compile(r"received signal \d+|Received > 3 system signals")


def _failure(code: int, lines: Sequence[str] | deque[str], subject: str) -> DreamlakeError:
    evidence = _evidence(lines)
    # Once it has begun, ffmpeg itself ends at SIGTERM and its like, and says so; at the fourth one, in other words.
    number = signal.SIGTERM if any(map(_ENDED.search, lines)) else -code
    if number in _SIGNALS:
        error_code, sentence = _SIGNALS[number]
        return DreamlakeError(error_code, sentence.format(subject), exitCode=code, log=evidence)
    text = "\n".join(evidence)
    if any(map(_UNWRITABLE.search, lines)) and not any(map(_UNREADABLE.search, lines)):
        return DreamlakeError(
            Code.OUTPUT_INVALID,
            f"{subject} can be read, but its packets can't be written as a stream: their times are not in order.",
            exitCode=code,
            log=evidence,
        )
    for pattern, error_code, sentence in _MEANINGS:
        if re.search(pattern, text):
            return DreamlakeError(error_code, sentence.format(subject), exitCode=code, log=evidence)
    return DreamlakeError(
        Code.MEDIA_CORRUPT,
        f"{subject} is damaged: ffmpeg could not read it to its end.",
        hint="Play it locally to see whether the original is whole, and upload it again.",
        exitCode=code,
        log=evidence,
    )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What ffmpeg counted of one input stream."""

    packets: int
    frames: int
    errors: int


def added(counts: Sequence[Decoded | None]) -> Decoded | None:
    """The counts of several runs together; None where one is not known."""
    known = [one for one in counts if one is not None]
    if not known or len(known) < len(counts):
        return None
    return Decoded(*(sum(getattr(one, name) for one in known) for name in ("packets", "frames", "errors")))


def decoded(finished: Finished, stream: int) -> Decoded | None:
    """The counts of input stream `stream`; None when it was not decoded."""
    pattern = rf"Input stream #0:{stream} \(\w+\): (\d+) packets read .*?(\d+) frames decoded; (\d+) decode errors"
    for line in finished.log:
        found = re.search(pattern, line)
        if found:
            return Decoded(*map(int, found.groups()))
    return None
