"""Proofs: exact order, residuals and error terms of declared schemes. Loads sympy only for schemes with symbols."""
