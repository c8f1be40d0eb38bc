"""Names that other programs and papers use for the keys, knobs and costs of a sweep file, and the hints about them."""

import difflib
import re
from collections.abc import Collection, Iterable

SYNONYMS = {
    # the sweep
    "name": "title exp_name experiment experiment_name run_name sweep_name study_name id",
    "scale": "upscale upscale_factor upscaling_factor scale_factor sr_factor factor sf ratio",
    "seed": "random_seed manual_seed rng_seed random_state",
    "families": "family space search_space models model archs arch architecture architectures network networks net",
    "objectives": "objective goals metrics metric targets optimize",
    "budget": "limits limit budgets max maximum",
    "constraints": "constraint conditions restrictions",
    "search": "sampling tuner hpo tune optuna",
    "data": "dataset datasets dataloader",
    "train": "training trainer optim train_opt dataset datasets train_set trainset train_data data_train",
    "resources": "resource hardware resources_per_trial",
    "storage": "db database db_url database_url results",
    "checkpoints": "checkpoint checkpoint_dir ckpt ckpt_dir save save_dir out_dir output_dir experiments_root runs",
    "cache": "cache_dir cache_folder",
    # search
    "sampler": "algorithm algo method strategy searcher search_alg suggester",
    "trials": "n_trials num_trials max_trials num_samples n_samples samples count evaluations max_evals",
    "hours": "timeout max_hours time time_limit time_budget duration",
    "halving": "asha hyperband pruner scheduler successive_halving early_stopping sha",
    "min_steps": "grace_period min_resource min_budget min_t min_iter",
    "factor": "reduction_factor eta",
    "max_attempts": "retries max_retries max_failures attempts",
    # train
    "steps": "epoch epochs n_epochs num_epochs max_epochs iterations iters iteration iter n_iters niter num_iters "
    "total_iter total_iters total_steps max_steps max_iter num_steps train_steps n_steps updates",
    "patch_size": "patch patches patchsize crop crop_size lr_size lr_patch_size gt_size hr_size hr_patch_size input_size",
    "batch_size": "bs batch batchsize minibatch mini_batch train_batch_size batch_size_per_gpu samples_per_gpu",
    "learning_rate": "lr base_lr init_lr lr_init initial_lr max_lr start_lr lrate lr_g lr_rate",
    "loss": "criterion loss_fn loss_type pixel_loss pixel_opt objective_function",
    "schedule": "scheduler lr_schedule lr_scheduler lr_policy lr_scheme",
    "restarts": "milestones restart periods lr_steps restart_weights",
    "halve_every": "lr_decay decay decay_every lr_decay_steps lr_step lr_period step_size decay_steps",
    "warmup": "warm_up warmup_iter warmup_steps warmup_epochs warmup_iters",
    "optimizer": "optim optim_type optim_g optimizer_type solver",
    "betas": "beta adam_betas",
    "weight_decay": "wd l2 l2_reg",
    "ema": "ema_decay use_ema model_ema moving_average polyak",
    "warm_start": "from init_from pretrained pretrain pre_train pretrain_network_g resume_from start_from",
    "distill": "distillation teacher kd knowledge_distillation",
    "clip_gradient": "gclip grad_clip clip_grad gradient_clip gradient_clipping clip max_norm max_grad_norm clip_grad_norm",
    "evaluate_every": "val_freq val_every eval_every eval_freq test_every valid_every val_interval eval_interval "
    "validate_every save_every checkpoint_every check_val_every_n_epoch",
    "precision": "amp fp16 bf16 half mixed_precision dtype use_amp",
    "device": "devices accelerator cuda use_gpu use_cuda",
    # data
    "root": "dataroot data_root dir_data data_dir data_path datadir dataroot_gt dataroot_lq dataroot_h root_dir path folder",
    "validation": "val valid validate val_set validation_set valid_set data_val val_data test data_test test_set",
    "hold_out": "holdout val_size validation_size n_val num_val val_split held_out split",
    # resources
    "cpu": "cpus cores threads n_threads num_threads num_workers workers num_cpus cpus_per_trial n_jobs num_cores",
    "gpu": "gpus n_gpus num_gpu num_gpus gpu_ids gpus_per_trial use_gpus",
    "concurrent": "concurrency max_concurrent parallel parallelism max_concurrent_trials jobs at_once",
    "hours_per_attempt": "trial_timeout timeout_per_trial attempt_timeout max_hours_per_trial",
    # measurements and costs
    "psnr_y": "psnr y_psnr psnry psnr_db psnr_val quality",
    "ssim_y": "ssim y_ssim ssimy",
    "params": "param parameters n_params num_params nparams parameter_count num_parameters model_size weights size",
    "multadds": "flops flop gflops mflops macs mac gmacs mmacs madds madd gmadds mult_adds multiadds multi_adds "
    "multiply_adds multadd mult_add mac_count fmacs ops operations compute",
    "activations": "acts activation num_activations n_acts",
    "num_convs": "convs n_convs conv_layers depth layers num_layers n_layers",
    "memory": "mem peak_memory ram vram memory_mb max_memory",
    "latency": "latency_ms runtime run_time inference_time delay ms milliseconds speed fps time seconds",
    "predicted_latency": "latency_predicted predicted_ms predicted device_latency phone_latency latency_on_device",
    # knobs
    "n_feats": "nfeat nfeats n_feat num_feat num_feats feats feat nf ngf features num_features n_features channels "
    "n_channels num_channels width filters n_filters num_filters dim embed_dim n_colors_feats d",
    "n_blocks": "blocks n_block num_block num_blocks nblocks nblock nb n_resblock n_resblocks num_resblocks resblocks "
    "n_res_blocks num_res_blocks num_modules n_modules num_rcab n_rcab depth layers m",
    "n_groups": "n_resgroups n_resgroup num_group num_groups resgroups",
    "n_shrunk": "s shrink",
    "reduction": "squeeze squeeze_factor reduction_ratio",
    "residual_scale": "res_scale residual_scaling_factor resscale",
    "expand_ratio": "expansion expand expansion_ratio expand_factor block_feats widen",
    "recursions": "num_recursions n_recursions num_u u recursion",
    "recursive": "share_weights shared weight_sharing",
    "upsampler": "upsampling upscaling tail pixelshuffle",
    "groups": "group conv_groups",
    "attention": "attn ca channel_attention",
}
"""Maps a name of srsweep to names that people write for it, separated by spaces. A name may stand for several."""

