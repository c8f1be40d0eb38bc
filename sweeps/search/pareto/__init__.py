"""The search behind `sampler: pareto`. It knows every cost before training, so its model predicts only the PSNR."""
