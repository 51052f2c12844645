"""What `kb doctor` looks at: each file checks one part of what kb stands on."""
