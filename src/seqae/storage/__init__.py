"""Every file format: models, detectors, checkpoints, tables; a file is written whole or not at all."""
