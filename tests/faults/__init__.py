"""What goes wrong around the command, many times over: too long for every run of the tests (``make faults``)."""
