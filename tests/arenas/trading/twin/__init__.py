"""The market written a second time, in plain Python, for tests: a step of it equals the kernel's."""
