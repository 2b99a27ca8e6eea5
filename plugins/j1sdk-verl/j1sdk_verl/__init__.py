"""Trains a judge of j1sdk in verl."""
