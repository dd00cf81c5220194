"""Each rule of the design, the test that states it, and a patch that breaks it."""
