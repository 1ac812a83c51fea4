"""Cuts work into shards, spreads it over processes, remembers what is finished and times it."""
