"""What config.yaml and the environment say of a knowledge base."""
