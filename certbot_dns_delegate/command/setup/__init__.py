"""What ``init`` sets up: data for each kind of service, the questions, and the new section of the INI file."""
