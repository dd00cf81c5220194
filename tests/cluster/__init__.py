"""Many machines for real: an array job of Slurm, of which the engine kills one task (``make cluster``)."""
