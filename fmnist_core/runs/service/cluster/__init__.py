"""A run on another machine: its folder there is mirrored here. Only `connection`, `proxy` and `watch` know Ray."""
