"""The main job: kinds of experiments, and the job that runs a folder of them."""
