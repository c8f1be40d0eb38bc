"""Copies of a sweep's records for other programs, such as TensorBoard and MLflow.

The database remains the authoritative record.
"""
