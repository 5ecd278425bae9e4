"""Detect: how the person detector is trained; how it runs is `posedistill.runtime.detector`."""
