"""numtoolkit: integrators of diffusion generative models, declared once, proved, measured exactly, and run."""

__version__ = "0.1.0"
