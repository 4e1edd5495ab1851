"""From study.yaml to what is run: cells, settings files, dvc.yaml; and whether all of it is right."""
