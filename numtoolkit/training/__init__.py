"""Training of networks: data, recipes, the regression of each objective, the loop, and how its result is judged."""
