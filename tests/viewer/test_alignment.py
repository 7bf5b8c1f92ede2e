"""One clock for the tracks of an episode (viewer/alignment.py)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamlake_pipeline.viewer.alignment import By, Clock, Timed, align

# A machine that has other things to do is slow at everything.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NOON = 1_764_504_000.0  # 2025-11-30T12:00:00Z

_seconds = st.integers(0, 4000).map(lambda ms: ms / 8)  # exact as floats, also beside times since 1970
_tracks = st.lists(
    st.builds(
        Timed,
        name=st.just("x"),
        duration=_seconds,
        clock=st.sampled_from([None, *Clock]),
        start=st.one_of(_seconds, _seconds.map(lambda start: NOON + start)),
        created=st.one_of(st.none(), _seconds.map(lambda start: float(int(NOON + start)))),
        offset=st.sampled_from([0.0, 0.0, 0.125, -3.5]),
    ),
    max_size=6,
)


def camera(name: str = "front.mp4", **more: float) -> Timed:
    return Timed(name, **{"duration": 60.0, **more})  # type: ignore[arg-type]


@patient
@given(_tracks)
def test_the_episode_starts_at_0_and_ends_with_its_last_track(tracks: list[Timed]) -> None:
    found = align(tracks)
    assert min(found.starts, default=0.0) == 0.0
    assert found.duration == max((s + t.duration for s, t in zip(found.starts, tracks, strict=True)), default=0.0)


@patient
@given(_tracks, st.randoms())
def test_the_order_of_the_tracks_does_not_matter(tracks: list[Timed], random: object) -> None:
    places = list(range(len(tracks)))
    random.shuffle(places)  # type: ignore[attr-defined]
    found, other = align(tracks), align([tracks[at] for at in places])
    assert other.starts == tuple(found.starts[at] for at in places)
    assert (other.epoch, other.duration, other.by) == (found.epoch, found.duration, found.by)


@patient
@given(_tracks, st.integers(-1000, 1000))
def test_another_hour_of_the_day_changes_nothing_but_the_epoch(tracks: list[Timed], hours: int) -> None:
    later = [
        replace(
            track,
            start=track.start + hours * 3600 if track.is_absolute else track.start,
            created=track.created + hours * 3600 if track.created is not None else None,
        )
        for track in tracks
    ]
    found, other = align(tracks), align(later)
    assert other.starts == found.starts
    assert other.epoch == (None if found.epoch is None else found.epoch + hours * 3600)


@patient
@given(_tracks)
def test_tracks_of_absolute_times_near_each_other_keep_their_distance(tracks: list[Timed]) -> None:
    near = [replace(track, clock=Clock.UNIX, start=NOON + track.start % 500) for track in tracks]
    found = align(near)
    since = [start - track.start - track.offset for start, track in zip(found.starts, near, strict=True)]
    assert len(set(since)) <= 1
    assert found.by == ("absolute" if any(not track.offset for track in near) else "starts")


@patient
@given(_tracks, st.integers(0, 5), st.sampled_from([0.25, -7.0]))
def test_an_offset_moves_its_track_against_all_others(tracks: list[Timed], which: int, offset: float) -> None:
    if which >= len(tracks):
        return
    moved = list(tracks)
    moved[which] = replace(tracks[which], offset=tracks[which].offset + offset)
    before, after = align(tracks).starts, align(moved).starts
    others = {round(new - old, 6) for at, (old, new) in enumerate(zip(before, after, strict=True)) if at != which}
    assert len(others) <= 1
    if others:
        assert after[which] - before[which] - others.pop() == pytest.approx(offset)


def test_without_times_all_start_together() -> None:
    found = align([camera(), camera("wrist.mkv", duration=59.5), Timed("room.wav", 61.0)])
    assert (found.starts, found.by, found.epoch, found.duration) == ((0.0, 0.0, 0.0), "starts", None, 61.0)
    assert found.text == "aligned by start"


def test_a_relative_time_within_the_recording_counts_from_its_start() -> None:
    """The first event of an episode may be seconds after its start."""
    events, joints = Timed("events.csv", 30.0, Clock.RELATIVE, 2.5), Timed("joints.csv", 60.0, Clock.RELATIVE, 0.02)
    assert align([camera(), events, joints]).starts == (0.0, 2.5, 0.02)


def test_label_files_on_the_clock_of_one_machine_keep_their_distance() -> None:
    """Seconds since the robot was switched on: the first of them starts with the episode."""
    joints, events = Timed("joints.csv", 60.0, Clock.RELATIVE, 8000.0), Timed("ev", 9.0, Clock.RELATIVE, 8005.0)
    other = Timed("other.csv", 9.0, Clock.RELATIVE, 93000.0)
    assert align([camera(), events, joints, other]).starts == (0.0, 5.0, 0.0, 0.0)


def test_creation_times_place_cameras_beside_absolute_times_only() -> None:
    cameras = [camera(created=NOON + 3), camera("wrist.mkv", created=NOON + 4), camera("late.mp4", created=NOON + 20)]
    assert align(cameras).starts == (0.0, 0.0, 0.0)
    found = align([*cameras, Timed("joints.csv", 70.0, Clock.UNIX, NOON + 1.25)])
    assert found.starts == (1.75, 1.75, 18.75, 0.0)
    assert found.known_by == (By.CREATION, By.CREATION, By.CREATION, By.ABSOLUTE)
    assert (found.by, found.epoch) == ("absolute", NOON + 1.25)
    assert found.text == "1 by absolute time, 3 by creation time, within a second"


@pytest.mark.parametrize("created", [NOON - 7200, NOON + 7200, 0.0, -2_082_844_800.0])
def test_a_creation_time_that_puts_a_camera_elsewhere_is_wrong(created: float) -> None:
    """A camera's wrong time zone; the zeros of the epochs of 1970 and 1904."""
    found = align([camera(created=created), Timed("joints.csv", 60.0, Clock.UNIX, NOON)])
    assert found.starts == (0.0, 0.0)
    assert (found.known_by[0], found.by) == (By.START, "mixed")


def test_a_clock_that_was_never_set_does_not_make_the_episode_last_for_years() -> None:
    robot = Timed("joints.csv", 60.0, Clock.UNIX, 946_684_800.0)
    found = align([Timed("a.csv", 60.0, Clock.UNIX, NOON), Timed("b.csv", 60.0, Clock.UNIX, NOON + 2), robot])
    assert found.starts == (0.0, 2.0, 0.0)
    assert found.duration == 62.0


def test_subtitles_start_with_their_video_and_follow_it() -> None:
    tracks = [
        Timed("front.mp4", 60.0, Clock.UNIX, NOON + 5, offset=0.5),
        Timed("front.en.vtt", 50.0, beside=0),
        Timed("joints.csv", 60.0, Clock.UNIX, NOON),
    ]
    assert align(tracks).starts == (5.5, 5.5, 0.0)


def test_what_was_moved_is_named() -> None:
    joints = Timed("joints.csv", 60.0, Clock.RELATIVE, 0.0, offset=0.12)
    assert align([camera(), joints]).text == "aligned by start · joints.csv +0.12 s"
    many = align([camera(), *(replace(joints, name=f"{n}.csv") for n in range(3))])
    assert many.text == "aligned by start · 3 moved"


def test_nothing_is_aligned() -> None:
    found = align([])
    assert (found.starts, found.duration, found.by, found.text) == ((), 0.0, "starts", "nothing to align")
