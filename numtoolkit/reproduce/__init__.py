"""The main job: kinds of experiments, and the job that runs a folder of them."""

from numtoolkit.moved import names_of

__getattr__ = names_of(__name__)
