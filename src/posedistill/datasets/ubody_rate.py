"""Which frame of a video ffmpeg shows at each place of 30 a second, as `ffmpeg -r 30` chooses.

ffmpeg repeats or drops frames by their time stamps (constant frame rate, `video_sync_process` in
fftools/ffmpeg_filter.c of FFmpeg 7). At 30 frames a second or less the result is the rounding of
time stamps to places; at more, it falls behind by up to 1.5 places before it drops frames. FFmpeg 6
and older round the duration of a frame to whole places first, which at 24 and 25 frames a second
gives the neighbouring frame at some places.
"""

from collections import deque

RATE = 30  # frames a second, as the published script asks
_TOLERANCE = 1.1  # places that a frame may be off before others are dropped or repeated
_LATE = 0.6  # places, of a gap, that the frame after it fills
_MIDPOINT_NUDGE = 2.0**-17  # so that a time stamp between two places is never exactly midway
_WHOLE = 1e-6  # nearer to a whole place than any time base is fine


class RateConversion:
    """Follow the frames of one video in order; places count from 0."""

    def __init__(self) -> None:
        self._next = 0
        self._filled = deque([0, 0, 0], maxlen=3)

    def take(self, seconds: float, duration: float) -> tuple[range, range]:
        """Give the places that the frame before takes in addition, and those of this frame.

        seconds: from the start of the video; duration: of this frame, seconds.

        >>> conversion = RateConversion()
        >>> [conversion.take(k / 15, 1 / 15)[1] for k in range(2)]
        [range(0, 2), range(2, 4)]
        """
        late = _place(seconds) - self._next
        reach = late + duration * RATE
        if late < 0 < reach:
            late = 0.0
        count, filled = 1, 0
        if reach < -_TOLERANCE:
            count = 0
        elif reach > _TOLERANCE:
            count = _round(reach)
            filled = _round(late - _LATE) if late > _TOLERANCE else 0
        self._filled.append(filled)
        middle = self._next + min(filled, count)
        end = self._next + count
        before = range(self._next, middle)
        self._next = end
        return before, range(middle, end)

    def end(self) -> range:
        """Give the places that the last frame takes in addition when the video ends.

        >>> RateConversion().end()
        range(0, 0)
        """
        start = self._next
        self._next += sorted(self._filled)[1]
        return range(start, self._next)


def _place(seconds: float) -> float:
    place = seconds * RATE
    if abs(place - round(place)) < _WHOLE:
        return float(round(place))
    return place + (_MIDPOINT_NUDGE if place > 0 else -_MIDPOINT_NUDGE)


def _round(value: float) -> int:
    """Round to the nearest; ties, whatever the last bits of the sums say, to even."""
    return round(round(value, 9))