NOTES = {
    "steps": ("epoch", "counts optimiser steps, that is batches, not epochs"),
    "multadds": (
        "flop",
        "counts multiply-adds for an output of 1280x720; many papers count two FLOPs for each",
    ),
    "patch_size": ("gt hr", "counts low-resolution pixels"),
    "precision": ("amp fp16 bf16 half", "takes auto, float32 or bfloat16"),
    "latency": ("fps speed seconds", "is in milliseconds for one image"),
}
"""Maps a name of srsweep to parts of synonyms that measure something else, and to a note that explains the
difference."""

FEW = 6
"""The largest number of known names in a hint."""
MOST_COMPARED = 60
"""Maximum number of characters of a name that are compared with known names."""


def _plain(name: str) -> str:
    """Returns `name` without letter case and punctuation, so that n-feats, nFeats and n_feats are equal."""
    return re.sub(r"[\W_]+", "", name.casefold())


_MEANT: dict[str, list[str]] = {}
for _ours, _others in SYNONYMS.items():
    for _other in _others.split():
        _MEANT.setdefault(_plain(_other), []).append(_ours)


def meant(name: object, known: Collection[str], *, similar: bool = True) -> str | None:
    """Returns the name in `known` that `name` most likely stands for, or None if there is none.

    A name that differs in letter case or punctuation comes first, then a synonym, then the most similar name. Without
    `similar`, a name that is only similar does not count.
    """
    written = str(name)[:MOST_COMPARED]
    plain = _plain(written)
    by_plain = {_plain(each): each for each in reversed(list(known))}
    if plain and plain in by_plain:
        return by_plain[plain]
    for ours in _MEANT.get(plain, ()):
        if ours in known:
            return ours
    for text in (written, written.lower()) if similar else ():
        if close := difflib.get_close_matches(text, list(known), n=1):
            return close[0]
    return None


def nearest(name: object, known: Iterable[str]) -> str:
    """Returns a hint for an unknown name: 'did you mean ...?' if it can be guessed, else the most similar known names."""
    names = list(known)
    if found := meant(name, names):
        return f"did you mean {found}?{note(name, found)}"
    written = str(name)[:MOST_COMPARED].lower()
    ranked = sorted(names, key=lambda each: -difflib.SequenceMatcher(a=written, b=each).ratio())
    more = len(ranked) - FEW
    # One more name takes no more room than the words that would replace it.
    few = ranked if more <= 1 else [*ranked[:FEW], f"and {more} more"]
    return f"known: {', '.join(few)}"


def guess(name: object, known: Iterable[str]) -> str:
    """Returns '; did you mean ...?' if the known name can be guessed, and '' otherwise.

    It is for a message that lists all known names already.
    """
    found = meant(name, names := list(known))
    return f"; {nearest(name, names)}" if found else ""


def note(name: object, ours: str) -> str:
    """Returns ' (...)' if the synonym `name` of `ours` usually counts something else, and '' otherwise."""
    parts, words = NOTES.get(ours, ("", ""))
    plain = _plain(str(name)[:MOST_COMPARED])
    return f" ({ours} {words})" if any(part in plain for part in parts.split()) else ""
