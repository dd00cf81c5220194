"""The steps of one order: plan, publish, prove, withdraw."""
