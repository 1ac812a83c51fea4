"""Many runs that make one curve or table."""
