"""Measures one network: PSNR and SSIM of the images that it enlarges, and its latency."""
