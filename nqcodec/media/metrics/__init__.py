"""How good decoded pictures are: PSNR (`meter`), and SSIM, MS-SSIM and VMAF (`perceptual`)."""

from nqcodec.media.metrics.meter import LUMA_WEIGHT, MAX_DB, QualityMeter, psnr

__all__ = ["LUMA_WEIGHT", "MAX_DB", "QualityMeter", "psnr"]
