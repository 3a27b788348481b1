"""Commands that make the shipped weights. Nothing outside this package imports it; it may need tools a user never
installs."""
