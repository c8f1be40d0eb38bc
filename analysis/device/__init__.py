"""Times exported files on a device, and predicts the latency of other networks on it.

A *folder* holds the files to time. `script` adds a shell script that times them with a benchmark program (`programs`).
The script runs through `adb`, or a person runs it on the device. `results` reads what the script wrote. `design`
chooses the networks to time, and `latency_model` learns from their latencies.
"""
