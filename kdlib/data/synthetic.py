"""A procedural city: aerial images drawn by rule, for machines without the Dubai images."""
