"""Find a tritonserver, lay out its model repository and run it."""
