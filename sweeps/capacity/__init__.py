"""Decides how many trials run in parallel, from the resources of a trial, the machine, and measured training speeds."""
