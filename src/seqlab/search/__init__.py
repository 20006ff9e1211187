"""Hyper-parameter search: trials that Optuna proposes, made of runs and judged by them, over several seeds."""
