"""The lie detector: bad and odd backups and restores on the product's own path, each with the verdict that
is the truth."""
