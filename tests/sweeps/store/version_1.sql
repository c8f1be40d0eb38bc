-- A database of schema version 1, with two sweeps, as the srsweep of that version wrote it.
BEGIN TRANSACTION;
CREATE TABLE attempts (
	trial_id INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	until_step INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	ended_at DATETIME, 
	step INTEGER NOT NULL, 
	seconds DOUBLE NOT NULL, 
	host VARCHAR(200) NOT NULL, 
	device VARCHAR(100) NOT NULL, 
	error TEXT NOT NULL, 
	PRIMARY KEY (trial_id, attempt), 
	FOREIGN KEY(trial_id) REFERENCES trials (id)
);
INSERT INTO "attempts" VALUES(1,1,4,'2026-11-26 11:50:08.770733','2026-11-26 11:50:08.771878',4,1.25,'box','CPU, 1 thread','');
INSERT INTO "attempts" VALUES(2,1,4,'2026-11-26 11:50:08.780073','2026-11-26 11:50:08.780680',4,1.25,'box','CPU, 1 thread','');
INSERT INTO "attempts" VALUES(3,1,4,'2026-11-26 11:50:08.787034','2026-11-26 11:50:08.787570',0,0.0,'box','CPU','Traceback:
ValueError: loss: it''s NaN');
INSERT INTO "attempts" VALUES(3,2,4,'2026-11-26 11:50:08.791125',NULL,0,0.0,'','','');
INSERT INTO "attempts" VALUES(4,1,4,'2026-11-26 11:50:08.806968','2026-11-26 11:50:08.807432',4,1.25,'box','CPU, 1 thread','');
INSERT INTO "attempts" VALUES(5,1,4,'2026-11-26 11:50:08.811947','2026-11-26 11:50:08.812474',4,1.25,'box','CPU, 1 thread','');
INSERT INTO "attempts" VALUES(6,1,4,'2026-11-26 11:50:08.818254','2026-11-26 11:50:08.818765',0,0.0,'box','CPU','Traceback:
ValueError: loss: it''s NaN');
INSERT INTO "attempts" VALUES(6,2,4,'2026-11-26 11:50:08.821698',NULL,0,0.0,'','','');
CREATE TABLE leases (
	sweep_id INTEGER NOT NULL, 
	token VARCHAR(32) NOT NULL, 
	holder VARCHAR(300) NOT NULL, 
	expires_at DATETIME NOT NULL, 
	PRIMARY KEY (sweep_id), 
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
);
INSERT INTO "leases" VALUES(1,'d86160e703a90000321c6951b6f69e07','box (process 41)','2026-11-26 11:50:08.793922');
INSERT INTO "leases" VALUES(2,'d86160e703a90000321cccff1d081d17','box (process 42)','2026-11-26 11:50:08.823593');
CREATE TABLE lives (
	id INTEGER NOT NULL, 
	sweep_id INTEGER NOT NULL, 
	started_at DATETIME NOT NULL, 
	text TEXT NOT NULL, 
	host VARCHAR(200) NOT NULL, 
	git_commit VARCHAR(40) NOT NULL, 
	git_dirty BOOLEAN NOT NULL, 
	versions JSON NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
);
INSERT INTO "lives" VALUES(1,1,'2026-11-26 11:50:08.750025','name: first
scale: 2
# it''s a "test": 5 µs
','box','c0ffee0000000000000000000000000000000000',0,'{"torch": "2.13.0", "source": "0123456789ab"}');
INSERT INTO "lives" VALUES(2,2,'2026-11-26 11:50:08.798003','name: second
scale: 2
# it''s a "test": 5 µs
','box','c0ffee0000000000000000000000000000000000',1,'{"torch": "2.13.0", "source": "0123456789ab"}');
CREATE TABLE measurements (
	trial_id INTEGER NOT NULL, 
	name VARCHAR(50) NOT NULL, 
	dataset VARCHAR(50) NOT NULL, 
	step INTEGER NOT NULL, 
	value DOUBLE NOT NULL, 
	PRIMARY KEY (trial_id, name, dataset, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (id)
);
INSERT INTO "measurements" VALUES(1,'params','',0,1000.0);
INSERT INTO "measurements" VALUES(1,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(1,'psnr_y','validation',2,2.82857142857142846992e+01);
INSERT INTO "measurements" VALUES(1,'ssim_y','validation',2,0.92);
INSERT INTO "measurements" VALUES(1,'psnr_y','validation',4,2.8571428571428572952e+01);
INSERT INTO "measurements" VALUES(1,'ssim_y','validation',4,9.40000000000000057731e-01);
INSERT INTO "measurements" VALUES(2,'params','',0,1001.0);
INSERT INTO "measurements" VALUES(2,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(2,'psnr_y','validation',2,2.92857142857142847e+01);
INSERT INTO "measurements" VALUES(2,'ssim_y','validation',2,0.92);
INSERT INTO "measurements" VALUES(2,'psnr_y','validation',4,2.95714285714285729511e+01);
INSERT INTO "measurements" VALUES(2,'ssim_y','validation',4,9.40000000000000057731e-01);
INSERT INTO "measurements" VALUES(3,'params','',0,1002.0);
INSERT INTO "measurements" VALUES(3,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(3,'psnr_y','validation',2,27.0);
INSERT INTO "measurements" VALUES(4,'params','',0,1000.0);
INSERT INTO "measurements" VALUES(4,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(4,'psnr_y','validation',2,2.82857142857142846992e+01);
INSERT INTO "measurements" VALUES(4,'ssim_y','validation',2,0.92);
INSERT INTO "measurements" VALUES(4,'psnr_y','validation',4,2.8571428571428572952e+01);
INSERT INTO "measurements" VALUES(4,'ssim_y','validation',4,9.40000000000000057731e-01);
INSERT INTO "measurements" VALUES(5,'params','',0,1001.0);
INSERT INTO "measurements" VALUES(5,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(5,'psnr_y','validation',2,2.92857142857142847e+01);
INSERT INTO "measurements" VALUES(5,'ssim_y','validation',2,0.92);
INSERT INTO "measurements" VALUES(5,'psnr_y','validation',4,2.95714285714285729511e+01);
INSERT INTO "measurements" VALUES(5,'ssim_y','validation',4,9.40000000000000057731e-01);
INSERT INTO "measurements" VALUES(6,'params','',0,1002.0);
INSERT INTO "measurements" VALUES(6,'multadds','',0,1.66666666666666674423e+06);
INSERT INTO "measurements" VALUES(6,'psnr_y','validation',2,27.0);
CREATE TABLE schema_version (
	version INTEGER NOT NULL, 
	PRIMARY KEY (version)
);
INSERT INTO "schema_version" VALUES(1);
CREATE TABLE sweep_facts (
	sweep_id INTEGER NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (sweep_id, name), 
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
);
INSERT INTO "sweep_facts" VALUES(1,'train_data','embedded x2');
INSERT INTO "sweep_facts" VALUES(1,'data_fingerprint','0123456789abcdef');
INSERT INTO "sweep_facts" VALUES(1,'validation_bicubic_psnr_y','28.123456');
INSERT INTO "sweep_facts" VALUES(2,'train_data','embedded x2');
INSERT INTO "sweep_facts" VALUES(2,'data_fingerprint','0123456789abcdef');
INSERT INTO "sweep_facts" VALUES(2,'validation_bicubic_psnr_y','28.123456');
CREATE TABLE sweeps (
	id INTEGER NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	scale INTEGER NOT NULL, 
	settings JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (name)
);
INSERT INTO "sweeps" VALUES(1,'first',2,'{"scale": 2, "seed": 0, "objectives": {"psnr_y": "maximize", "params": "minimize"}, "train": {"steps": 4, "patch_size": 24, "batch_size": 16, "learning_rate": 0.001, "schedule": "one_cycle", "halve_every": 200000, "clip_gradient": null, "evaluate_every": 2, "precision": "auto"}, "data": {"train": "embedded", "validation": null, "hold_out": 20}}','2026-11-26 11:50:08.742567');
INSERT INTO "sweeps" VALUES(2,'second',2,'{"scale": 2, "seed": 0, "objectives": {"psnr_y": "maximize", "params": "minimize"}, "train": {"steps": 4, "patch_size": 24, "batch_size": 16, "learning_rate": 0.001, "schedule": "one_cycle", "halve_every": 200000, "clip_gradient": null, "evaluate_every": 2, "precision": "auto"}, "data": {"train": "embedded", "validation": null, "hold_out": 20}}','2026-11-26 11:50:08.795243');
CREATE TABLE trial_knobs (
	trial_id INTEGER NOT NULL, 
	name VARCHAR(50) NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY (trial_id, name), 
	FOREIGN KEY(trial_id) REFERENCES trials (id)
);
INSERT INTO "trial_knobs" VALUES(1,'n_feats','8');
INSERT INTO "trial_knobs" VALUES(1,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(1,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(1,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(1,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(1,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(1,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(1,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(1,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(1,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(1,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(1,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(1,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(1,'upsampler','"stepwise"');
INSERT INTO "trial_knobs" VALUES(2,'n_feats','9');
INSERT INTO "trial_knobs" VALUES(2,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(2,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(2,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(2,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(2,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(2,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(2,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(2,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(2,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(2,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(2,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(2,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(2,'upsampler','"stepwise"');
INSERT INTO "trial_knobs" VALUES(3,'n_feats','10');
INSERT INTO "trial_knobs" VALUES(3,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(3,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(3,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(3,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(3,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(3,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(3,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(3,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(3,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(3,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(3,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(3,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(3,'upsampler','"stepwise"');
INSERT INTO "trial_knobs" VALUES(4,'n_feats','8');
INSERT INTO "trial_knobs" VALUES(4,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(4,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(4,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(4,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(4,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(4,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(4,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(4,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(4,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(4,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(4,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(4,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(4,'upsampler','"stepwise"');
INSERT INTO "trial_knobs" VALUES(5,'n_feats','9');
INSERT INTO "trial_knobs" VALUES(5,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(5,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(5,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(5,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(5,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(5,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(5,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(5,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(5,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(5,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(5,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(5,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(5,'upsampler','"stepwise"');
INSERT INTO "trial_knobs" VALUES(6,'n_feats','10');
INSERT INTO "trial_knobs" VALUES(6,'n_blocks','26');
INSERT INTO "trial_knobs" VALUES(6,'local_blocks','5');
INSERT INTO "trial_knobs" VALUES(6,'compression','"none"');
INSERT INTO "trial_knobs" VALUES(6,'expand_ratio','1.0');
INSERT INTO "trial_knobs" VALUES(6,'expand_conv','"auto"');
INSERT INTO "trial_knobs" VALUES(6,'compress_bias','false');
INSERT INTO "trial_knobs" VALUES(6,'compress_norm','"none"');
INSERT INTO "trial_knobs" VALUES(6,'activation_ratio','"all"');
INSERT INTO "trial_knobs" VALUES(6,'pool_layers','"default"');
INSERT INTO "trial_knobs" VALUES(6,'residual_scale','1.0');
INSERT INTO "trial_knobs" VALUES(6,'attention','"none"');
INSERT INTO "trial_knobs" VALUES(6,'residual_scaling','"none"');
INSERT INTO "trial_knobs" VALUES(6,'upsampler','"stepwise"');
CREATE TABLE trials (
	id INTEGER NOT NULL, 
	sweep_id INTEGER NOT NULL, 
	number INTEGER NOT NULL, 
	architecture VARCHAR(16) NOT NULL, 
	family VARCHAR(50) NOT NULL, 
	label TEXT NOT NULL, 
	seed INTEGER NOT NULL, 
	state VARCHAR(10) NOT NULL, 
	created_at DATETIME NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (sweep_id, number), 
	UNIQUE (sweep_id, architecture, seed), 
	FOREIGN KEY(sweep_id) REFERENCES sweeps (id)
);
INSERT INTO "trials" VALUES(1,1,0,'a9bf0a1e4005b93d','slwsr','slwsr n_feats=8',0,'complete','2026-11-26 11:50:08.765349');
INSERT INTO "trials" VALUES(2,1,1,'bf50341ee474c39a','slwsr','slwsr n_feats=9',0,'stopped','2026-11-26 11:50:08.777830');
INSERT INTO "trials" VALUES(3,1,2,'15fe73e887d74f8a','slwsr','slwsr n_feats=10',0,'running','2026-11-26 11:50:08.784886');
INSERT INTO "trials" VALUES(4,2,0,'a9bf0a1e4005b93d','slwsr','slwsr n_feats=8',0,'complete','2026-11-26 11:50:08.804956');
INSERT INTO "trials" VALUES(5,2,1,'bf50341ee474c39a','slwsr','slwsr n_feats=9',0,'stopped','2026-11-26 11:50:08.810623');
INSERT INTO "trials" VALUES(6,2,2,'15fe73e887d74f8a','slwsr','slwsr n_feats=10',0,'running','2026-11-26 11:50:08.816170');
CREATE INDEX ix_lives_sweep_id ON lives (sweep_id);
CREATE INDEX ix_trials_architecture ON trials (architecture);
CREATE INDEX measurements_by_name ON measurements (name, dataset, trial_id);
COMMIT;
