"""The search that knows every cost before training and models only the PSNR."""
