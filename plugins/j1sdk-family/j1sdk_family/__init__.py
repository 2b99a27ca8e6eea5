"""Judges of other papers: a module for each system, and an entry point for each module."""
