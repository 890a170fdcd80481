"""Files: written whole or not at all, folders of samples, fitted coefficients."""
