"""The engine room that every service shares; the one folder here, beside `cli`, that is no container."""
