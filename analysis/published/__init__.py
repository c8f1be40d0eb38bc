"""The published networks and test-set tables beside ours."""
