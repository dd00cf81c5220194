"""What an order, a file and a look into the past cost as they grow: ``make growth``, plots and a page."""
