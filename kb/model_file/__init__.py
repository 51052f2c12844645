"""Language models in a GGUF file: fetched by set-up, served by llama.cpp in a child process."""
