"""Measures one network: PSNR and SSIM of its upscaled images, and its latency."""
