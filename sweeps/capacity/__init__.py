"""Decides how many trials run in parallel: the resources of a trial, how many trials fit, and how many are fastest."""
