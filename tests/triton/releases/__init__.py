"""How releases of Triton differ where this project notices: one table, and a test for each row of it."""
