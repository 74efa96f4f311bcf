"""Videos that tests are made with: small frames, a tone as sound, the tags that are asked for."""

from fractions import Fraction

import numpy as np

from pst_core.sequences import video_writing
from pst_core.sequences.video import Coding


def frames(count, height=64, width=96):
    """Frames of soft colours that move by two pixels a frame, shape (H, W, 3) each."""
    rows, columns = np.mgrid[:height, :width]
    for place in range(count):
        phase = (columns + 2 * place) / 9
        planes = (np.sin(phase), np.cos(rows / 7), np.sin(phase + rows / 11))
        yield np.rint(np.stack(planes, axis=-1) * 90 + 128).astype(np.uint8)


def save_video(path, count=12, coding=None, **more):
    """A video of `frames`, as this program writes it."""
    coding = coding or Coding.at_rate(25)
    with path.open("w+b") as file:
        video_writing.write_video(file, path.suffix, frames(count), coding, **more)
    return path


def save_with_sound(path, count=12, codec="aac", times=None):
    """A video with a tone, by PyAV alone; `times` are those of its frames, in thousandths of a second."""
    import av

    with av.open(str(path), "w") as target:
        video = target.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        sound = target.add_stream(codec, rate=48000, layout="mono") if codec else None
        for place, pixels in enumerate(frames(count)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.time_base, frame.pts = Fraction(1, 1000), 40 * place if times is None else times[place]
            target.mux(video.encode(frame))
        target.mux(video.encode())
        if sound is not None:
            tone = np.sin(np.arange(48000 * count // 25) / 20).astype(np.float32)
            heard = av.AudioFrame.from_ndarray(tone[None], format="fltp", layout="mono")
            heard.sample_rate = 48000
            target.mux(sound.encode(heard))
            target.mux(sound.encode())
    return path


def sound_of(path):
    """The packets of sound in a video, as bytes."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [bytes(packet) for packet in container.demux(stream) if packet.size]
