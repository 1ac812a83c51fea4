"""Many runs, or many simulated runs, that make one curve or table."""
