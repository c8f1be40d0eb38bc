"""The search that knows every cost before training and models the PSNR alone."""
