"""A clip to a checked file: options, segments and their jobs, rates, the work folder, the report."""
