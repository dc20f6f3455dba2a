"""A saved fit and the clip that it is of, for the commands that look into fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nqcodec.encoder.option import same_option
from nqcodec.encoder.options import ClipOptions
from nqcodec.errors import UsageError
from nqcodec.media.positions import Position

if TYPE_CHECKING:
    from nqcodec.media.clip import ClipInput
    from nqcodec.media.video import Video
    from nqcodec.training.clip import PackedClip
    from nqcodec.training.network import FloatNetwork


@dataclass(frozen=True, kw_only=True)
class MatchingClipOptions:
    """How a clip is read that a file or a fit is of: length and coded format are theirs."""

    input_res: tuple[int, int] | None = same_option(ClipOptions, "input_res")
    input_csp: str | None = same_option(ClipOptions, "input_csp")
    input_depth: int | None = same_option(ClipOptions, "input_depth")
    seek: Position = same_option(ClipOptions, "seek", help="The fit's first frame in the clip, or its time, as 1.5s.")

    def clip_like(self, video: Video, path: str) -> ClipInput:
        """The clip at `path`, in the format and length of `video`; raises UsageError."""
        from nqcodec.media.clip import CSP, ClipInput

        names = {chroma: name for name, chroma in CSP.items() if name != "rgb"}
        return ClipInput(
            path,
            input_res=self.input_res,
            csp=self.input_csp,
            depth=self.input_depth,
            start=self.seek,
            count=video.frames,
            coded_csp="rgb" if video.is_rgb else names[video.chroma],
            coded_depth=video.depth,
        )


def load_with_clip(
    fit_file: str, clip: str, options: MatchingClipOptions, threads: int | None
) -> tuple[FloatNetwork, PackedClip]:
    """The network of a saved fit, and the frames that it is of; raises UsageError if the clip is another."""
    import torch

    from nqcodec.training.checkpoint import load_fit
    from nqcodec.training.clip import pack

    if threads:
        torch.set_num_threads(threads)
    saved = load_fit(Path(fit_file))
    source = options.clip_like(saved.video, clip)
    video = source.describe()
    if replace(saved.video, fps=video.fps) != video:
        raise UsageError(f"{fit_file}: is a fit of another clip (size, format or number of frames differ)")
    return saved.network, pack(source.frames(), video, saved.network.program)
