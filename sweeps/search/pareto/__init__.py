"""The search behind `sampler: pareto`. Every cost is known before training, so the model predicts only the PSNR."""
