"""The tests in several processes side by side, each in namespaces of its own with a lab of its own."""
